//! Executing an algorithm again and again under one perturbation, and what that showed.

use std::collections::HashSet;

use crate::device::{Device, Load, Prepared, Series};
use crate::digest::{Digest, Hasher};
use crate::divergence::{Divergence, divergence_and_digest};
use crate::error::{Error, Result};
use crate::operation::OutputSpec;
use crate::perturbation::Perturbation;
use crate::poison::Poison;
use crate::suite::check::{Accuracy, Checker};
use crate::tensor::Tensor;
use crate::verdict::Verdict;

/// The seed of the schedule that every execution follows under `repeat`, and the first one otherwise.
pub const YARDSTICK_SEED: u64 = 0;

/// What became of a row.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Not executed, for this reason.
    Skipped(String),
    /// Executed, and wrong.
    Failed(String),
    /// Executed as often as asked.
    Observed(Observation),
}

impl Outcome {
    /// The row's verdict.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Skipped(_) => Verdict::Skipped,
            Self::Failed(_) => Verdict::Failed,
            Self::Observed(observation) if observation.differing == 0 => Verdict::Same,
            Self::Observed(_) => Verdict::Differs,
        }
    }
}

/// What executions showed.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Executions that were compared with the first.
    pub comparisons: u64,
    /// How many of them differed.
    pub differing: u64,
    /// Distinct digests.
    pub distinct: u64,
    /// Digest of the first execution's outputs.
    pub digest: Digest,
    /// Digest of their f32 stores, where they are also stored narrower.
    pub accumulator_digest: Option<Digest>,
    /// Per output, the comparison that differed most; of no difference, zeros.
    pub worst: Vec<Divergence>,
    /// The first execution that differed.
    pub first_differing: Option<u64>,
    /// Thread instructions of the first execution, on a simulated device.
    pub instructions: Option<u64>,
    /// The worst of all distinct outputs against the reference.
    pub accuracy: Accuracy,
}

impl Observation {
    /// The output that differed most.
    pub fn worst(&self) -> Option<&Divergence> {
        // The first of equals: outputs stand in the order of their importance.
        self.worst.iter().rev().max_by_key(|divergence| divergence.severity())
    }

    /// Its elements per ULP distance, if any differs.
    pub fn ulp_histogram(&self) -> Vec<u64> {
        let differs = self.worst().filter(|divergence| divergence.differing > 0);
        differs.map(|divergence| divergence.ulp_histogram.clone()).unwrap_or_default()
    }
}

/// What executions need besides the algorithm itself.
pub struct Observer<'a> {
    /// The device, for competing work.
    pub device: &'a dyn Device,
    /// The accurate answer.
    pub checker: Checker<'a>,
    /// The outputs.
    pub specs: Vec<OutputSpec>,
    /// Executions per row, the first included.
    pub executions: u64,
    /// Asked between executions; an error ends the run.
    pub stop: &'a dyn Fn() -> Result<()>,
}

impl Observer<'_> {
    /// Executes `prepared`, the first time undisturbed, and compares each later execution with the
    /// first. What the device reports, and what is wrong with an output, becomes the outcome.
    ///
    /// # Errors
    /// Only what `stop` says.
    pub fn observe(&self, prepared: &mut dyn Prepared, perturbation: Perturbation) -> Result<Outcome> {
        if !self.device.perturbations().contains(&perturbation) {
            let device = self.device.name();
            return Ok(Outcome::Skipped(format!("{perturbation} has no meaning on {device}")));
        }
        match self.try_observe(prepared, perturbation) {
            Ok(observation) => Ok(Outcome::Observed(observation)),
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(error) => Ok(Outcome::Failed(error.to_string())),
        }
    }

    fn try_observe(&self, prepared: &mut dyn Prepared, perturbation: Perturbation) -> Result<Observation> {
        let simulation = self.device.simulation();
        let varies = perturbation == Perturbation::Schedule;
        let series = Series { executions: self.executions, seed: YARDSTICK_SEED, varies };
        prepared.expect(series);
        if let Some(simulation) = simulation {
            simulation.set_schedule(YARDSTICK_SEED);
            simulation.take_instructions();
        }
        let first = execute(prepared, 0)?.to_vec();
        let instructions = simulation.map(|simulation| simulation.take_instructions());
        let mut first_differing = None;
        let mut accuracy = self.checker.check(&first).map_err(Error::Device)?;
        let (first_digests, mut worst) = self.compare(&first, &first);
        let mut seen = HashSet::from([first_digests]);
        let mut differing = 0;
        let mut load: Option<Box<dyn Load>> = match perturbation {
            Perturbation::Load => Some(self.device.load()?),
            _ => None,
        };
        for execution in 1..self.executions {
            (self.stop)()?;
            if let Some(load) = &mut load {
                load.renew()?;
            }
            if let Some(simulation) = simulation {
                simulation.set_schedule(series.execution(execution).seed);
            }
            let outputs = execute(prepared, execution)?;
            let (digests, divergences) = self.compare(&first, outputs);
            if digests == first_digests {
                continue;
            }
            differing += 1;
            first_differing.get_or_insert(execution);
            if seen.insert(digests) {
                accuracy = accuracy.or_worse(self.checker.check(outputs).map_err(Error::Device)?);
            }
            for (worst, divergence) in worst.iter_mut().zip(divergences) {
                if divergence.severity() > worst.severity() {
                    *worst = divergence;
                }
            }
        }
        Ok(Observation {
            comparisons: self.executions - 1,
            differing,
            distinct: seen.len() as u64,
            digest: first_digests.0,
            accumulator_digest: first_digests.1,
            worst,
            first_differing,
            instructions,
            accuracy,
        })
    }

    /// The digest of the stores of `outputs`, that of the f32 stores beside them if there are any, and
    /// how each output differs from the first execution's.
    fn compare(&self, first: &[Tensor], outputs: &[Tensor]) -> ((Digest, Option<Digest>), Vec<Divergence>) {
        let (mut stores, mut accumulators) = (Hasher::new(), Hasher::new());
        let divergences = self
            .specs
            .iter()
            .zip(first.iter().zip(outputs))
            .map(|(spec, (before, now))| {
                let hasher = if spec.accumulator { &mut accumulators } else { &mut stores };
                divergence_and_digest(before, now, hasher)
            })
            .collect();
        let apart = self.specs.iter().any(|spec| spec.accumulator);
        ((stores.finish(), apart.then(|| accumulators.finish())), divergences)
    }
}

/// Executes once under the poison of `execution`; every element must have been written.
///
/// # Errors
/// If the device fails, or an element still holds the poison.
pub fn execute(prepared: &mut dyn Prepared, execution: u64) -> Result<&[Tensor]> {
    let poison = Poison::of_execution(execution);
    prepared.execute(poison)?;
    let outputs = prepared.outputs()?;
    for output in outputs {
        if let Some((index, count)) = poison.survivors(output) {
            return Err(Error::device(format!(
                "{count} of {} elements of {} were never written, the first is {}[{index}]",
                output.len(),
                output.name,
                output.name
            )));
        }
    }
    Ok(outputs)
}
