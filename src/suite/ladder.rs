//! The rungs above repetition: an algorithm is made ready or launched otherwise, its rows stand in other batches,
//! or it is executed in a new process. Each later execution is compared with one that was done as usual.

use std::sync::Arc;
use std::time::Instant;

use crate::batch::{Batch, batches};
use crate::condition::Condition;
use crate::device::{Device, Prepared, Series, Staged};
use crate::error::{Error, Result};
use crate::operation::{Algorithm, Form, Target};
use crate::perturbation::Perturbation;
use crate::suite::case::Case;
use crate::suite::observe::{
    Observation, Observer, Outcome, Tally, YARDSTICK_SEED, Yardstick, execute, outcome,
};
use crate::suite::way::Way;
use crate::tensor::Tensor;
use crate::workload::Workload;

/// Executions in a context of their own, at most: creating one takes a GPU a good part of a second.
const MOST_CONTEXTS: u64 = 16;
/// Elements of all inputs of a batch, at most, unless the workload itself has more.
const MOST_ELEMENTS: u64 = 1 << 21;
/// The same where each goes through a contended atomic.
const MOST_CONTENDED_ELEMENTS: u64 = 1 << 15;
/// The same on a simulated device.
const MOST_SIMULATED_ELEMENTS: u64 = 1 << 14;

/// What was observed of a way under one value of a perturbation.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What was changed.
    pub perturbation: Perturbation,
    /// The value that was tried; empty where there is one only.
    pub variant: String,
    /// What became of it.
    pub outcome: Outcome,
}

impl Trial {
    /// Of a perturbation that has no values.
    pub fn of(perturbation: Perturbation, outcome: Outcome) -> Self {
        Self { perturbation, variant: String::new(), outcome }
    }
}

/// The values of which a perturbation has a row each, as [`Climber::climb`] tries them.
pub fn variants(
    device: &dyn Device,
    way: &Way,
    workload: &Workload,
    perturbation: Perturbation,
) -> Vec<String> {
    let texts: Vec<String> = match perturbation {
        Perturbation::Batch => {
            let batches = batches_of(device, way, workload).unwrap_or_default();
            batches.iter().map(ToString::to_string).collect()
        }
        _ => device.conditions(perturbation, workload).iter().map(ToString::to_string).collect(),
    };
    if texts.is_empty() { vec![String::new()] } else { texts }
}

/// The batches to try; or why there are none.
fn batches_of(
    device: &dyn Device,
    way: &Way,
    workload: &Workload,
) -> std::result::Result<Vec<Batch>, String> {
    let rows = workload.operation.batch_rows(way.form(workload), workload)?;
    let elements = workload.shape.elements().unwrap_or(u64::MAX);
    let most = match device.simulation() {
        // Instructions were estimated for the workload as it is.
        Some(_) => MOST_SIMULATED_ELEMENTS,
        None if way.own_algorithm().is_some_and(|own| own.contended) => MOST_CONTENDED_ELEMENTS,
        None => MOST_ELEMENTS,
    };
    let of_a_row = (elements / rows.max(1)).max(1);
    let batches = batches(rows, (most / of_a_row).max(rows), workload.seed);
    if batches.is_empty() { Err("no other batch is small enough".to_owned()) } else { Ok(batches) }
}

/// A way and what its executions need.
pub struct Climber<'a> {
    /// The workload with inputs and reference.
    pub case: &'a Case,
    /// Its inputs on the device.
    pub staged: &'a dyn Staged,
    /// What executes and compares, and the way.
    pub observer: &'a Observer<'a>,
    /// The undisturbed execution.
    pub yardstick: &'a Yardstick,
}

/// Takes the outputs of an execution.
type Show<'s> = &'s mut dyn FnMut(&[Tensor]) -> Result<()>;

