//! The rungs of new processes: one start executes every way of a workload once, and each is compared with its own
//! yardstick. Rows count processes.

use std::time::{Duration, Instant};

use crate::device::{Coming, Device, Problem};
use crate::error::{Error, Result};
use crate::operation::Algorithm;
use crate::perturbation::Perturbation;
use crate::poison::Poison;
use crate::suite::ladder::Trial;
use crate::suite::observe::{Observer, Tally, YARDSTICK_SEED, Yardstick, outcome};
use crate::tensor::Tensor;
use crate::worker::{Inputs, Order, Workers};

/// Executes algorithms in new processes.
pub trait NewProcesses {
    /// Starts one, in which every algorithm of `order` is executed once: its outputs, or its error. `stop` is asked
    /// while it runs; an error ends it.
    ///
    /// # Errors
    /// If the process itself fails: says what it printed. What `stop` says.
    fn execute(&self, order: &Order, stop: &dyn Fn() -> Result<()>) -> Result<Vec<Result<Vec<Tensor>>>>;
}

impl NewProcesses for Workers {
    fn execute(&self, order: &Order, stop: &dyn Fn() -> Result<()>) -> Result<Vec<Result<Vec<Tensor>>>> {
        Self::execute(self, order, stop)
    }
}

/// A workload on a device, to be executed in new processes.
pub struct Rung<'a> {
    /// How their inputs come about.
    pub perturbation: Perturbation,
    /// What starts them.
    pub processes: &'a dyn NewProcesses,
    /// The device that each opens.
    pub device: &'a dyn Device,
    /// What is executed there.
    pub problem: &'a Problem,
    /// Asked between executions and while processes run; an error ends the run.
    pub stop: &'a dyn Fn() -> Result<()>,
}

/// A way of our own, and what its executions are compared with.
pub struct Climber<'a> {
    /// The way.
    pub algorithm: &'static Algorithm,
    /// What compares.
    pub observer: &'a Observer<'a>,
    /// The execution in this process.
    pub yardstick: &'a Yardstick,
}

impl Rung<'_> {
    /// Executes every way of `climbers` once in each of `count` processes. Who failed once is not asked again.
    ///
    /// # Errors
    /// Only what the user's wish to stop says.
    pub fn climb(&self, climbers: &[Climber], count: u64) -> Result<Vec<Trial>> {
        let mut tallies: Vec<Result<Tally>> =
            climbers.iter().map(|climber| Ok(climber.observer.tally(climber.yardstick))).collect();
        let limit = climbers.first().map_or(Duration::MAX, |climber| climber.observer.row_time);
        let start = Instant::now();
        for number in 1..=count {
            (self.stop)()?;
            let asked: Vec<usize> = (0..tallies.len()).filter(|place| tallies[*place].is_ok()).collect();
            // Each is to say that its time was up.
            let mut is_up = false;
            for tally in tallies.iter_mut().flatten() {
                is_up |= tally.time_is_up(start, limit);
            }
            if asked.is_empty() || is_up {
                break;
            }
            let algorithms: Vec<_> = asked.iter().map(|place| climbers[*place].algorithm).collect();
            match self.start(&algorithms, number) {
                Ok(answers) => asked
                    .into_iter()
                    .zip(answers)
                    .for_each(|(place, answer)| take(&mut tallies[place], number, answer)),
                Err(error) => {
                    // Ctrl-C reaches a worker, too: that is no failure of its own.
                    (self.stop)()?;
                    let error = error.to_string();
                    asked.into_iter().for_each(|place| tallies[place] = Err(Error::device(error.clone())));
                }
            }
        }
        let finished = tallies.into_iter().zip(climbers).map(|(tally, climber)| {
            let observed = tally.and_then(|mut tally| {
                if tally.differs() && climber.observer.way.claims(self.perturbation, "") {
                    tally.rerun(self.device, |tally, rerun| {
                        let answers = self.start(&[climber.algorithm], count + 1 + rerun)?;
                        let outputs = answers.into_iter().next().transpose()?.unwrap_or_default();
                        Ok(tally.would_differ(&outputs))
                    })?;
                }
                Ok(tally.finish())
            });
            Ok(Trial::of(self.perturbation, outcome(observed)?))
        });
        finished.collect()
    }

    /// Executes `algorithms` in the process of that number.
    fn start(&self, algorithms: &[&'static Algorithm], number: u64) -> Result<Vec<Result<Vec<Tensor>>>> {
        let simulation = self.device.simulation();
        let order = Order {
            device: &self.device.name(),
            most_instructions: simulation.map_or(u64::MAX, |simulation| simulation.most_instructions()),
            problem: self.problem,
            inputs: match self.perturbation {
                Perturbation::ReloadCheckpoint => Inputs::Read,
                _ => Inputs::Made,
            },
            algorithms,
            coming: Coming { poison: Poison::of_execution(number), seed: YARDSTICK_SEED },
        };
        self.processes.execute(&order, self.stop)
    }
}

/// Compares an answer; what is wrong with it takes the tally's place.
fn take(tally: &mut Result<Tally>, number: u64, answer: Result<Vec<Tensor>>) {
    let Ok(counted) = tally else { return };
    if let Err(error) = answer.and_then(|outputs| counted.add(number, &outputs)) {
        *tally = Err(error);
    }
}
