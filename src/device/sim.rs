//! The device `sim`: plans carried out by the simulated GPU. It has schedules, and no time.

mod estimate;
mod gpu;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use gpu::SimGpu;

use crate::device::gpu::{Gpu, GpuDevice};
use crate::device::{Device, DeviceFacts, Limits, Load, Problem, Simulation, Staged};
use crate::error::{Error, Result};
use crate::operation::{Algorithm, Target};
use crate::perturbation::Perturbation;
use crate::simt::Schedule;
use crate::workload::{Profile, Workload};

/// Thread instructions that one execution may take unless told otherwise.
pub const DEFAULT_MOST_INSTRUCTIONS: u64 = 16_000_000;

/// A simulated GPU as a device.
pub struct Sim {
    device: GpuDevice<SimGpu>,
    most_instructions: u64,
}

impl Sim {
    /// Executes what takes at most so many thread instructions.
    pub fn new(most_instructions: u64) -> Self {
        Self { device: GpuDevice::new(SimGpu::new()), most_instructions }
    }
}

impl Device for Sim {
    fn name(&self) -> String {
        self.device.name()
    }

    fn kind(&self) -> String {
        self.device.kind()
    }

    fn target(&self) -> Target {
        self.device.target()
    }

    /// Instructions alone limit what is executed.
    fn limits(&self, _: Profile) -> Limits {
        Limits { contended_elements: u64::MAX, flops: u64::MAX }
    }

    fn free_bytes(&self) -> Result<u64> {
        self.device.gpu().free_bytes()
    }

    fn stage(&self, problem: Arc<Problem>) -> Result<Box<dyn Staged + '_>> {
        self.device.stage(problem)
    }

    fn load(&self) -> Result<Box<dyn Load + '_>> {
        Err(Error::device("nothing competes for a simulation"))
    }

    fn facts(&self) -> DeviceFacts {
        self.device.facts()
    }

    fn throttled(&self) -> Option<bool> {
        None
    }

    fn clock_mhz(&self) -> Option<u32> {
        None
    }

    fn perturbations(&self) -> &'static [Perturbation] {
        &[Perturbation::Repeat, Perturbation::Schedule]
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
        self.device.gpu().set_schedule(Schedule::Random { seed });
    }

    fn take_instructions(&self) -> u64 {
        self.device.gpu().take_executed()
    }

    fn estimate(&self, algorithm: &Algorithm, workload: &Workload) -> u64 {
        estimate::instructions(algorithm, workload, &self.target(), self.most_instructions)
    }

    fn most_instructions(&self) -> u64 {
        self.most_instructions
    }
}
