//! Executing an algorithm again and again under one perturbation, and what that showed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::device::{Device, FaultCounts, Load, Prepared, Series, Strength};
use crate::digest::{Digest, Hasher};
use crate::divergence::{Divergence, divergence_and_digest};
use crate::error::{Error, Result};
use crate::operation::OutputSpec;
use crate::perturbation::Perturbation;
use crate::poison::Poison;
use crate::statistics::p_upper_95;
use crate::suite::check::{Accuracy, Checker};
use crate::suite::way::Way;
use crate::tensor::Tensor;
use crate::verdict::Verdict;

/// The seed of the schedule that every execution follows under `repeat`, and the first one otherwise.
pub const YARDSTICK_SEED: u64 = 0;

/// How often what differs against the claim is executed again at once.
const RERUNS: u64 = 3;

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
    /// What an error that ended executions makes of them: what refuses was not executed.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Refused(reason) => Self::Skipped(reason.clone()),
            _ => Self::Failed(error.to_string()),
        }
    }

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
    /// What else is to be said of the executions.
    pub remarks: Vec<String>,
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
    /// The way that is executed.
    pub way: &'a Way<'a>,
    /// The device, for competing work.
    pub device: &'a dyn Device,
    /// The accurate answer.
    pub checker: Checker<'a>,
    /// The outputs.
    pub specs: Vec<OutputSpec>,
    /// Executions per row, the first included.
    pub executions: u64,
    /// What the probability of a difference is to be shown to be below, if anything.
    pub max_p: Option<f64>,
    /// After which time a row's executions end.
    pub row_time: Duration,
    /// Asked between executions; an error ends the run.
    pub stop: &'a dyn Fn() -> Result<()>,
}

/// The first execution, undisturbed, with which later ones are compared.
pub struct Yardstick {
    /// Its outputs.
    pub outputs: Vec<Tensor>,
    digests: Digests,
    accuracy: Accuracy,
    instructions: Option<u64>,
    /// Faults of the hardware that had been counted before.
    faults: FaultCounts,
}

/// The digest of the stores, and that of the f32 stores beside them if there are any.
type Digests = (Digest, Option<Digest>);

impl Observer<'_> {
    /// Executes `prepared`, the first time undisturbed, and compares each later execution with the
    /// first. What the device reports, and what is wrong with an output, becomes the outcome. For
    /// perturbations under which the same prepared algorithm is executed again.
    ///
    /// # Errors
    /// Only what `stop` says.
    pub fn observe(
        &self,
        prepared: &mut dyn Prepared,
        perturbation: Perturbation,
        strength: Strength,
    ) -> Result<Outcome> {
        outcome(self.try_observe(prepared, perturbation, strength))
    }

    fn try_observe(
        &self,
        prepared: &mut dyn Prepared,
        perturbation: Perturbation,
        strength: Strength,
    ) -> Result<Observation> {
        let simulation = self.device.simulation();
        let varies = perturbation == Perturbation::Schedule;
        let series = Series { executions: self.executions, seed: YARDSTICK_SEED, varies };
        prepared.expect(series);
        let yardstick = self.yardstick(prepared)?;
        let mut tally = self.tally(&yardstick);
        let mut load: Option<Box<dyn Load>> = match perturbation {
            Perturbation::Load => Some(self.device.load(strength)?),
            _ => None,
        };
        let start = Instant::now();
        let mut execution = 0;
        while self.goes_on(&mut tally, execution + 1, start) {
            execution += 1;
            (self.stop)()?;
            if let Some(load) = &mut load {
                load.renew()?;
            }
            if let Some(simulation) = simulation {
                simulation.set_schedule(series.execution(execution).seed);
            }
            tally.add(execution, execute(prepared, execution)?)?;
        }
        if let Some(first) = tally.first_differing
            && self.way.claims(perturbation, "")
        {
            tally.rerun(self.device, |tally, rerun| {
                if let Some(load) = &mut load {
                    load.renew()?;
                }
                if let Some(simulation) = simulation {
                    simulation.set_schedule(series.execution(first).seed);
                }
                Ok(tally.would_differ(execute(prepared, execution + 1 + rerun)?))
            })?;
        }
        Ok(tally.finish())
    }

    /// Whether the execution of that number is still wanted: until there are enough, or, where some differed and a
    /// bound is asked for, until it is reached or out of reach; and not when the time is up.
    fn goes_on(&self, tally: &mut Tally, execution: u64, start: Instant) -> bool {
        let enough = execution >= self.executions;
        let (differing, comparisons) = (tally.differing, tally.comparisons);
        // More would not help where more differ than may.
        let more = self.max_p.is_some_and(|p| {
            let may_do = (differing as f64) < p * comparisons as f64 || differing == 1;
            differing > 0 && may_do && p_upper_95(differing, comparisons) > p
        });
        if enough && !more {
            return false;
        }
        !tally.time_is_up(start, self.row_time)
    }

    /// Executes for the first time.
    ///
    /// # Errors
    /// What the device reports, and what is wrong with the outputs.
    pub fn yardstick(&self, prepared: &mut dyn Prepared) -> Result<Yardstick> {
        let simulation = self.device.simulation();
        if let Some(simulation) = simulation {
            simulation.set_schedule(YARDSTICK_SEED);
            simulation.take_instructions();
        }
        let faults = self.device.fault_counts();
        let outputs = execute(prepared, 0)?.to_vec();
        let instructions = simulation.map(|simulation| simulation.take_instructions());
        let accuracy = self.checker.check(&outputs).map_err(Error::Device)?;
        let (digests, _) = compare(&self.specs, &outputs, &outputs);
        Ok(Yardstick { outputs, digests, accuracy, instructions, faults })
    }

    /// Begins comparing with the yardstick; what differs is held against the reference.
    pub fn tally<'t>(&'t self, yardstick: &'t Yardstick) -> Tally<'t> {
        Tally::new(yardstick, &yardstick.outputs, &self.specs, Some(&self.checker))
    }

    /// The same against a bound of its own.
    pub fn tally_against<'t>(&'t self, yardstick: &'t Yardstick, checker: &'t Checker<'t>) -> Tally<'t> {
        Tally::new(yardstick, &yardstick.outputs, &self.specs, Some(checker))
    }

    /// Begins comparing with what follows from the yardstick for another problem, to which the reference does not
    /// apply.
    pub fn tally_of<'t>(&'t self, yardstick: &'t Yardstick, expected: &'t [Tensor]) -> Tally<'t> {
        Tally::new(yardstick, expected, &self.specs, None)
    }
}