impl Climber<'_> {
    /// What the way shows under each value of `perturbation`.
    ///
    /// # Errors
    /// Only what the user's wish to stop says.
    pub fn climb(&self, perturbation: Perturbation) -> Result<Vec<Trial>> {
        match perturbation {
            Perturbation::Batch => self.batches(),
            Perturbation::ReloadContext => {
                let device = self.observer.device;
                let tally = self.observer.tally(self.yardstick);
                let wanted = self.share(1).min(MOST_CONTEXTS);
                let observed = self.compare(perturbation, "", tally, wanted, |number, show| {
                    let device = device.reopened()?;
                    let staged = device.stage(Arc::clone(&self.case.problem))?;
                    let mut prepared = self.observer.way.prepare(&self.case.problem, &*staged)?;
                    show(execute(&mut *prepared, number)?)
                });
                Ok(vec![Trial::of(perturbation, outcome(observed)?)])
            }
            _ => self.conditions(perturbation),
        }
    }

    /// What a way of a peer shows in `count` processes that are started for it, one after the other.
    ///
    /// # Errors
    /// Only what the user's wish to stop says.
    pub fn climb_anew(&self, perturbation: Perturbation, count: u64) -> Result<Trial> {
        let mut tally = self.observer.tally(self.yardstick);
        let start = Instant::now();
        let mut execute_all = || {
            for number in 1..=count {
                (self.observer.stop)()?;
                if tally.time_is_up(start, self.observer.row_time) {
                    break;
                }
                tally.add(number, &self.observer.way.execute_anew(&self.case.problem, number)?)?;
            }
            Ok(())
        };
        let executed = execute_all();
        Ok(Trial::of(perturbation, outcome(executed.map(|()| tally.finish()))?))
    }

    /// The algorithm, of a way of our own: what peers do is made ready in one way only.
    fn algorithm(&self) -> Result<&'static Algorithm> {
        let way = self.observer.way;
        way.own_algorithm().ok_or_else(|| Error::device(format!("{} is not ours to launch", way.name)))
    }

    /// The comparisons of one of so many values: all together, as many as a row without values has.
    fn share(&self, values: usize) -> u64 {
        (self.observer.executions - 1).div_ceil(values.max(1) as u64).max(1)
    }

    fn conditions(&self, perturbation: Perturbation) -> Result<Vec<Trial>> {
        let conditions = self.observer.device.conditions(perturbation, &self.case.problem.workload);
        let wanted = self.share(conditions.len());
        let trial = |condition: &Condition| {
            let observed = self.under(perturbation, *condition, wanted);
            Ok(Trial { perturbation, variant: condition.to_string(), outcome: outcome(observed)? })
        };
        conditions.iter().map(trial).collect()
    }

    fn under(&self, perturbation: Perturbation, condition: Condition, wanted: u64) -> Result<Observation> {
        let usual = self.observer.device.target().sm_count;
        // Another plan may add in longer chains, which its bound knows.
        let target = Target { sm_count: condition.multiprocessors(usual) };
        let algorithm = self.algorithm()?;
        let checker = (target.sm_count != usual).then(|| self.case.checker(Form::Own(algorithm), &target));
        let tally = match &checker {
            Some(checker) => self.observer.tally_against(self.yardstick, checker),
            None => self.observer.tally(self.yardstick),
        };
        let variant = condition.to_string();
        if condition == Condition::FreshModule {
            return self.compare(perturbation, &variant, tally, wanted, |number, show| {
                let mut prepared = self.staged.prepare_under(algorithm, condition)?;
                show(execute(&mut *prepared, number)?)
            });
        }
        let mut prepared = self.staged.prepare_under(algorithm, condition)?;
        self.expect(&mut *prepared, wanted);
        self.compare(perturbation, &variant, tally, wanted, |number, show| {
            show(execute(&mut *prepared, number)?)
        })
    }

    fn batches(&self) -> Result<Vec<Trial>> {
        let perturbation = Perturbation::Batch;
        let (device, case, way) = (self.observer.device, self.case, self.observer.way);
        let workload = &case.problem.workload;
        let batches = match batches_of(device, way, workload) {
            Ok(batches) => batches,
            Err(reason) => return Ok(vec![Trial::of(perturbation, Outcome::Skipped(reason))]),
        };
        let wanted = self.share(batches.len());
        let (operation, form) = (workload.operation, way.form(workload));
        let trial = |batch: &Batch| {
            let variant = batch.to_string();
            let problem = Arc::new(operation.rebatch(&case.problem, &batch.rows));
            let expected = operation.gather(form, &case.problem, &self.yardstick.outputs, &batch.rows);
            let observe = || {
                let staged = device.stage(Arc::clone(&problem))?;
                let mut prepared = way.prepare(&problem, &*staged)?;
                self.expect(&mut *prepared, wanted);
                let tally = self.observer.tally_of(self.yardstick, &expected);
                self.compare(perturbation, &variant, tally, wanted, |number, show| {
                    show(execute(&mut *prepared, number)?)
                })
            };
            let observed = observe();
            Ok(Trial { perturbation, outcome: outcome(observed)?, variant })
        };
        batches.iter().map(trial).collect()
    }

    /// Tells which executions come; all of them follow the yardstick's schedule.
    fn expect(&self, prepared: &mut dyn Prepared, executions: u64) {
        prepared.expect(Series { executions, seed: YARDSTICK_SEED, varies: false });
        if let Some(simulation) = self.observer.device.simulation() {
            simulation.set_schedule(YARDSTICK_SEED);
        }
    }

    /// Compares `wanted` executions; what differs against the claim is executed again at once.
    fn compare(
        &self,
        perturbation: Perturbation,
        variant: &str,
        mut tally: Tally,
        wanted: u64,
        mut next: impl FnMut(u64, Show) -> Result<()>,
    ) -> Result<Observation> {
        // The values of a perturbation share the time of a row, as they share its executions.
        let values = ((self.observer.executions - 1) / wanted).max(1);
        let limit = self.observer.row_time / u32::try_from(values).unwrap_or(u32::MAX);
        let start = Instant::now();
        for number in 0..wanted {
            (self.observer.stop)()?;
            if tally.time_is_up(start, limit) {
                break;
            }
            next(number, &mut |outputs| tally.add(number, outputs))?;
        }
        if tally.differs() && self.observer.way.claims(perturbation, variant) {
            tally.rerun(self.observer.device, |tally, rerun| {
                let mut differs = false;
                next(wanted + rerun, &mut |outputs| {
                    differs = tally.would_differ(outputs);
                    Ok(())
                })?;
                Ok(differs)
            })?;
        }
        Ok(tally.finish())
    }
}
