//! A step's bits are the same wherever it is computed, if every algorithm claims that.

use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::device::sim::{DEFAULT_MOST_INSTRUCTIONS, Sim};
use crate::train::checkpoint::{load, save};
use crate::train::digits::Digits;
use crate::train::math::Algorithms;
use crate::train::optimizer::Optimizer;
use crate::train::trainer::{Settings, Trainer};

#[test]
fn steps_on_the_simulated_gpu_have_the_bits_of_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let (cpu, sim, digits) =
        (Cpu::with_threads(2).unwrap(), Sim::new(DEFAULT_MOST_INSTRUCTIONS), Digits::load());
    let cases: [(Optimizer, &[&str]); 3] =
        [(Optimizer::Momentum, &[]), (Optimizer::Adam, &[]), (Optimizer::Adam, &["matmul=split_k_ordered"])];
    for (optimizer, choices) in cases {
        let choices: Vec<String> = choices.iter().map(|&choice| choice.to_owned()).collect();
        let algorithms = Algorithms::choose(&choices).unwrap();
        let settings = Settings { algorithms, ..Settings::new(optimizer) };
        let mut before = Trainer::new(&cpu, &digits, settings, 4);
        // Far enough that moments and running statistics are of this network, and over an epoch's end.
        before.steps(10).unwrap();
        // And in the middle of a step.
        before.batch().unwrap();
        let path = folder.path().join("run.safetensors");
        save(&path, &before.state, &settings, "cpu").unwrap();
        let after = |device: &dyn Device| {
            let (state, _) = load(&path, digits.training.len()).unwrap();
            let mut run = Trainer { device, digits: &digits, settings, state };
            let losses: Vec<u32> = (0..3).map(|_| run.batch().unwrap().to_bits()).collect();
            (run.state.parts(), losses, run.evaluate().unwrap())
        };
        let (there, here) = (after(&sim), after(&cpu));
        assert!(there == here, "{optimizer:?} {choices:?}: other bits on sim");
        assert!(here.0 != before.state.parts(), "the steps moved nothing");
    }
}
