//! Executions on simulated GPUs of their own, several of them side by side: what each gives is a function of
//! its poison and its seed alone.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use crate::condition::Condition;
use crate::device::gpu::GpuDevice;
use crate::device::sim::{Sim, SimGpu};
use crate::device::{
    Cache, Coming, Device, KernelIdentity, Prepared, Probe, Problem, Series, Simulation, Staged,
};
use crate::error::{Error, Result};
use crate::operation::{Algorithm, Form, OutputSpec, Work};
use crate::poison::Poison;
use crate::simt::Schedule;
use crate::tensor::Tensor;

/// Executions ahead for each thread: enough that threads seldom wait for the longest one, few enough that
/// Ctrl-C is heard in time.
const AHEAD_PER_THREAD: usize = 4;
/// Bytes that outputs of executions ahead may take together.
const AHEAD_BYTES: usize = 256 << 20;

/// A problem on a simulation.
pub struct StagedOnSim<'a> {
    pub(super) sim: &'a Sim,
    pub(super) problem: Arc<Problem>,
}

impl Staged for StagedOnSim<'_> {
    fn prepare_under(
        &self,
        algorithm: &'static Algorithm,
        condition: Condition,
    ) -> Result<Box<dyn Prepared + '_>> {
        let workload = &self.problem.workload;
        let specs = workload.operation.outputs(Form::Own(algorithm), workload);
        let outputs: Vec<_> = specs.iter().map(OutputSpec::tensor).collect();
        Ok(Box::new(PreparedOnSim {
            sim: self.sim,
            problem: Arc::clone(&self.problem),
            algorithm,
            condition,
            outputs,
            series: Series::default(),
            begun: 0,
            ready: VecDeque::new(),
        }))
    }

    fn probe(&self, _: Work) -> Result<Probe<'_>> {
        Err(no_time())
    }
}

/// What one execution gave.
struct Done {
    outputs: Vec<Tensor>,
    instructions: u64,
}

struct PreparedOnSim<'a> {
    sim: &'a Sim,
    problem: Arc<Problem>,
    algorithm: &'static Algorithm,
    condition: Condition,
    outputs: Vec<Tensor>,
    series: Series,
    /// How many executions of the series are done or among `ready`.
    begun: u64,
    /// Executions of the series that were not asked for yet.
    ready: VecDeque<(Coming, Result<Done>)>,
}

impl PreparedOnSim<'_> {
    /// How many executions are carried out side by side.
    fn batch(&self) -> u64 {
        let bytes: usize = self.outputs.iter().map(|output| output.bytes().len()).sum();
        let fit = AHEAD_BYTES / bytes.max(1);
        fit.clamp(1, AHEAD_PER_THREAD * rayon::current_num_threads()) as u64
    }

    /// Executes what is wanted; where it is the next of the series, those that follow too.
    fn carry_out(&mut self, wanted: Coming) -> Result<Done> {
        if self.ready.front().is_none_or(|(coming, _)| *coming != wanted) {
            self.ready.clear();
            let end = self.series.executions.min(self.begun.saturating_add(self.batch()));
            let mut batch: Vec<_> = (self.begun..end).map(|number| self.series.execution(number)).collect();
            if batch.first() == Some(&wanted) {
                self.begun = end;
            } else {
                batch = vec![wanted];
            }
            let (problem, fuel) = (&self.problem, self.sim.fuel());
            let (algorithm, condition) = (self.algorithm, self.condition);
            let execute = |coming| (coming, execute(problem, algorithm, condition, coming, fuel));
            let done: Vec<_> = batch.into_par_iter().map(execute).collect();
            self.ready = done.into();
        }
        match self.ready.pop_front() {
            Some((_, done)) => done,
            None => Err(Error::device("nothing was executed")),
        }
    }
}

/// Executes once on a simulated GPU of its own.
fn execute(
    problem: &Arc<Problem>,
    algorithm: &'static Algorithm,
    condition: Condition,
    coming: Coming,
    fuel: u64,
) -> Result<Done> {
    let gpu = SimGpu::new();
    gpu.set_schedule(Schedule::Random { seed: coming.seed });
    gpu.set_fuel(fuel);
    let device = GpuDevice::new(gpu);
    let outputs = {
        let staged = device.stage(Arc::clone(problem))?;
        let mut prepared = staged.prepare_under(algorithm, condition)?;
        prepared.execute(coming.poison)?;
        prepared.outputs()?.to_vec()
    };
    Ok(Done { outputs, instructions: device.gpu().take_executed() })
}

impl Prepared for PreparedOnSim<'_> {
    fn expect(&mut self, series: Series) {
        (self.series, self.begun) = (series, 0);
        self.ready.clear();
    }

    fn execute(&mut self, poison: Poison) -> Result<()> {
        let done = self.carry_out(Coming { poison, seed: self.sim.seed.get() })?;
        self.sim.executed.set(self.sim.executed.get().saturating_add(done.instructions));
        self.outputs = done.outputs;
        Ok(())
    }

    fn outputs(&mut self) -> Result<&[Tensor]> {
        Ok(&self.outputs)
    }

    fn time(&mut self, _: u64, _: Cache) -> Result<Duration> {
        Err(no_time())
    }

    fn kernel(&self) -> KernelIdentity {
        KernelIdentity { kernel: self.algorithm.module.hash(), cubin: String::new() }
    }
}

fn no_time() -> Error {
    Error::device("a simulation has no time")
}
