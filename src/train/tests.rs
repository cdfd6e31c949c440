//! The run as a whole: it learns, it repeats its bits, and it goes on from a checkpoint as if nothing had been.

mod checkpoint;
mod devices;
mod gradients;

use crate::device::cpu::Cpu;
use crate::train::digits::Digits;
use crate::train::math::Algorithms;
use crate::train::optimizer::Optimizer;
use crate::train::trainer::{Settings, Trainer};

#[test]
fn both_optimizers_reach_96_percent_on_images_that_were_held_out() {
    let (cpu, digits) = (Cpu::new().unwrap(), Digits::load());
    for optimizer in [Optimizer::Momentum, Optimizer::Adam] {
        let mut trainer = Trainer::new(&cpu, &digits, Settings::new(optimizer), 1);
        let untrained = trainer.evaluate().unwrap();
        assert!(trainer.accuracy(&untrained) < 0.3);
        trainer.steps(330).unwrap();
        let trained = trainer.evaluate().unwrap();
        let accuracy = trainer.accuracy(&trained);
        assert!(accuracy >= 0.96, "{optimizer:?}: {accuracy}, loss {}", trained.loss);
        assert!(trained.loss < untrained.loss / 5.0);
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_with_any_number_of_threads() {
    let digits = Digits::load();
    let digest = |threads, seed, choices: &[&str]| {
        let cpu = Cpu::with_threads(threads).unwrap();
        let choices: Vec<String> = choices.iter().map(|&choice| choice.to_owned()).collect();
        let settings =
            Settings { algorithms: Algorithms::choose(&choices).unwrap(), ..Settings::new(Optimizer::Adam) };
        let mut trainer = Trainer::new(&cpu, &digits, settings, seed);
        trainer.steps(13).unwrap();
        trainer.state.digest()
    };
    let first = digest(1, 3, &[]);
    assert_eq!(digest(4, 3, &[]), first);
    assert_ne!(digest(1, 4, &[]), first);
    // Another order of additions: the chosen algorithm is what computes.
    assert_ne!(digest(1, 3, &["matmul=contractible"]), first);
}

#[test]
fn a_step_that_diverges_leaves_the_state_as_it_was() {
    let (cpu, digits) = (Cpu::with_threads(2).unwrap(), Digits::load());
    let mut trainer = Trainer::new(&cpu, &digits, Settings::new(Optimizer::Momentum), 1);
    trainer.state.parameters.0[4][3] = f32::INFINITY;
    let before = trainer.state.clone();
    let error = trainer.step().unwrap_err().to_string();
    assert!(error.contains("diverged"), "{error}");
    // Bits of all parts: an infinity is among them.
    assert!(trainer.state.parts() == before.parts());
}
