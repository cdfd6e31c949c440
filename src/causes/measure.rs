//! All causes with one seed: the run that nothing interrupts, and beside it one from the checkpoint per cause.

use std::path::Path;

use serde::Serialize;

use crate::causes::table::{CAUSES, Cause, Change, Kind};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::tensor::Dtype;
use crate::train::checkpoint;
use crate::train::digits::{CLASSES, Digits};
use crate::train::network::Evaluated;
use crate::train::trainer::{Settings, Trainer};

/// How long is trained before saving, and watched after loading, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Length {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

impl Length {
    /// Twenty epochs, then six.
    pub const USUAL: Self = Self { before: 220, after: 66 };
}

/// What a cause did with one seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The cause's name.
    pub cause: &'static str,
    /// Its sort.
    pub kind: Kind,
    /// The run's seed.
    pub seed: u64,
    /// What the reader said of the file, if it refused it.
    pub refused: Option<String>,
    /// Steps after loading at which outputs, parameters or statistics first differ; 0: at load; `None`: never, or refused.
    pub first_difference: Option<u64>,
    /// The loss on the held-out images just before saving.
    pub loss_before: f32,
    /// The same just after loading.
    pub loss_after: Option<f32>,
    /// Predictions that changed by loading, as a share of the held-out images.
    pub changed: Option<f64>,
    /// The largest distance of an output just after loading from that before, in units in the last place.
    pub max_ulp: Option<u64>,
    /// The geometric mean, over the steps after loading, of the loss over that of the uninterrupted run at the same step.
    pub later_ratio: Option<f64>,
    /// Steps after loading until the loss is back within 1 % of the uninterrupted run's, after its worst; 0 if it never was
    /// beyond; `None` if it does not come back, or was refused.
    pub back_after: Option<u64>,
    /// The losses after loading, and after each step.
    pub curve: Vec<f32>,
}

/// What one run looks like, at load and after each step.
pub struct Watched {
    /// Loss and outputs on the held-out images.
    pub evaluated: Vec<Evaluated>,
    /// Digests of parameters and statistics.
    pub digests: Vec<u128>,
}

impl Watched {
    /// Goes `steps` on with `trainer`.
    ///
    /// # Errors
    /// If a step fails.
    pub fn of(trainer: &mut Trainer, steps: u64) -> Result<Self> {
        let mut watched =
            Self { evaluated: vec![trainer.evaluate()?], digests: vec![trainer.state.digest()] };
        for _ in 0..steps {
            trainer.step()?;
            watched.evaluated.push(trainer.evaluate()?);
            watched.digests.push(trainer.state.digest());
        }
        Ok(watched)
    }
}

/// What all seeds share.
pub struct Bench<'a> {
    /// Where is trained.
    pub device: &'a dyn Device,
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

impl Bench<'_> {
    /// Trains with `seed`, saves, and goes on under each cause; `done` is called after each.
    ///
    /// # Errors
    /// If the device fails, the folder cannot be written, or the new process does not answer.
    pub fn measure(&self, seed: u64, done: &dyn Fn()) -> Result<Vec<Outcome>> {
        let Self { device, digits, settings, length, .. } = *self;
        let mut uninterrupted = Trainer::new(device, digits, settings, seed);
        uninterrupted.steps(length.before)?;
        let path = self.folder.join(format!("seed-{seed}.safetensors"));
        checkpoint::save(&path, &uninterrupted.state, &settings, &device.name())?;
        let usual = Watched::of(&mut uninterrupted, length.after)?;
        let tried = CAUSES.iter().map(|cause| {
            let outcome = match cause.change {
                Change::Run(change) => {
                    let (state, _) = checkpoint::load(&path, digits.training.len())?;
                    let mut run = Trainer { device, digits, settings, state };
                    change(&mut run)?;
                    Ok(outcome(cause, seed, &usual, &Watched::of(&mut run, length.after)?))
                }
                Change::NewProcess => {
                    Ok(outcome(cause, seed, &usual, &(self.in_new_process)(&path, length.after)?))
                }
                Change::File(change) => damaged(cause, seed, &usual, &path, digits, change),
            };
            done();
            outcome
        });
        tried.collect()
    }
}

fn outcome(cause: &Cause, seed: u64, usual: &Watched, run: &Watched) -> Outcome {
    let (before, after) = (&usual.evaluated[0], &run.evaluated[0]);
    let bits =
        |evaluated: &Evaluated| evaluated.logits.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>();
    let differs = |at: &usize| {
        bits(&usual.evaluated[*at]) != bits(&run.evaluated[*at]) || usual.digests[*at] != run.digests[*at]
    };
    let ulp = |(a, b): (u32, u32)| crate::divergence::ulp_distance(Dtype::F32, a, b);
    let pairs = before.predictions().into_iter().zip(after.predictions());
    let changed = pairs.filter(|(before, after)| before != after).count();
    let ratios: Vec<f64> = usual
        .evaluated
        .iter()
        .zip(&run.evaluated)
        .map(|(usual, run)| f64::from(run.loss) / f64::from(usual.loss))
        .collect();
    let later = &ratios[1..];
    Outcome {
        cause: cause.name,
        kind: cause.kind,
        seed,
        refused: None,
        first_difference: (0..usual.digests.len()).find(differs).map(|step| step as u64),
        loss_before: before.loss,
        loss_after: Some(after.loss),
        changed: Some(changed as f64 / (before.logits.len() / CLASSES) as f64),
        max_ulp: bits(before).into_iter().zip(bits(after)).filter_map(ulp).max(),
        later_ratio: (!later.is_empty())
            .then(|| (later.iter().map(|ratio| ratio.ln()).sum::<f64>() / later.len() as f64).exp()),
        back_after: back_after(&ratios),
        curve: run.evaluated.iter().map(|evaluated| evaluated.loss).collect(),
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

/// Reads a damaged copy. Nothing but a refusal is right; what is accepted goes on as a run without a change.
fn damaged(
    cause: &Cause,
    seed: u64,
    usual: &Watched,
    path: &Path,
    digits: &Digits,
    change: fn(&mut Vec<u8>),
) -> Result<Outcome> {
    let mut bytes = std::fs::read(path).map_err(Error::file(path, "cannot read"))?;
    change(&mut bytes);
    let copy = path.with_file_name("damaged.safetensors");
    std::fs::write(&copy, bytes).map_err(Error::file(&copy, "cannot write"))?;
    let refused = checkpoint::load(&copy, digits.training.len()).err().map(|error| {
        // The folder is gone when this is read.
        let prefix = format!("{}: ", copy.display());
        error.to_string().replace(&prefix, "")
    });
    Ok(Outcome {
        cause: cause.name,
        kind: cause.kind,
        seed,
        refused,
        first_difference: None,
        loss_before: usual.evaluated[0].loss,
        loss_after: None,
        changed: None,
        max_ulp: None,
        later_ratio: None,
        back_after: None,
        curve: Vec::new(),
    })
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
