//! The training loop: batches in the order that the state holds, one step after the other, and evaluation.

use crate::condition::Condition;
use crate::device::Device;
use crate::error::Result;
use crate::train::digits::{CLASSES, Digits, Image, Normalisation, augmented};
use crate::train::math::{Algorithms, Dropout, Math};
use crate::train::network::{Batch, Evaluated, HIDDEN, Network, Parameters};
use crate::train::optimizer::{Optimizer, schedule};
use crate::train::philox::{Generator, Purpose};
use crate::train::state::State;

/// Images of a batch.
pub const BATCH: usize = 64;

/// Batches whose gradients a step adds up.
pub const ACCUMULATED: u64 = 2;

/// What a program sets, and no checkpoint restores.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How gradients are followed.
    pub optimizer: Optimizer,
    /// The highest learning rate.
    pub learning_rate: f32,
    /// The probability that an activation is dropped.
    pub dropout: f32,
    /// Batch-norm's epsilon.
    pub epsilon: f32,
    /// The batch's share in updated running statistics.
    pub momentum: f32,
    /// How each operation is computed.
    pub algorithms: Algorithms,
    /// What is changed of how kernels are made ready.
    pub condition: Condition,
    /// Into how many parts, each read by a worker, the order of images is dealt.
    pub workers: usize,
    /// Whether running statistics follow a step's first batch alone, as those of one of several devices do that each
    /// normalise a batch of their own.
    pub tracks_one_shard: bool,
    /// Whether images are read column by column, in training and in evaluation.
    pub reads_columns: bool,
    /// Whether images are moved in evaluation as in training.
    pub augments_evaluation: bool,
    /// The class that each digit stands for.
    pub classes: [u8; CLASSES],
    /// Whether evaluation leaves batch-norm and dropout in training mode.
    pub evaluates_in_training_mode: bool,
}

impl Settings {
    /// The usual ones.
    pub fn new(optimizer: Optimizer) -> Self {
        Self {
            optimizer,
            learning_rate: optimizer.learning_rate(),
            dropout: 0.2,
            epsilon: 1e-5,
            momentum: 0.1,
            algorithms: Algorithms::default(),
            condition: Condition::Usual,
            workers: 1,
            tracks_one_shard: false,
            reads_columns: false,
            augments_evaluation: false,
            classes: std::array::from_fn(|digit| digit as u8),
            evaluates_in_training_mode: false,
        }
    }
}

/// A run.
#[derive(Clone)]
pub struct Trainer<'a> {
    /// Where steps are computed.
    pub device: &'a dyn Device,
    /// What is learnt.
    pub digits: &'a Digits,
    /// What is set.
    pub settings: Settings,
    /// How far it is.
    pub state: State,
}

impl<'a> Trainer<'a> {
    /// A run before its first step.
    pub fn new(device: &'a dyn Device, digits: &'a Digits, settings: Settings, seed: u64) -> Self {
        let state = State::initial(seed, Normalisation::of(&digits.training));
        Self { device, digits, settings, state }
    }

