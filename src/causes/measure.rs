//! All causes with one seed: the run that nothing interrupts, and beside it one from the checkpoint per cause.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::causes::table::{CAUSES, Cause, Change, Kind, Place};
use crate::condition::{CodeSetting, CompileSetting, Condition};
use crate::device::{Device, nvrtc};
use crate::divergence::divergence;
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::perturbation::Perturbation;
use crate::tensor::Tensor;
use crate::train::checkpoint::{self, Stored};
use crate::train::digits::{CLASSES, Digits};
use crate::train::network::Evaluated;
use crate::train::state::State;
use crate::train::trainer::{Settings, Trainer};

/// How long is trained before saving, and watched after loading, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object with `before` and `after`")]
pub struct Length {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

impl Length {
    /// Twenty epochs, then six.
    pub const USUAL: Self = Self { before: 220, after: 66 };
    /// What a simulation does in a minute or two.
    pub const ON_SIM: Self = Self { before: 4, after: 2 };
}

/// What a cause did with one seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The cause's name.
    pub cause: &'static str,
    /// Its sort; of a control whose bits the algorithms do not claim: numeric.
    pub kind: Kind,
    /// The run's seed.
    pub seed: u64,
    /// Why it was not tried, if so.
    pub skipped: Option<String>,
    /// What the reader said of the file, if it refused it.
    pub refused: Option<String>,
    /// Steps after loading that were watched.
    pub steps: u64,
    /// Steps after loading at which outputs, parameters or statistics first differ; 0: at load; `None`: never, or refused.
    pub first_difference: Option<u64>,
    /// The loss on the held-out images just before saving.
    pub loss_before: f32,
    /// The same just after loading; infinite where it is no number.
    pub loss_after: Option<f32>,
    /// Predictions that changed by loading, as a share of the held-out images.
    pub changed: Option<f64>,
    /// The share of outputs whose bits differ just after loading from those before.
    pub v_c: Option<f64>,
    /// The mean of their relative differences, of outputs other than 0.
    pub v_ermv: Option<f64>,
    /// The largest distance of an output, in units in the last place.
    pub max_ulp: Option<u64>,
    /// The geometric mean, over the steps after loading, of the loss over that of the uninterrupted run at the same step;
    /// infinite where the loss ceased to be a number (`null` in JSON).
    pub later_ratio: Option<f64>,
    /// Steps after loading until the loss is back within 1 % of the uninterrupted run's, after its worst; 0 if it never was
    /// beyond; `None` if it does not come back, or was refused.
    pub back_after: Option<u64>,
    /// Steps after loading at which the loss ceased to be a number, if it did.
    pub diverged: Option<u64>,
    /// The losses after loading, and after each step, as far as they are numbers.
    pub curve: Vec<f32>,
}

/// What one run looks like, at load and after each step.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Loss and outputs on the held-out images; fewer than digests where training diverged.
    pub evaluated: Vec<Evaluated>,
    /// Digests of parameters and statistics.
    pub digests: Vec<u128>,
}

impl Watched {
    /// Goes `steps` on with `trainer`, or until its loss is no finite number.
    ///
    /// # Errors
    /// If the device fails.
    pub fn of(trainer: &mut Trainer, steps: u64) -> Result<Self> {
        let mut watched = Self { evaluated: Vec::new(), digests: Vec::new() };
        for step in 0..=steps {
            let stepped = if step == 0 { Ok(()) } else { trainer.step() };
            watched.digests.push(trainer.state.digest());
            match stepped.and_then(|()| trainer.evaluate()) {
                Ok(evaluated) => watched.evaluated.push(evaluated),
                Err(Error::Diverged(_)) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(watched)
    }
}

/// A device that a run may go on with.
pub struct Other<'a> {
    /// Its sort.
    pub place: Place,
    /// It, or why it is not there.
    pub device: std::result::Result<&'a dyn Device, String>,
    /// The most steps to watch on it.
    pub steps: u64,
}

/// What all seeds share.
pub struct Bench<'a> {
    /// Where is trained.
    pub device: &'a dyn Device,
    /// Where else to go on.
    pub others: &'a [Other<'a>],
    /// What is learnt.
    pub digits: &'a Digits,
    /// What is set.
    pub settings: Settings,
    /// How long.
    pub length: Length,
    /// Where checkpoints lie.
    pub folder: &'a Path,
    /// Goes on from a checkpoint for so many steps in a new process.
    pub in_new_process: &'a dyn Fn(&Path, u64) -> Result<Watched>,
}

/// A run that was saved, and the same going on.
struct Saved {
    path: PathBuf,
    state: State,
    usual: Watched,
}

