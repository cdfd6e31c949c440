//! Devices: where algorithms are executed, timed and perturbed.
//!
//! A device stages a workload's inputs once; each algorithm is then prepared on them. What is
//! prepared executes under a given poison, hands out its outputs, and is timed.

pub mod cpu;
pub mod cuda;
pub mod gpu;
pub mod memory;
pub mod nvrtc;
pub mod plan;
pub mod select;
pub mod sim;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::condition::{CodeSetting, Condition};
use crate::error::{Error, Result};
use crate::operation::{Algorithm, Target, Work};
use crate::perturbation::Perturbation;
use crate::poison::Poison;
use crate::tensor::Tensor;
use crate::workload::{Profile, Workload};

/// A workload with its inputs.
#[derive(Debug)]
pub struct Problem {
    /// What is to be computed.
    pub workload: Workload,
    /// On what.
    pub inputs: Vec<Tensor>,
}

/// Where algorithms run.
pub trait Device {
    /// Its name in files and flags: `cpu`, `cuda:0`.
    fn name(&self) -> String;

    /// What it is, in words: "NVIDIA H200", "Intel Xeon, 2 cores".
    fn kind(&self) -> String;

    /// What launch plans depend on.
    fn target(&self) -> Target;

    /// What is skipped since it would take too long here.
    fn limits(&self, profile: Profile) -> Limits;

    /// Bytes that are free for inputs, outputs and workspaces now.
    ///
    /// # Errors
    /// If the device does not answer.
    fn free_bytes(&self) -> Result<u64>;

    /// Puts a problem's inputs onto the device.
    ///
    /// # Errors
    /// If the device refuses.
    fn stage(&self, problem: Arc<Problem>) -> Result<Box<dyn Staged + '_>>;

    /// Starts work that competes for the device; it ends when the guard is dropped.
    ///
    /// # Errors
    /// If the device refuses.
    fn load(&self, strength: Strength) -> Result<Box<dyn Load + '_>>;

    /// Facts for `environment.json`.
    fn facts(&self) -> DeviceFacts;

    /// Whether the clock is throttled at this moment, right after a sample; `None` if the device does
    /// not tell.
    fn throttled(&self) -> Option<bool>;

    /// The clock in MHz now, if the device tells.
    fn clock_mhz(&self) -> Option<u32>;

    /// What `CUDA_VISIBLE_DEVICES` calls it, if it is one of CUDA's devices.
    fn visible_as(&self) -> Option<String> {
        None
    }

    /// Faults of the hardware that were counted so far.
    fn fault_counts(&self) -> FaultCounts {
        FaultCounts::default()
    }

    /// What can be changed between executions here.
    fn perturbations(&self) -> &'static [Perturbation];

    /// The conditions that a perturbation consists of here, for those that change how an algorithm is made ready
    /// or launched.
    fn conditions(&self, _: Perturbation, _: &Workload) -> Vec<Condition> {
        vec![Condition::Usual]
    }

    /// The settings of the code that are tried of `algorithm` beside `perturbation` here.
    fn code_settings(&self, _: Perturbation, _: &Workload, _: &Algorithm) -> Vec<CodeSetting> {
        Vec::new()
    }

    /// Why a perturbation that has a meaning here cannot be tried now, if so.
    fn reason_to_skip(&self, _: Perturbation) -> Option<String> {
        None
    }

    /// The same device, opened again: what lived in its context is gone there.
    ///
    /// # Errors
    /// If the device refuses, or nothing of it is ever gone while this program runs.
    fn reopened(&self) -> Result<Box<dyn Device>> {
        Err(Error::device(format!("{} has no context", self.name())))
    }

    /// The simulation that this device is, if it is one: it has schedules and no time.
    fn simulation(&self) -> Option<&dyn Simulation> {
        None
    }

    /// Whether [`Cache::Cold`] and [`Cache::Hot`] are two things here.
    fn flushes_caches(&self) -> bool;
}

/// How much work competes for a device, in percent of the usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength(pub u32);

impl Strength {
    /// What a row without a variant has.
    pub const USUAL: Self = Self(100);
    /// Other strengths worth trying.
    pub const OTHERS: [Self; 2] = [Self(50), Self(200)];

    /// That share of `usual`, at least 1.
    pub fn of(self, usual: u32) -> u32 {
        (u64::from(usual) * u64::from(self.0) / 100).max(1) as u32
    }

    /// The variant of a row.
    pub fn variant(self) -> String {
        if self == Self::USUAL { String::new() } else { format!("strength={}", self.0) }
    }
}

/// Faults of the hardware; `None` where the device does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Errors that the memory's error correction counted.
    pub ecc: Option<u64>,
    /// Critical Xid errors that the driver reported.
    pub xid: Option<u64>,
}

impl FaultCounts {
    /// What was counted before and is counted after, as the end of a remark.
    pub fn beside(self, after: Self) -> String {
        let kinds = [("ECC", self.ecc.zip(after.ecc)), ("Xid", self.xid.zip(after.xid))];
        let told = kinds.into_iter().filter_map(|(kind, counts)| {
            let (before, after) = counts?;
            Some(format!(", {kind} errors: {before} before and {after} after"))
        });
        told.collect()
    }
}

/// What only a simulated device can tell and do.
pub trait Simulation {
    /// Later executions follow the schedule of that seed.
    fn set_schedule(&self, seed: u64);

    /// Thread instructions since the last call of this.
    fn take_instructions(&self) -> u64;

