//! The table of causes: the one place where they are registered.

use std::path::Path;

use serde::Serialize;

use crate::causes::damage;
use crate::condition::CompileSetting;
use crate::error::Result;
use crate::train::checkpoint::Stored;
use crate::train::digits::{CLASSES, Image, Normalisation};
use crate::train::network::{Parameters, Statistics};
use crate::train::optimizer::Moments;
use crate::train::philox::{Generator, Purpose};
use crate::train::state::State;
use crate::train::trainer::{BATCH, Trainer, dealt};

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

/// What is done, and where between saving and going on.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// To a run that goes on from a whole checkpoint.
    Run(fn(&mut Trainer) -> Result<()>),
    /// To the state that is saved.
    Saved(fn(&mut State)),
    /// Parameters are saved in another type.
    Stored(Stored),
    /// To a run before its first step, whose checkpoint is taken for the usual one's.
    Trained(fn(&mut Trainer)),
    /// Algorithms of a run that goes on, beside those of the run that it is compared with.
    Beside([&'static str; 2]),
    /// Nothing, but going on happens in a new process, which has the file alone.
    NewProcess,
    /// Nothing, but going on happens on another device.
    Device(Place),
    /// Kernels are compiled again, under these options; on a device that has kernels.
    Recompiled(CompileSetting),
    /// To the file before it is read.
    File(fn(&Path) -> Result<()>),
}

/// A sort of device to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The CPU.
    Cpu,
    /// The simulated GPU.
    Sim,
    /// A CUDA GPU.
    Cuda,
}

/// All causes that are measured.
pub static CAUSES: &[Cause] = &[
    run("nothing forgotten", Kind::Control, |_| Ok(())),
    cause("nothing forgotten, new process", Kind::Control, Change::NewProcess),
    cause("nothing forgotten, on the CPU", Kind::Control, Change::Device(Place::Cpu)),
    cause("nothing forgotten, simulated", Kind::Control, Change::Device(Place::Sim)),
    cause("nothing forgotten, CUDA GPU", Kind::Control, Change::Device(Place::Cuda)),
    cause("kernels compiled anew", Kind::Control, Change::Recompiled(CompileSetting::NONE)),
    run("gradients computed, not used", Kind::Control, |run| run.clone().step()),
    run("atomic kernels", Kind::Numeric, |run| {
        with(run, &["reduce=atomic_element", "matmul=split_k_atomic", "batch_norm=atomic"])
    }),
    run("other deterministic kernels", Kind::Numeric, |run| {
        with(run, &["reduce=two_pass", "matmul=contractible", "batch_norm=channel_tree"])
    }),
    cause(
        "compiled with contraction",
        Kind::Numeric,
        Change::Beside(["matmul=contractible;fmad=1", "matmul=contractible;fmad=0"]),
    ),
    cause("compiled with fast math", Kind::Numeric, Change::Recompiled(CompileSetting::FAST_MATH)),
    cause("parameters saved as f16", Kind::Numeric, Change::Stored(Stored::F16)),
    cause("parameters saved as bf16", Kind::Numeric, Change::Stored(Stored::Bf16)),
    run("evaluated in training mode", Kind::State, |run| {
        run.settings.evaluates_in_training_mode = true;
        Ok(())
    }),
    cause("saved in training mode", Kind::State, Change::Saved(|state| state.is_training = true)),
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
    cause(
        "statistics of one shard of two",
        Kind::State,
        Change::Trained(|run| run.settings.tracks_one_shard = true),
    ),
    run("epsilon 1e-3, not 1e-5", Kind::State, |run| {
        run.settings.epsilon = 1e-3;
        Ok(())
    }),
    run("optimizer state lost", Kind::State, |run| {
        run.state.moments = Moments::initial();
        Ok(())
    }),
    run("accumulated gradients lost", Kind::State, |run| {
        run.state.accumulated = Parameters::zeros();
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
    run("two loading workers, not one", Kind::State, |run| {
        run.settings.workers = 2;
        run.state.order = dealt(&run.state.order, run.settings.workers);
        Ok(())
    }),
    cause("trained from other weights", Kind::State, Change::Trained(|run| initialise(&mut run.state))),
    run("weights not loaded", Kind::State, |run| {
        initialise(&mut run.state);
        Ok(())
    }),
    run("output layer not loaded", Kind::State, |run| {
        let mut fresh = run.state.clone();
        initialise(&mut fresh);
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
    run("augmentation left on", Kind::Data, |run| {
        run.settings.augments_evaluation = true;
        Ok(())
    }),
    run("classes numbered anew", Kind::Data, |run| {
        run.settings.classes = numbered_as_they_come(&run.digits.held_out);
        Ok(())
    }),
    file("file truncated", damage::truncate),
    file("one bit flipped", damage::flip_a_bit),
    file("a tensor missing", damage::lose_a_tensor),
    file("a tensor of another shape", damage::transpose_a_tensor),
    file("NaN in a parameter", damage::put_nan),
    file("another format version", damage::raise_version),
];

const fn cause(name: &'static str, kind: Kind, change: Change) -> Cause {
    Cause { name, kind, change }
}

const fn run(name: &'static str, kind: Kind, change: fn(&mut Trainer) -> Result<()>) -> Cause {
    Cause { name, kind, change: Change::Run(change) }
}

const fn file(name: &'static str, change: fn(&Path) -> Result<()>) -> Cause {
    Cause { name, kind: Kind::Integrity, change: Change::File(change) }
}

fn with(run: &mut Trainer, choices: &[&str]) -> Result<()> {
    let choices: Vec<String> = choices.iter().map(|&choice| choice.to_owned()).collect();
    run.settings.algorithms = run.settings.algorithms.with(&choices)?;
    Ok(())
}

/// Parameters as another seed begins with.
fn initialise(state: &mut State) {
    state.parameters = State::initial(!state.dropout.seed, state.normalisation).parameters;
}

/// The stream that a program starts with which restored none: from its begin, with another seed.
fn anew(generator: Generator, purpose: Purpose) -> Generator {
    Generator::new(!generator.seed, purpose)
}

/// The class of each digit if classes are numbered in the order in which `images` show them.
fn numbered_as_they_come(images: &[Image]) -> [u8; CLASSES] {
    let (mut classes, mut next) = ([u8::MAX; CLASSES], 0);
    for image in images {
        let class = &mut classes[usize::from(image.digit)];
        if *class == u8::MAX {
            (*class, next) = (next, next + 1);
        }
    }
    classes
}