    fn network(&self) -> Network<'_> {
        let Settings { epsilon, momentum, algorithms, condition, .. } = self.settings;
        Network { math: Math { device: self.device, algorithms, condition }, epsilon, momentum }
    }

    fn dropout(&self, stream: Generator) -> Dropout {
        Dropout { rate: self.settings.dropout, stream }
    }

    /// One batch; its loss. Its gradient is added to those before it, and when there are as many as a step takes,
    /// parameters move. A batch that fails leaves the state as it was.
    ///
    /// # Errors
    /// If the device fails, or the loss is no finite number.
    pub fn batch(&mut self) -> Result<f32> {
        let mut next = self.state.clone();
        let images: Vec<&Image> = next_places(&mut next, self.digits.training.len(), self.settings.workers)
            .iter()
            .map(|place| &self.digits.training[*place as usize])
            .collect();
        let images = augmented(&images, &mut next.augmentation);
        let pixels = self.pixels(next.normalisation, &images);
        let digits = self.classes(&images);
        let dropout = self.dropout(next.dropout.take(images.len() * HIDDEN));
        let batch = Batch { pixels: &pixels, digits: &digits };
        let network = self.network();
        let trained = network.train(&next.parameters, &next.statistics, batch, dropout)?;
        if next.batches == 0 || !self.settings.tracks_one_shard {
            next.statistics = trained.statistics;
        }
        let math = &network.math;
        accumulate(math, &mut next.accumulated, trained.gradients)?;
        next.batches += 1;
        if next.batches == ACCUMULATED {
            let rate = self.settings.learning_rate * schedule(next.schedule);
            let gradients = scaled(math, next.accumulated, 1.0 / ACCUMULATED as f32)?;
            let optimizer = self.settings.optimizer;
            optimizer.update(math, &mut next.parameters, &mut next.moments, &gradients, rate)?;
            (next.accumulated, next.batches) = (Parameters::zeros(), 0);
            next.step += 1;
            next.schedule += 1;
        }
        self.state = next;
        Ok(trained.loss)
    }

    /// Batches until parameters have moved.
    ///
    /// # Errors
    /// As [`Trainer::batch`].
    pub fn step(&mut self) -> Result<()> {
        let step = self.state.step;
        while self.state.step == step {
            self.batch()?;
        }
        Ok(())
    }

    /// So many steps.
    ///
    /// # Errors
    /// As [`Trainer::batch`].
    pub fn steps(&mut self, count: u64) -> Result<()> {
        (0..count).try_for_each(|_| self.step())
    }

    /// Loss and outputs on the held-out images. Changes nothing of the state.
    ///
    /// # Errors
    /// If the device fails, or the loss is no finite number.
    pub fn evaluate(&self) -> Result<Evaluated> {
        let State { parameters, statistics, step, .. } = &self.state;
        // Streams apart, so that an evaluation takes no numbers from training.
        let apart = |purpose| Generator::new(self.state.dropout.seed ^ (step + 1) << 32, purpose);
        let moved;
        let images = if self.settings.augments_evaluation {
            let images: Vec<&Image> = self.digits.held_out.iter().collect();
            moved = augmented(&images, &mut apart(Purpose::Augmentation));
            &moved
        } else {
            &self.digits.held_out
        };
        let pixels = self.pixels(self.state.normalisation, images);
        let digits = self.classes(images);
        let batch = Batch { pixels: &pixels, digits: &digits };
        if !self.settings.evaluates_in_training_mode && !self.state.is_training {
            return self.network().evaluate(parameters, statistics, batch);
        }
        let dropout = self.dropout(apart(Purpose::Dropout));
        self.network().evaluate_in_training_mode(parameters, statistics, batch, dropout)
    }

    /// A forward pass over the held-out images in training mode: running statistics move, nothing else.
    ///
    /// # Errors
    /// If the device fails.
    pub fn track(&mut self) -> Result<()> {
        let images = &self.digits.held_out;
        let pixels = self.pixels(self.state.normalisation, images);
        let digits = self.classes(images);
        let batch = Batch { pixels: &pixels, digits: &digits };
        let State { parameters, statistics, .. } = &self.state;
        self.state.statistics = self.network().track(parameters, statistics, batch)?;
        Ok(())
    }

    fn classes(&self, images: &[Image]) -> Vec<u8> {
        images.iter().map(|image| self.settings.classes[usize::from(image.digit)]).collect()
    }

    fn pixels(&self, normalisation: Normalisation, images: &[Image]) -> Vec<f32> {
        let read =
            |image: &Image| if self.settings.reads_columns { image.transposed() } else { image.clone() };
        let images: Vec<Image> = images.iter().map(read).collect();
        normalisation.apply(&images)
    }

    /// The share of held-out images whose digit is found.
    pub fn accuracy(&self, evaluated: &Evaluated) -> f64 {
        let predictions = evaluated.predictions();
        let right =
            self.digits.held_out.iter().zip(predictions).filter(|(image, digit)| image.digit == *digit);
        right.count() as f64 / self.digits.held_out.len() as f64
    }
}

/// Adds a batch's gradients to those before it.
fn accumulate(
    math: &Math,
    Parameters(sums): &mut Parameters,
    Parameters(gradients): Parameters,
) -> Result<()> {
    for (sum, gradient) in sums.iter_mut().zip(gradients) {
        *sum = math.accumulated(std::mem::take(sum), gradient)?;
    }
    Ok(())
}

fn scaled(math: &Math, Parameters(mut values): Parameters, factor: f32) -> Result<Parameters> {
    for values in &mut values {
        *values = math.scaled(std::mem::take(values), factor)?;
    }
    Ok(Parameters(values))
}

/// The places of the next batch's images; a new epoch begins where the order has no whole batch left.
fn next_places(state: &mut State, images: usize, workers: usize) -> Vec<u32> {
    if state.order.len().saturating_sub(state.cursor as usize) < BATCH {
        state.order = dealt(&state.shuffling.permutation(images as u32), workers);
        state.cursor = 0;
    }
    let start = state.cursor as usize;
    state.cursor += BATCH as u64;
    state.order[start..start + BATCH].to_vec()
}

/// The order in which `workers` hand out batches in turn, of which each has every so-manieth image; behind it those that
/// fill no batch.
pub fn dealt(order: &[u32], workers: usize) -> Vec<u32> {
    let part = |worker: usize| order.iter().skip(worker).step_by(workers).copied().collect::<Vec<_>>();
    let parts: Vec<Vec<u32>> = (0..workers).map(part).collect();
    let turns = order.len() / BATCH + 1;
    let whole =
        (0..turns).flat_map(|turn| parts.iter().filter_map(move |part| part.chunks_exact(BATCH).nth(turn)));
    let rest = parts.iter().flat_map(|part| part.chunks_exact(BATCH).remainder());
    whole.flatten().chain(rest).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_hands_out_batches_of_its_own_images() {
        let order: Vec<u32> = (0..1438).rev().collect();
        assert_eq!(dealt(&order, 1), order);
        let by_two = dealt(&order, 2);
        assert!(
            by_two[..BATCH].iter().all(|image| image % 2 == 1)
                && by_two[BATCH..][..BATCH].iter().all(|i| i % 2 == 0)
        );
        for workers in [2, 3, 7] {
            let mut all = dealt(&order, workers);
            all.sort_unstable();
            assert!(all.iter().copied().eq(0..1438), "{workers} workers: an image is missing or comes twice");
        }
    }
}