impl<'a> Bench<'a> {
    /// The causes that there are here: a device is none where training happens.
    pub fn causes(&self) -> impl Iterator<Item = &'static Cause> {
        CAUSES.iter().filter(|cause| match cause.change {
            Change::Device(place) => self.others.iter().any(|other| other.place == place),
            _ => true,
        })
    }

    /// Trains with `seed`, saves, and goes on under each cause; `done` is called after each.
    ///
    /// # Errors
    /// If the device fails, the folder cannot be written, the new process does not answer, or `done` says so.
    pub fn measure(&self, seed: u64, done: &dyn Fn() -> Result<()>) -> Result<Vec<Outcome>> {
        let mut uninterrupted = self.trained(seed, |_| ())?;
        let path = self.folder.join(format!("seed-{seed}.safetensors"));
        let state = uninterrupted.state.clone();
        checkpoint::save(&path, &state, &self.settings, &self.device.name())?;
        let saved = Saved { path, state, usual: Watched::of(&mut uninterrupted, self.length.after)? };
        if saved.usual.evaluated.len() as u64 != self.length.after + 1 {
            return Err(Error::Diverged(f32::NAN));
        }
        let tried = self.causes().map(|cause| {
            let outcome = self.outcome(cause, seed, &saved)?;
            done()?;
            Ok(outcome)
        });
        tried.collect()
    }

    /// A run before it is saved: in the middle of a step, so that there are gradients to be lost.
    fn trained(&self, seed: u64, change: impl FnOnce(&mut Trainer)) -> Result<Trainer<'a>> {
        let mut run = Trainer::new(self.device, self.digits, self.settings, seed);
        change(&mut run);
        run.steps(self.length.before)?;
        run.batch()?;
        Ok(run)
    }

    fn loaded(&self, path: &Path, device: &'a dyn Device) -> Result<Trainer<'a>> {
        let (state, _) = checkpoint::load(path, self.digits.training.len())?;
        Ok(Trainer { device, digits: self.digits, settings: self.settings, state })
    }

    /// Saves a changed state or another form of the same one, and loads it.
    fn saved_anew(&self, saved: &Saved, state: &State, stored: Stored) -> Result<Trainer<'a>> {
        let path = saved.path.with_file_name("other.safetensors");
        checkpoint::save_as(&path, state, &self.settings, &self.device.name(), stored)?;
        self.loaded(&path, self.device)
    }

    fn outcome(&self, cause: &Cause, seed: u64, saved: &Saved) -> Result<Outcome> {
        let Saved { path, state, usual } = saved;
        let (device, steps) = (self.device, self.length.after);
        let none = Outcome { kind: self.kind(cause), ..nothing(cause, seed, usual.evaluated[0].loss) };
        let watched = match cause.change {
            Change::Run(change) => {
                let mut run = self.loaded(path, device)?;
                change(&mut run)?;
                Watched::of(&mut run, steps)?
            }
            Change::Saved(change) => {
                let mut state = state.clone();
                change(&mut state);
                Watched::of(&mut self.saved_anew(saved, &state, Stored::F32)?, steps)?
            }
            Change::Stored(stored) => Watched::of(&mut self.saved_anew(saved, state, stored)?, steps)?,
            Change::Trained(change) => {
                let state = self.trained(seed, change)?.state;
                Watched::of(&mut self.saved_anew(saved, &state, Stored::F32)?, steps)?
            }
            Change::Beside(ways) => {
                let [run, usual] = ways.map(|way| {
                    let mut run = self.loaded(path, device)?;
                    run.settings.algorithms = run.settings.algorithms.with(&[way.to_owned()])?;
                    Watched::of(&mut run, steps)
                });
                return Ok(compared(none, &usual?, &run?));
            }
            Change::NewProcess => (self.in_new_process)(path, steps)?,
            Change::Device(place) => match self.other(place) {
                Ok((device, most)) => Watched::of(&mut self.loaded(path, device)?, steps.min(most))?,
                Err(reason) => return Ok(Outcome { skipped: Some(reason), ..none }),
            },
            Change::Recompiled(setting) => match self.with_kernels(setting) {
                Ok((device, most, condition)) => {
                    // On that device too, so that the compilation alone is told apart.
                    let [run, usual] = [condition, Condition::Usual].map(|condition| {
                        let mut run = self.loaded(path, device)?;
                        run.settings.condition = condition;
                        Watched::of(&mut run, steps.min(most))
                    });
                    return Ok(compared(none, &usual?, &run?));
                }
                Err(reason) => return Ok(Outcome { skipped: Some(reason), ..none }),
            },
            Change::File(change) => return Ok(Outcome { refused: self.refused(path, change)?, ..none }),
        };
        Ok(compared(none, usual, &watched))
    }

    /// Another device of that sort, and the most steps to watch there; or why there is none.
    fn other(&self, place: Place) -> std::result::Result<(&'a dyn Device, u64), String> {
        let other =
            self.others.iter().find(|other| other.place == place).ok_or("it is where training happens")?;
        Ok((other.device.clone()?, other.steps))
    }

    /// A device whose kernels can be compiled again, the most steps to watch there, and the condition for it; or why
    /// there is none. Where the training device has no kernels, it is the simulated GPU.
    fn with_kernels(
        &self,
        setting: CompileSetting,
    ) -> std::result::Result<(&'a dyn Device, u64, Condition), String> {
        let (device, most) = if self.device.perturbations().contains(&Perturbation::ReloadRecompile) {
            (self.device, u64::MAX)
        } else {
            self.other(Place::Sim)?
        };
        if let Some(reason) = device.reason_to_skip(Perturbation::ReloadRecompile) {
            return Err(reason);
        }
        if setting != CompileSetting::NONE {
            return Ok((device, most, Condition::Code(CodeSetting::Compile(setting))));
        }
        let nvrtc = nvrtc::version().map_err(|error| error.to_string())?;
        Ok((device, most, Condition::Recompiled { nvrtc, same: false }))
    }

    /// A control binds where the algorithms claim as much.
    fn kind(&self, cause: &Cause) -> Kind {
        let needed = match cause.change {
            Change::Device(_) | Change::Recompiled(_) => Guarantee::GpuToGpu,
            _ => Guarantee::RunToRun,
        };
        let is_claimed = self.settings.algorithms.guarantee() >= needed;
        if cause.kind == Kind::Control && !is_claimed { Kind::Numeric } else { cause.kind }
    }

    /// Reads a damaged copy. Nothing but a refusal is right.
    fn refused(&self, path: &Path, damage: fn(&Path) -> Result<()>) -> Result<Option<String>> {
        let copy = path.with_file_name("damaged.safetensors");
        std::fs::copy(path, &copy).map_err(Error::file(&copy, "cannot write"))?;
        damage(&copy)?;
        let refused = checkpoint::load(&copy, self.digits.training.len()).err();
        // The folder is gone when this is read.
        let prefix = format!("{}: ", copy.display());
        Ok(refused.map(|error| error.to_string().replace(&prefix, "")))
    }
}

