//! Gradients against central differences of the same network, written once more, plainly and in f64.

use crate::device::cpu::Cpu;
use crate::train::digits::{CLASSES, Digits, Normalisation, PIXELS};
use crate::train::math::{Dropout, Math};
use crate::train::network::{Batch, HIDDEN, NAMES, Network, Parameters, Statistics};
use crate::train::philox::{Generator, Purpose, unit};
use crate::train::state::State;

const EPSILON: f32 = 1e-5;

/// Per activation 0 with the probability of a drop, else 1 ÷ (1 − that).
fn factors(Dropout { rate, mut stream }: Dropout, count: usize) -> Vec<f32> {
    let words = stream.words(count);
    words.into_iter().map(|word| if unit(word) < rate { 0.0 } else { 1.0 / (1.0 - rate) }).collect()
}

/// The loss in f64.
fn loss(parameters: &[Vec<f64>; 5], pixels: &[f64], digits: &[u8], dropout: &[f32]) -> f64 {
    let [hidden_weight, norm_weight, norm_bias, output_weight, output_bias] = parameters;
    let count = digits.len();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut active = vec![0.0; count * HIDDEN];
    for channel in 0..HIDDEN {
        let weight = &hidden_weight[channel * PIXELS..][..PIXELS];
        let x: Vec<f64> = pixels.chunks(PIXELS).map(|image| dot(image, weight)).collect();
        let mean = x.iter().sum::<f64>() / count as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
        for (image, x) in x.iter().enumerate() {
            let y = (x - mean) / (variance + f64::from(EPSILON)).sqrt() * norm_weight[channel]
                + norm_bias[channel];
            active[image * HIDDEN + channel] = y.max(0.0) * f64::from(dropout[image * HIDDEN + channel]);
        }
    }
    let of_image = |(image, active): (usize, &[f64])| {
        let logits: Vec<f64> = (0..CLASSES)
            .map(|class| dot(active, &output_weight[class * HIDDEN..][..HIDDEN]) + output_bias[class])
            .collect();
        let most = logits.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
        sum.ln() + most - logits[usize::from(digits[image])]
    };
    active.chunks(HIDDEN).enumerate().map(of_image).sum::<f64>() / count as f64
}

#[test]
fn gradients_agree_with_finite_differences_in_f64() {
    let (cpu, all) = (Cpu::with_threads(2).unwrap(), Digits::load());
    let images = &all.training[..24];
    let normalisation = Normalisation::of(&all.training);
    let pixels = normalisation.apply(images);
    let digits: Vec<u8> = images.iter().map(|image| image.digit).collect();
    let mut generator = Generator::new(5, Purpose::Dropout);
    let dropped = Dropout { rate: 0.2, stream: generator.take(images.len() * HIDDEN) };
    let dropout = factors(dropped, images.len() * HIDDEN);
    let mut parameters = State::initial(5, normalisation).parameters;
    // No scale of 1 and no bias of 0, which would hide a factor that is missing.
    for (vector, shift) in [(1, 0.75), (2, -0.25), (4, -0.5)] {
        let words = generator.words(parameters.0[vector].len());
        parameters.0[vector]
            .iter_mut()
            .zip(words)
            .for_each(|(value, word)| *value = shift + unit(word) / 2.0);
    }
    let network = Network { math: Math::new(&cpu), epsilon: EPSILON, momentum: 0.1 };
    let batch = Batch { pixels: &pixels, digits: &digits };
    let trained = network.train(&parameters, &Statistics::initial(), batch, dropped).unwrap();

    let wide = |Parameters(vectors): &Parameters| {
        vectors.clone().map(|vector| vector.into_iter().map(f64::from).collect::<Vec<_>>())
    };
    let (at, pixels) = (wide(&parameters), pixels.iter().map(|pixel| f64::from(*pixel)).collect::<Vec<_>>());
    let exact = loss(&at, &pixels, &digits, &dropout);
    assert!((f64::from(trained.loss) - exact).abs() < 1e-5 * exact, "{} {exact}", trained.loss);
    for (vector, gradients) in trained.gradients.0.iter().enumerate() {
        let largest = gradients.iter().fold(0.0f32, |most, gradient| most.max(gradient.abs()));
        let step = (gradients.len() / 40).max(1);
        for place in (0..gradients.len()).step_by(step) {
            let moved = |by: f64| {
                let mut at = at.clone();
                at[vector][place] += by;
                loss(&at, &pixels, &digits, &dropout)
            };
            let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            let apart = (f64::from(gradients[place]) - difference).abs();
            // f32 sums in the backward pass, and a kink of ReLU within the step at worst.
            assert!(
                apart < 1e-4 * f64::from(largest),
                "{}[{place}]: {} against {difference}",
                NAMES[vector],
                gradients[place]
            );
        }
        assert!(largest > 1e-3, "{}: all near 0", NAMES[vector]);
    }
}

#[test]
fn running_statistics_move_by_a_tenth_towards_the_batch() {
    let (cpu, all) = (Cpu::with_threads(2).unwrap(), Digits::load());
    let images = &all.training[..64];
    let state = State::initial(2, Normalisation::of(images));
    let pixels = state.normalisation.apply(images);
    let digits: Vec<u8> = images.iter().map(|image| image.digit).collect();
    let network = Network { math: Math::new(&cpu), epsilon: EPSILON, momentum: 0.1 };
    let batch = Batch { pixels: &pixels, digits: &digits };
    let nothing = Dropout { rate: 0.0, stream: state.dropout };
    let trained = network.train(&state.parameters, &Statistics::initial(), batch, nothing).unwrap();
    let weight = &state.parameters.0[0][..PIXELS];
    let x: Vec<f64> = pixels
        .chunks(PIXELS)
        .map(|image| image.iter().zip(weight).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum())
        .collect();
    let mean = x.iter().sum::<f64>() / 64.0;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 63.0;
    assert!((f64::from(trained.statistics.mean[0]) - 0.1 * mean).abs() < 1e-6);
    assert!((f64::from(trained.statistics.var[0]) - 0.9 - 0.1 * variance).abs() < 1e-6);
}
