//! The table of causes: the one place where they are registered.

use serde::Serialize;

use crate::error::Result;
use crate::train::digits::Normalisation;
use crate::train::math::Algorithms;
use crate::train::network::{Parameters, Statistics};
use crate::train::optimizer::Moments;
use crate::train::philox::{Generator, Purpose};
use crate::train::state::State;
use crate::train::trainer::{BATCH, Trainer};

/// What sort of thing goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing: the bits must be the same.
    Control,
    /// Bits of numbers.
    Numeric,
    /// Something that was not restored.
    State,
    /// What the network is given.
    Data,
    /// The file: it must be refused.
    Integrity,
}

impl Kind {
    /// The name in files and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Numeric => "numeric",
            Self::State => "state",
            Self::Data => "data",
            Self::Integrity => "integrity",
        }
    }
}

/// One way in which reloading may go wrong.
#[derive(Debug)]
pub struct Cause {
    /// Its name on the screen.
    pub name: &'static str,
    /// Its sort.
    pub kind: Kind,
    /// What is done.
    pub change: Change,
}

/// What is done between saving and going on.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// To a run that goes on from a whole checkpoint.
    Run(fn(&mut Trainer) -> Result<()>),
    /// Nothing, but going on happens in a new process, which has the file alone.
    NewProcess,
    /// To the file before it is read.
    File(fn(&mut Vec<u8>)),
}

/// All causes that are measured.
pub static CAUSES: [Cause; 24] = [
    run("nothing forgotten", Kind::Control, |_| Ok(())),
    Cause { name: "nothing forgotten, new process", kind: Kind::Control, change: Change::NewProcess },
    run("gradients computed, not used", Kind::Control, |run| run.clone().step().map(drop)),
    run("atomic kernels", Kind::Numeric, |run| {
        with(run, &["reduce=atomic_element", "matmul=split_k_atomic", "batch_norm=atomic"])
    }),
    run("other deterministic kernels", Kind::Numeric, |run| {
        with(run, &["reduce=two_pass", "matmul=contractible", "batch_norm=channel_tree"])
    }),
    run("parameters saved as f16", Kind::Numeric, |run| {
        rounded(&mut run.state.parameters, |value| half::f16::from_f32(value).to_f32());
        Ok(())
    }),
    run("parameters saved as bf16", Kind::Numeric, |run| {
        rounded(&mut run.state.parameters, |value| half::bf16::from_f32(value).to_f32());
        Ok(())
    }),
    run("evaluated in training mode", Kind::State, |run| {
        run.settings.evaluates_in_training_mode = true;
        Ok(())
    }),
    run("running statistics lost", Kind::State, |run| {
        run.state.statistics = Statistics::initial();
        Ok(())
    }),
    run("running variances biased", Kind::State, |run| {
        let share = (BATCH - 1) as f32 / BATCH as f32;
        run.state.statistics.var.iter_mut().for_each(|var| *var *= share);
        Ok(())
    }),
    run("statistics moved by evaluating", Kind::State, |run| run.track()),
    run("epsilon 1e-3, not 1e-5", Kind::State, |run| {
        run.settings.epsilon = 1e-3;
        Ok(())
    }),
    run("optimizer state lost", Kind::State, |run| {
        run.state.moments = Moments::initial();
        Ok(())
    }),
    run("schedule starts again", Kind::State, |run| {
        run.state.schedule = 0;
        Ok(())
    }),
    run("learning rate ×10", Kind::State, |run| {
        run.settings.learning_rate *= 10.0;
        Ok(())
    }),
    run("dropout seeded anew", Kind::State, |run| {
        run.state.dropout = anew(run.state.dropout, Purpose::Dropout);
        Ok(())
    }),
    run("shuffling seeded anew", Kind::State, |run| {
        run.state.shuffling = anew(run.state.shuffling, Purpose::Shuffling);
        (run.state.order, run.state.cursor) = (Vec::new(), 0);
        Ok(())
    }),
    run("augmentation seeded anew", Kind::State, |run| {
        run.state.augmentation = anew(run.state.augmentation, Purpose::Augmentation);
        Ok(())
    }),
    run("output layer reset", Kind::State, |run| {
        let fresh = State::initial(!run.state.dropout.seed, run.state.normalisation);
        let [.., weight, bias] = fresh.parameters.0;
        let [.., weight_place, bias_place] = &mut run.state.parameters.0;
        (*weight_place, *bias_place) = (weight, bias);
        Ok(())
    }),
    run("normalised by the new data", Kind::Data, |run| {
        run.state.normalisation = Normalisation::of(&run.digits.held_out);
        Ok(())
    }),
    run("pixels scaled to 0…1", Kind::Data, |run| {
        run.state.normalisation = Normalisation { mean: 0.0, deviation: 16.0 };
        Ok(())
    }),
    run("pixels read by columns", Kind::Data, |run| {
        run.settings.reads_columns = true;
        Ok(())
    }),
    file("file truncated", |bytes| bytes.truncate(bytes.len() - 1000)),
    file("one bit flipped", |bytes| {
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
    }),
];

const fn run(name: &'static str, kind: Kind, change: fn(&mut Trainer) -> Result<()>) -> Cause {
    Cause { name, kind, change: Change::Run(change) }
}

const fn file(name: &'static str, change: fn(&mut Vec<u8>)) -> Cause {
    Cause { name, kind: Kind::Integrity, change: Change::File(change) }
}

fn with(run: &mut Trainer, choices: &[&str]) -> Result<()> {
    let choices: Vec<String> = choices.iter().map(|&choice| choice.to_owned()).collect();
    run.settings.algorithms = Algorithms::choose(&choices)?;
    Ok(())
}

fn rounded(Parameters(vectors): &mut Parameters, round: fn(f32) -> f32) {
    vectors.iter_mut().flatten().for_each(|value| *value = round(*value));
}

/// The stream that a program starts with which restored none: from its begin, with another seed.
fn anew(generator: Generator, purpose: Purpose) -> Generator {
    Generator::new(!generator.seed, purpose)
}