/// An outcome of which nothing is known yet.
fn nothing(cause: &Cause, seed: u64, loss_before: f32) -> Outcome {
    Outcome {
        cause: cause.name,
        kind: cause.kind,
        seed,
        skipped: None,
        refused: None,
        steps: 0,
        first_difference: None,
        loss_before,
        loss_after: None,
        changed: None,
        v_c: None,
        v_ermv: None,
        max_ulp: None,
        later_ratio: None,
        back_after: None,
        diverged: None,
        curve: Vec::new(),
    }
}

/// How `run` went on, beside `usual`; it may be shorter.
fn compared(outcome: Outcome, usual: &Watched, run: &Watched) -> Outcome {
    let same = |at: &usize| {
        let logits = |watched: &Watched| {
            let bits = |evaluated: &Evaluated| {
                evaluated.logits.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>()
            };
            watched.evaluated.get(*at).map(bits)
        };
        logits(usual) == logits(run) && usual.digests[*at] == run.digests[*at]
    };
    let has_diverged = run.evaluated.len() < run.digests.len();
    let mut ratios: Vec<f64> = usual
        .evaluated
        .iter()
        .zip(&run.evaluated)
        .map(|(usual, run)| f64::from(run.loss) / f64::from(usual.loss))
        .collect();
    if has_diverged {
        ratios.push(f64::INFINITY);
    }
    let later = &ratios[1.min(ratios.len())..];
    let mean = (!later.is_empty())
        .then(|| (later.iter().map(|ratio| ratio.ln()).sum::<f64>() / later.len() as f64).exp());
    let before = &usual.evaluated[0];
    let outcome = Outcome {
        steps: run.digests.len() as u64 - 1,
        first_difference: (0..run.digests.len()).find(|at| !same(at)).map(|step| step as u64),
        loss_before: before.loss,
        loss_after: Some(run.evaluated.first().map_or(f32::INFINITY, |evaluated| evaluated.loss)),
        later_ratio: mean,
        back_after: back_after(&ratios),
        diverged: has_diverged.then_some(run.evaluated.len() as u64),
        curve: run.evaluated.iter().map(|evaluated| evaluated.loss).collect(),
        ..outcome
    };
    let Some(after) = run.evaluated.first() else { return outcome };
    let pairs = before.predictions().into_iter().zip(after.predictions());
    let changed = pairs.filter(|(before, after)| before != after).count();
    let tensor = |evaluated: &Evaluated| Tensor::f32("logits", evaluated.logits.clone());
    let apart = divergence(&tensor(before), &tensor(after));
    Outcome {
        changed: Some(changed as f64 / (before.logits.len() / CLASSES) as f64),
        v_c: Some(apart.v_c()),
        v_ermv: apart.v_ermv,
        max_ulp: apart.max_ulp,
        ..outcome
    }
}

/// How far above 1 a ratio is still "back".
const BACK: f64 = 1.01;

/// The first step at which a ratio is within 1 % again, from the worst one on.
fn back_after(ratios: &[f64]) -> Option<u64> {
    if ratios.iter().all(|ratio| *ratio <= BACK) {
        return Some(0);
    }
    let worst = (0..ratios.len()).max_by(|a, b| ratios[*a].total_cmp(&ratios[*b]))?;
    (worst..ratios.len()).find(|step| ratios[*step] <= BACK).map(|step| step as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_back_after_its_worst() {
        assert_eq!(back_after(&[1.0, 1.009, 0.5]), Some(0));
        assert_eq!(back_after(&[3.0, 1.0, 5.0, 1.2, 1.01, 1.0]), Some(4));
        assert_eq!(back_after(&[1.0, 1.0, 1.5]), None);
    }
}
