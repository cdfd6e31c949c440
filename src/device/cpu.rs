//! The CPU as a device: it executes the twins on a rayon pool.

mod competition;
mod probe;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::condition::{CodeSetting, CompileSetting, Condition};
use crate::device::cpu::competition::Competition;
use crate::device::{
    Cache, Device, DeviceFacts, KernelIdentity, Limits, Load, Prepared, Probe, Problem, Staged, Strength,
    memory,
};
use crate::digest::short_hash;
use crate::environment::processor;
use crate::error::{Error, Result};
use crate::operation::instructions::Instructions;
use crate::operation::{Algorithm, Form, OutputSpec, Target, Work};
use crate::perturbation::Perturbation;
use crate::poison::Poison;
use crate::tensor::Tensor;
use crate::workload::{Profile, Workload};

/// The multiprocessor count that plans are made for on a CPU. It is part of what `run_to_run`
/// algorithms' bits depend on, so it is fixed and recorded in `environment.json`.
pub const NOMINAL_SM_COUNT: u32 = 16;

/// The CPU, executing twins.
#[derive(Debug)]
pub struct Cpu {
    pool: ThreadPool,
    brand: String,
    cores: usize,
}

impl Cpu {
    /// A pool with a thread per core that this process may use, and at least two: atomic
    /// algorithms need real competition.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn new() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads(cores.max(2))
    }

    /// A pool of exactly `threads` threads.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn with_threads(threads: usize) -> Result<Self> {
        let pool = pool(threads, None)?;
        let brand = processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { pool, brand, cores })
    }
}

/// Threads that execute twins with those instructions, or with the best.
fn pool(threads: usize, instructions: Option<Instructions>) -> Result<ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .start_handler(move |_| {
            if let Some(instructions) = instructions {
                instructions.use_here();
            }
        })
        .build()
        .map_err(|error| Error::device(format!("cannot start {threads} threads: {error}")))
}

impl Device for Cpu {
    fn name(&self) -> String {
        "cpu".to_owned()
    }

    fn kind(&self) -> String {
        let plural = if self.cores == 1 { "" } else { "s" };
        format!("{}, {} core{plural}", self.brand, self.cores)
    }

    fn target(&self) -> Target {
        Target { sm_count: NOMINAL_SM_COUNT }
    }

    fn limits(&self, profile: Profile) -> Limits {
        match profile {
            Profile::Quick => Limits { contended_elements: 1 << 18, flops: 1 << 30 },
            Profile::Full => Limits { contended_elements: 1 << 20, flops: 1 << 31 },
        }
    }

    fn free_bytes(&self) -> Result<u64> {
        memory::available().ok_or_else(|| Error::device("the system does not tell its free memory"))
    }

    fn stage(&self, problem: Arc<Problem>) -> Result<Box<dyn Staged + '_>> {
        Ok(Box::new(StagedOnCpu { cpu: self, problem }))
    }

    fn load(&self, strength: Strength) -> Result<Box<dyn Load + '_>> {
        let threads = strength.of(2 * self.pool.current_num_threads() as u32);
        Ok(Box::new(Competition::start(threads as usize)))
    }

    fn facts(&self) -> DeviceFacts {
        DeviceFacts {
            name: self.brand.clone(),
            sm_count: NOMINAL_SM_COUNT,
            threads: Some(self.pool.current_num_threads() as u32),
            ..DeviceFacts::default()
        }
    }

    fn throttled(&self) -> Option<bool> {
        None
    }

    fn clock_mhz(&self) -> Option<u32> {
        None
    }

    fn flushes_caches(&self) -> bool {
        false
    }

    fn perturbations(&self) -> &'static [Perturbation] {
        &Perturbation::ON_CPU
    }

    fn conditions(&self, perturbation: Perturbation, _: &Workload) -> Vec<Condition> {
        match perturbation {
            Perturbation::Launch => {
                let own = self.pool.current_num_threads() as u32;
                // Fewer threads, and more: a thread's share of the work is another one in each.
                let threads = [1, 2, 3, 5, 8].into_iter().filter(|count| *count != own);
                threads.map(Condition::Threads).chain(Condition::other_gpus(NOMINAL_SM_COUNT)).collect()
            }
            Perturbation::ReloadAllocation => (1..=4).map(Condition::Copy).collect(),
            _ => vec![Condition::Usual],
        }
    }

    /// Other instructions; and what a compiler of kernels would do, where the operation has a twin of it.
    fn code_settings(
        &self,
        perturbation: Perturbation,
        workload: &Workload,
        algorithm: &Algorithm,
    ) -> Vec<CodeSetting> {
        if perturbation != Perturbation::Launch {
            return Vec::new();
        }
        let has_twin = |setting: &CodeSetting| as_set(workload, algorithm, setting).is_some();
        let compiled = CompileSetting::all().into_iter().map(CodeSetting::Compile).filter(has_twin);
        compiled.chain(Instructions::others().map(CodeSetting::Instructions)).collect()
    }
}