    /// About how many thread instructions one execution takes; of a block that takes more than the limit,
    /// so far.
    fn estimate(&self, algorithm: &Algorithm, workload: &Workload) -> u64;

    /// The most that one execution may take.
    fn most_instructions(&self) -> u64;

    /// Thread instructions after which a launch is given up.
    fn fuel(&self) -> u64;
}

/// The most that one execution may do, so that a run ends in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Elements of a contended algorithm.
    pub contended_elements: u64,
    /// Floating-point operations.
    pub flops: u64,
}

/// Inputs that lie on a device.
pub trait Staged {
    /// Makes an algorithm ready to be executed on these inputs.
    ///
    /// # Errors
    /// If the device refuses (no memory, a kernel that does not load).
    fn prepare(&self, algorithm: &'static Algorithm) -> Result<Box<dyn Prepared + '_>> {
        self.prepare_under(algorithm, Condition::Usual)
    }

    /// The same under a condition that the device named.
    ///
    /// # Errors
    /// If the device refuses, or knows no such condition.
    fn prepare_under(
        &self,
        algorithm: &'static Algorithm,
        condition: Condition,
    ) -> Result<Box<dyn Prepared + '_>>;

    /// The yardstick of `percent_of_limit` for work of this kind: what reads every input byte once and
    /// does nothing else, or what multiplies and adds f32 in registers and does nothing else. It has
    /// no outputs.
    ///
    /// # Errors
    /// If the device refuses.
    fn probe(&self, work: Work) -> Result<Probe<'_>>;
}

/// A yardstick that can be timed.
pub struct Probe<'a> {
    /// What to time.
    pub prepared: Box<dyn Prepared + 'a>,
    /// What one execution of it does.
    pub work: Work,
}

/// Executions of one algorithm that come one after the other, from the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Series {
    /// How many.
    pub executions: u64,
    /// The seed of the first one's schedule, where schedules have seeds.
    pub seed: u64,
    /// Whether each has a seed of its own: the first one's, plus its number.
    pub varies: bool,
}

impl Series {
    /// The execution of that number.
    pub fn execution(&self, number: u64) -> Coming {
        let seed = if self.varies { self.seed.wrapping_add(number) } else { self.seed };
        Coming { poison: Poison::of_execution(number), seed }
    }
}

/// All that tells one execution from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coming {
    /// What outputs and workspaces are filled with.
    pub poison: Poison,
    /// The seed of its schedule, where schedules have seeds.
    pub seed: u64,
}

/// An algorithm that is ready to be executed.
pub trait Prepared {
    /// Tells which executions come, so that a simulation can carry out several side by side. What they give
    /// does not depend on it.
    fn expect(&mut self, _: Series) {}

    /// Poisons outputs and workspaces, restores counters and what is updated in place, executes once
    /// and waits for the end.
    ///
    /// # Errors
    /// If the device fails.
    fn execute(&mut self, poison: Poison) -> Result<()>;

    /// The outputs of the last execution.
    ///
    /// # Errors
    /// If they cannot be read back.
    fn outputs(&mut self) -> Result<&[Tensor]>;

    /// The same for one who executes no more.
    ///
    /// # Errors
    /// If they cannot be read back.
    fn into_outputs(mut self: Box<Self>) -> Result<Vec<Tensor>> {
        Ok(self.outputs()?.to_vec())
    }

    /// The time of `iterations` executions on outputs as they are. Accumulator outputs are left out: a
    /// user of the narrow store does not pay for them.
    ///
    /// # Errors
    /// If the device fails.
    fn time(&mut self, iterations: u64, cache: Cache) -> Result<Duration>;

    /// Short hashes of the kernel's PTX (or source) and of the machine code made of it.
    fn kernel(&self) -> KernelIdentity;
}

/// What caches hold when a timed execution starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Flushed where the device can; else as the execution before left them.
    Cold,
    /// As the execution before left them.
    Hot,
}

/// Competing work; ends when dropped.
pub trait Load {
    /// Called before each disturbed execution, so that work that was launched ahead is renewed.
    ///
    /// # Errors
    /// If the device fails.
    fn renew(&mut self) -> Result<()>;
}

/// Which code ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelIdentity {
    /// Short hash of the PTX or source.
    pub kernel: String,
    /// Short hash of the machine code; empty where there is none apart.
    pub cubin: String,
}

/// Facts about a device for `environment.json`: an allow-list without serials, users or paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeviceFacts {
    /// The device's product name.
    pub name: String,
    /// A salted hash of its UUID, so that rows of one device can be told from those of its twin.
    pub uuid_salted: Option<String>,
    /// Streaming multiprocessors, or the nominal number where there are none.
    pub sm_count: u32,
    /// Threads of the CPU that execute, where no GPU does.
    pub threads: Option<u32>,
    /// Compute capability, for instance `9.0`.
    pub compute_capability: Option<String>,
    /// Driver version.
    pub driver: Option<String>,
    /// The newest CUDA version that the driver supports.
    pub cuda: Option<String>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Second-level cache in bytes.
    pub l2_bytes: Option<u64>,
    /// Whether error correction is on.
    pub ecc: Option<bool>,
    /// Whether the device is a MIG instance.
    pub mig: Option<bool>,
    /// Highest clock of the multiprocessors in MHz.
    pub max_clock_mhz: Option<u32>,
    /// Whether others used the GPU too (`--shared`).
    pub shared: bool,
}