/// What became of executions: an observation, or the error that ended them.
///
/// # Errors
/// [`Error::Interrupted`] alone.
pub fn outcome(observed: Result<Observation>) -> Result<Outcome> {
    match observed {
        Ok(observation) => Ok(Outcome::Observed(observation)),
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(error) => Ok(Outcome::of(&error)),
    }
}

/// Comparisons with a yardstick, one after the other.
pub struct Tally<'a> {
    yardstick: &'a Yardstick,
    expected: &'a [Tensor],
    expected_digests: Digests,
    specs: &'a [OutputSpec],
    checker: Option<&'a Checker<'a>>,
    seen: HashSet<Digests>,
    comparisons: u64,
    differing: u64,
    first_differing: Option<u64>,
    worst: Vec<Divergence>,
    accuracy: Accuracy,
    remarks: Vec<String>,
}

impl<'a> Tally<'a> {
    fn new(
        yardstick: &'a Yardstick,
        expected: &'a [Tensor],
        specs: &'a [OutputSpec],
        checker: Option<&'a Checker<'a>>,
    ) -> Self {
        let (expected_digests, worst) = compare(specs, expected, expected);
        Self {
            yardstick,
            expected,
            expected_digests,
            specs,
            checker,
            seen: HashSet::from([expected_digests]),
            comparisons: 0,
            differing: 0,
            first_differing: None,
            worst,
            accuracy: yardstick.accuracy,
            remarks: Vec::new(),
        }
    }

    /// Compares the outputs of an execution.
    ///
    /// # Errors
    /// If they are farther from the reference than their bound.
    pub fn add(&mut self, execution: u64, outputs: &[Tensor]) -> Result<()> {
        let (digests, divergences) = compare(self.specs, self.expected, outputs);
        self.comparisons += 1;
        if digests == self.expected_digests {
            return Ok(());
        }
        self.differing += 1;
        self.first_differing.get_or_insert(execution);
        if self.seen.insert(digests)
            && let Some(checker) = self.checker
        {
            self.accuracy = self.accuracy.or_worse(checker.check(outputs).map_err(Error::Device)?);
        }
        for (worst, divergence) in self.worst.iter_mut().zip(divergences) {
            if divergence.severity() > worst.severity() {
                *worst = divergence;
            }
        }
        Ok(())
    }

    /// Whether any differed so far.
    pub fn differs(&self) -> bool {
        self.differing > 0
    }

    /// Whether these outputs differ; they are not counted.
    pub fn would_differ(&self, outputs: &[Tensor]) -> bool {
        compare(self.specs, self.expected, outputs).0 != self.expected_digests
    }

    /// Executes again what differed where it must not, and says whether that was a one-off. `differs` says it of
    /// the rerun of that number.
    ///
    /// # Errors
    /// What `differs` says.
    pub fn rerun(
        &mut self,
        device: &dyn Device,
        mut differs: impl FnMut(&Self, u64) -> Result<bool>,
    ) -> Result<()> {
        let mut again = 0;
        for rerun in 0..RERUNS {
            again += u64::from(differs(self, rerun)?);
        }
        let faults = self.yardstick.faults.beside(device.fault_counts());
        self.remark(match again {
            0 => format!("one-off: not seen again in {RERUNS} re-runs{faults}"),
            _ => format!("re-run: differs again in {again} of {RERUNS}{faults}"),
        });
        Ok(())
    }

    /// Whether the time is over that executions since `start` may take; one comparison is made in any case.
    pub fn time_is_up(&mut self, start: Instant, limit: Duration) -> bool {
        let is_up = start.elapsed() > limit && self.comparisons > 0;
        if is_up {
            self.remark(format!("time was up after {:.1} s", limit.as_secs_f32()));
        }
        is_up
    }

    fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// What all comparisons showed.
    pub fn finish(self) -> Observation {
        Observation {
            comparisons: self.comparisons,
            differing: self.differing,
            distinct: self.seen.len() as u64,
            digest: self.yardstick.digests.0,
            accumulator_digest: self.yardstick.digests.1,
            worst: self.worst,
            first_differing: self.first_differing,
            instructions: self.yardstick.instructions,
            accuracy: self.accuracy,
            remarks: self.remarks,
        }
    }
}

/// The digests of `outputs`, and how each output differs from the expected one.
fn compare(specs: &[OutputSpec], expected: &[Tensor], outputs: &[Tensor]) -> (Digests, Vec<Divergence>) {
    let (mut stores, mut accumulators) = (Hasher::new(), Hasher::new());
    let divergences = specs
        .iter()
        .zip(expected.iter().zip(outputs))
        .map(|(spec, (before, now))| {
            let hasher = if spec.accumulator { &mut accumulators } else { &mut stores };
            divergence_and_digest(before, now, hasher)
        })
        .collect();
    let apart = specs.iter().any(|spec| spec.accumulator);
    ((stores.finish(), apart.then(|| accumulators.finish())), divergences)
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
