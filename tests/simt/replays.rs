//! Two schedules that differ are replayed by their flags, and the second is as short as it can be.

use std::sync::Arc;

use samebits::explore::plan::{Argument, Given};
use samebits::explore::schedules::Subject;
use samebits::explore::verdict::Explored;
use samebits::explore::{Settings, explore};
use samebits::simt::Module;

const PTX: &str = include_str!("explore/orders.ptx");
fn found(entry: &str, settings: &Settings) -> Explored {
    let arguments: Vec<Argument> = ["in:f32:256:wide", "both:f32:256", "both:f32:256", "both:u32:256"]
        .iter()
        .enumerate()
        .map(|(number, text)| Given::parse(text).unwrap().argument(number).unwrap())
        .collect();
    let module = Arc::new(Module::new(PTX).unwrap());
    let (grid, block) = ([4, 1, 1], [64, 1, 1]);
    let subject =
        Subject { module: &module, entry, grid, block, shared: 0, arguments: &arguments, fuel: 1 << 24 };
    explore(&subject, PTX, settings).unwrap()
}

/// The seed and the choices of `--seed S --choices N`.
fn begun(replay: &str) -> (u64, u64) {
    let words: Vec<&str> = replay.split(' ').collect();
    let ["--seed", seed, "--choices", choices] = words[..] else { panic!("{replay}") };
    (seed.parse().unwrap(), choices.parse().unwrap())
}

#[test]
fn the_last_choice_of_a_minimised_schedule_is_needed() {
    for entry in ["float_atomic", "exchange", "mixed_classes", "missing_barrier"] {
        let explored = found(entry, &Settings::of(16));
        let [in_turn, minimised] =
            explored.differ.as_ref().unwrap_or_else(|| panic!("{entry}: {explored:?}"));
        assert_eq!(in_turn.replay, "--seed 0 --schedules 1", "{entry}");
        assert_eq!(found(entry, &Settings::of(1)).first, in_turn.result, "{entry}");
        let (seed, choices) = begun(&minimised.replay);
        let replayed =
            |choices| found(entry, &Settings { seed, choices: Some(choices), ..Settings::of(1) }).first;
        assert_eq!(replayed(choices), minimised.result, "{entry}");
        assert_eq!(replayed(choices - 1), in_turn.result, "{entry}");
        assert_ne!(minimised.result, in_turn.result, "{entry}");
    }
}
