//! The device `sim`: plans carried out by the simulated GPU. It has schedules, and no time.

mod estimate;
mod gpu;
mod prepared;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::Arc;

pub use gpu::{SimGpu, read};

use crate::condition::{CodeSetting, Condition};
use crate::device::gpu::{Gpu, GpuDevice};
use crate::device::sim::prepared::StagedOnSim;
use crate::device::{Device, DeviceFacts, Limits, Load, Problem, Simulation, Staged, Strength};
use crate::error::{Error, Result};
use crate::operation::{Algorithm, Target};
use crate::perturbation::Perturbation;
use crate::workload::{Profile, Workload};

/// Thread instructions that one execution may take unless told otherwise.
pub const DEFAULT_MOST_INSTRUCTIONS: u64 = 16_000_000;

/// How many times the most instructions an execution may take before it counts as endless.
const FUEL_PER_INSTRUCTION: u64 = 64;

/// A simulated GPU as a device.
pub struct Sim {
    gpu: SimGpu,
    most_instructions: u64,
    seed: Cell<u64>,
    /// Thread instructions since the last look.
    executed: Cell<u64>,
}

impl Sim {
    /// Executes what takes at most so many thread instructions.
    pub fn new(most_instructions: u64) -> Self {
        Self { gpu: SimGpu::new(), most_instructions, seed: Cell::new(0), executed: Cell::new(0) }
    }
}

impl Device for Sim {
    fn name(&self) -> String {
        self.gpu.name()
    }

    fn kind(&self) -> String {
        let threads = rayon::current_num_threads();
        let plural = if threads == 1 { "" } else { "s" };
        format!("{} (PTX on {threads} CPU thread{plural})", self.gpu.properties().name)
    }

    fn target(&self) -> Target {
        Target { sm_count: self.gpu.properties().sm_count }
    }

    /// Instructions alone limit what is executed.
    fn limits(&self, _: Profile) -> Limits {
        Limits { contended_elements: u64::MAX, flops: u64::MAX }
    }

    fn free_bytes(&self) -> Result<u64> {
        self.gpu.free_bytes()
    }

    fn stage(&self, problem: Arc<Problem>) -> Result<Box<dyn Staged + '_>> {
        Ok(Box::new(StagedOnSim { sim: self, problem }))
    }

    fn load(&self, _: Strength) -> Result<Box<dyn Load + '_>> {
        Err(Error::device("nothing competes for a simulation"))
    }

    fn facts(&self) -> DeviceFacts {
        DeviceFacts { threads: Some(rayon::current_num_threads() as u32), ..self.gpu.facts() }
    }

    fn throttled(&self) -> Option<bool> {
        None
    }

    fn clock_mhz(&self) -> Option<u32> {
        None
    }

    fn perturbations(&self) -> &'static [Perturbation] {
        &Perturbation::ON_SIM
    }

    fn conditions(&self, perturbation: Perturbation, workload: &Workload) -> Vec<Condition> {
        GpuDevice::new(SimGpu::new()).conditions(perturbation, workload)
    }

    fn code_settings(
        &self,
        perturbation: Perturbation,
        workload: &Workload,
        algorithm: &Algorithm,
    ) -> Vec<CodeSetting> {
        GpuDevice::new(SimGpu::new()).code_settings(perturbation, workload, algorithm)
    }

    fn reason_to_skip(&self, perturbation: Perturbation) -> Option<String> {
        GpuDevice::new(SimGpu::new()).reason_to_skip(perturbation)
    }

    fn simulation(&self) -> Option<&dyn Simulation> {
        Some(self)
    }

    fn flushes_caches(&self) -> bool {
        false
    }
}

impl Simulation for Sim {
    fn set_schedule(&self, seed: u64) {
        self.seed.set(seed);
    }

    fn take_instructions(&self) -> u64 {
        self.executed.take()
    }

    fn estimate(&self, algorithm: &Algorithm, workload: &Workload) -> u64 {
        estimate::instructions(algorithm, workload, &self.target(), self.most_instructions)
    }

    fn most_instructions(&self) -> u64 {
        self.most_instructions
    }

    /// The estimate rests on a few blocks and knows no data, so an honest kernel may take some times what it says.
    fn fuel(&self) -> u64 {
        self.most_instructions.saturating_mul(FUEL_PER_INSTRUCTION)
    }
}
