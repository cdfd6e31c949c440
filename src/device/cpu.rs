//! The CPU as a device: it executes the twins on a rayon pool.

mod competition;
mod probe;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::device::cpu::competition::Competition;
use crate::device::{
    Cache, Device, DeviceFacts, KernelIdentity, Limits, Load, Prepared, Probe, Problem, Staged, memory,
};
use crate::digest::short_hash;
use crate::environment::processor;
use crate::error::{Error, Result};
use crate::operation::{Algorithm, OutputSpec, Target, Work};
use crate::poison::Poison;
use crate::tensor::Tensor;
use crate::workload::Profile;

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
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| Error::device(format!("cannot start {threads} threads: {error}")))?;
        let brand = processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { pool, brand, cores })
    }
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

    fn load(&self) -> Result<Box<dyn Load + '_>> {
        Ok(Box::new(Competition::start(2 * self.pool.current_num_threads())))
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
}

struct StagedOnCpu<'a> {
    cpu: &'a Cpu,
    problem: Arc<Problem>,
}

impl Staged for StagedOnCpu<'_> {
    fn prepare(&self, algorithm: &'static Algorithm) -> Result<Box<dyn Prepared + '_>> {
        let workload = &self.problem.workload;
        let specs = workload.operation.outputs(algorithm, workload);
        let outputs = specs.iter().map(OutputSpec::tensor).collect();
        let absent = specs.iter().map(|spec| Tensor::zeros(spec.name, spec.dtype, 0)).collect();
        Ok(Box::new(PreparedTwin { staged: self, algorithm, specs, outputs, absent }))
    }

    fn probe(&self, work: Work) -> Result<Probe<'_>> {
        Ok(match work {
            Work::Bytes(_) => probe::read(&self.cpu.pool, &self.problem.inputs),
            Work::Flops(_) => probe::fma(&self.cpu.pool),
        })
    }
}

struct PreparedTwin<'a> {
    staged: &'a StagedOnCpu<'a>,
    algorithm: &'static Algorithm,
    specs: Vec<OutputSpec>,
    outputs: Vec<Tensor>,
    /// What stands in for accumulators when timing: no elements.
    absent: Vec<Tensor>,
}

impl PreparedTwin<'_> {
    fn run(&mut self) {
        let Problem { workload, inputs } = &*self.staged.problem;
        let (cpu, algorithm, outputs) = (self.staged.cpu, self.algorithm, &mut self.outputs);
        cpu.pool.install(|| (algorithm.twin)(workload, &cpu.target(), inputs, outputs));
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
        poison.prepare(&mut self.outputs, &self.specs, &self.staged.problem.inputs);
        self.run();
        Ok(())
    }

    fn outputs(&mut self) -> Result<&[Tensor]> {
        Ok(&self.outputs)
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