/// The algorithm of that name whose twin does what kernels compiled under `setting` do.
fn as_set(workload: &Workload, algorithm: &Algorithm, setting: &CodeSetting) -> Option<&'static Algorithm> {
    let wanted = setting.to_string();
    let mut algorithms = workload.operation.algorithms().iter();
    algorithms.find(|other| other.name == algorithm.name && other.setting == wanted)
}

struct StagedOnCpu<'a> {
    cpu: &'a Cpu,
    problem: Arc<Problem>,
}

impl Staged for StagedOnCpu<'_> {
    fn prepare_under(
        &self,
        algorithm: &'static Algorithm,
        condition: Condition,
    ) -> Result<Box<dyn Prepared + '_>> {
        let pool = match condition {
            Condition::Threads(threads) => Some(pool(threads as usize, None)?),
            Condition::Code(CodeSetting::Instructions(instructions)) => {
                Some(pool(self.cpu.pool.current_num_threads(), Some(instructions))?)
            }
            _ => None,
        };
        let problem = match condition {
            Condition::Copy(number) => Arc::new(elsewhere(&self.problem, number)),
            _ => Arc::clone(&self.problem),
        };
        let workload = &self.problem.workload;
        let algorithm = match condition {
            Condition::Code(setting @ CodeSetting::Compile(_)) => as_set(workload, algorithm, &setting)
                .ok_or_else(|| Error::device(format!("{} has no twin with {setting}", algorithm.name)))?,
            _ => algorithm,
        };
        let specs = workload.operation.outputs(Form::Own(algorithm), workload);
        let outputs = specs.iter().map(OutputSpec::tensor).collect();
        let absent = specs.iter().map(|spec| Tensor::zeros(spec.name, spec.dtype, 0)).collect();
        let target = Target { sm_count: condition.multiprocessors(NOMINAL_SM_COUNT) };
        let cpu = self.cpu;
        Ok(Box::new(PreparedTwin { cpu, problem, pool, target, algorithm, specs, outputs, absent }))
    }

    fn probe(&self, work: Work) -> Result<Probe<'_>> {
        Ok(match work {
            Work::Bytes(_) => probe::read(&self.cpu.pool, &self.problem.inputs),
            Work::Flops(_) => probe::fma(&self.cpu.pool),
        })
    }
}

/// The same problem in other memory. What is allocated between copies moves each by another distance.
fn elsewhere(problem: &Problem, number: u32) -> Problem {
    let mut between = Vec::new();
    let inputs = problem.inputs.iter().map(|input| {
        between.push(vec![0u8; 48 * number as usize + 16]);
        input.clone()
    });
    Problem { workload: problem.workload.clone(), inputs: inputs.collect() }
}

struct PreparedTwin<'a> {
    cpu: &'a Cpu,
    problem: Arc<Problem>,
    /// In place of the device's own threads.
    pool: Option<ThreadPool>,
    target: Target,
    algorithm: &'static Algorithm,
    specs: Vec<OutputSpec>,
    outputs: Vec<Tensor>,
    /// What stands in for accumulators when timing: no elements.
    absent: Vec<Tensor>,
}

impl PreparedTwin<'_> {
    fn run(&mut self) {
        let Problem { workload, inputs } = &*self.problem;
        let (target, algorithm, outputs) = (&self.target, self.algorithm, &mut self.outputs);
        let mut twin = || (algorithm.twin)(workload, target, inputs, outputs);
        match &self.pool {
            Some(pool) => pool.install(twin),
            None if workload.operation.is_small() => twin(),
            None => self.cpu.pool.install(twin),
        }
    }

    /// Puts tensors without elements in place of accumulators, which twins then leave; or the
    /// accumulators back.
    fn swap_accumulators(&mut self) {
        for ((output, absent), spec) in self.outputs.iter_mut().zip(&mut self.absent).zip(&self.specs) {
            if spec.accumulator {
                std::mem::swap(output, absent);
            }
        }
    }
}

impl Prepared for PreparedTwin<'_> {
    fn execute(&mut self, poison: Poison) -> Result<()> {
        poison.prepare(&mut self.outputs, &self.specs, &self.problem.inputs);
        self.run();
        Ok(())
    }

    fn outputs(&mut self) -> Result<&[Tensor]> {
        Ok(&self.outputs)
    }

    fn into_outputs(self: Box<Self>) -> Result<Vec<Tensor>> {
        Ok(self.outputs)
    }

    fn time(&mut self, iterations: u64, _: Cache) -> Result<Duration> {
        self.swap_accumulators();
        let start = Instant::now();
        for _ in 0..iterations {
            self.run();
        }
        let elapsed = start.elapsed();
        self.swap_accumulators();
        Ok(elapsed)
    }

    fn kernel(&self) -> KernelIdentity {
        // A twin has no source of its own at run time; the program's version stands for it.
        let source = format!("twin {} {}", env!("CARGO_PKG_VERSION"), env!("SAMEBITS_REVISION"));
        KernelIdentity { kernel: short_hash(source.as_bytes()), cubin: String::new() }
    }
}
