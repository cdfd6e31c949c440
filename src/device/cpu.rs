//! The CPU as a device: it executes the twins on a rayon pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use multiversion::multiversion;
use rayon::ThreadPool;
use rayon::prelude::*;

use crate::device::{Cache, Device, DeviceFacts, KernelIdentity, Load, Prepared, Problem, Staged, memory};
use crate::digest::short_hash;
use crate::environment::processor;
use crate::error::{Error, Result};
use crate::operation::{Algorithm, Target};
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

    fn contended_limit(&self, profile: Profile) -> u64 {
        match profile {
            Profile::Quick => 1 << 18,
            Profile::Full => 1 << 20,
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
}

struct StagedOnCpu<'a> {
    cpu: &'a Cpu,
    problem: Arc<Problem>,
}

impl Staged for StagedOnCpu<'_> {
    fn prepare(&self, algorithm: &'static Algorithm) -> Result<Box<dyn Prepared + '_>> {
        let workload = &self.problem.workload;
        let outputs = workload
            .operation
            .outputs(workload)
            .into_iter()
            .map(|spec| Tensor::zeros(spec.name, spec.dtype, spec.len))
            .collect();
        Ok(Box::new(PreparedTwin { staged: self, algorithm, outputs }))
    }

    fn read_probe(&self) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(ReadProbe { staged: self }))
    }
}

struct PreparedTwin<'a> {
    staged: &'a StagedOnCpu<'a>,
    algorithm: &'static Algorithm,
    outputs: Vec<Tensor>,
}

impl PreparedTwin<'_> {
    fn run(&mut self) {
        let Problem { workload, inputs } = &*self.staged.problem;
        let (cpu, algorithm, outputs) = (self.staged.cpu, self.algorithm, &mut self.outputs);
        cpu.pool.install(|| (algorithm.twin)(workload, &cpu.target(), inputs, outputs));
    }
}

impl Prepared for PreparedTwin<'_> {
    fn execute(&mut self, poison: Poison) -> Result<()> {
        self.outputs.iter_mut().for_each(|output| poison.fill(output));
        self.run();
        Ok(())
    }

    fn outputs(&mut self) -> Result<&[Tensor]> {
        Ok(&self.outputs)
    }

    fn time(&mut self, iterations: u64, _: Cache) -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..iterations {
            self.run();
        }
        Ok(start.elapsed())
    }

    fn kernel(&self) -> KernelIdentity {
        // A twin has no source of its own at run time; the program's version stands for it.
        let source = format!("twin {} {}", env!("CARGO_PKG_VERSION"), env!("SAMEBITS_REVISION"));
        KernelIdentity { kernel: short_hash(source.as_bytes()), cubin: String::new() }
    }
}

/// Reads every input byte with all threads and keeps one word per part.
struct ReadProbe<'a> {
    staged: &'a StagedOnCpu<'a>,
}

/// Bytes that one task of the read probe reads at the most, and at the least.
const READ_PARTS: (usize, usize) = (1 << 20, 1 << 14);
/// Tasks per thread where that leaves a choice: enough for threads to end together.
const READ_TASKS: usize = 4;

impl ReadProbe<'_> {
    fn read(&self) -> u64 {
        let inputs = &self.staged.problem.inputs;
        let pool = &self.staged.cpu.pool;
        let read = |input: &Tensor| {
            let (most, least) = READ_PARTS;
            let part = (input.bytes().len() / (READ_TASKS * pool.current_num_threads())).clamp(least, most);
            input.bytes().par_chunks(part).map(xor).reduce(|| 0, |a, b| a ^ b)
        };
        pool.install(|| inputs.iter().map(read).fold(0, |a, b| a ^ b))
    }
}

impl Prepared for ReadProbe<'_> {
    fn execute(&mut self, _: Poison) -> Result<()> {
        std::hint::black_box(self.read());
        Ok(())
    }

    fn outputs(&mut self) -> Result<&[Tensor]> {
        Ok(&[])
    }

    fn time(&mut self, iterations: u64, _: Cache) -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..iterations {
            std::hint::black_box(self.read());
        }
        Ok(start.elapsed())
    }

    fn kernel(&self) -> KernelIdentity {
        KernelIdentity::default()
    }
}

/// The exclusive or of all 8-byte words: integer work that is never slower than the memory.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn xor(bytes: &[u8]) -> u64 {
    let mut lanes = [0u64; 64];
    let (blocks, rest) = bytes.as_chunks::<512>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane ^= u64::from_ne_bytes(*word);
        }
    }
    rest.iter().fold(lanes.iter().fold(0, |a, b| a ^ b), |a, b| a ^ u64::from(*b))
}

/// Threads that compete with the twins: each alternates between arithmetic, memory traffic and short
/// sleeps of irregular length, so that the twins' threads are pushed aside at irregular moments.
struct Competition {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Words that a competing thread streams through: more than a second-level cache holds.
const COMPETING_WORDS: usize = 1 << 19;

impl Competition {
    fn start(threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..threads as u64)
            .map(|thread| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || compete(thread, &stop))
            })
            .collect();
        Self { stop, threads }
    }
}

fn compete(thread: u64, stop: &AtomicBool) {
    let mut memory = vec![thread; COMPETING_WORDS];
    let mut state = thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while !stop.load(Ordering::Relaxed) {
        // xorshift64 (Marsaglia 2003): any irregular sequence serves.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let start = state as usize % COMPETING_WORDS;
        let end = COMPETING_WORDS.min(start + (state >> 32) as usize % (COMPETING_WORDS / 4));
        for word in &mut memory[start..end] {
            *word = word.wrapping_mul(state) ^ state;
        }
        std::hint::black_box(&memory);
        std::thread::sleep(Duration::from_micros(state >> 56));
    }
}

impl Load for Competition {
    fn renew(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Competition {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A competing thread has nothing to lose; if one panicked, the load was merely lighter.
            let _ = thread.join();
        }
    }
}
