//! Carries out launch plans on any GPU: what a GPU must be able to do is the trait [`Gpu`], and
//! [`GpuDevice`] makes a [`Device`] of it, so that poisoning, argument packing and timing are tested
//! without one.

#[cfg(test)]
pub(crate) mod fixture;
mod load;
#[cfg(test)]
mod mock;
mod prepared;
mod staged;
#[cfg(test)]
mod tests;

use std::cell::{OnceCell, RefCell};
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::condition::{CodeSetting, CompileSetting, Condition};
use crate::device::nvrtc;
use crate::device::plan::{MODULES, Module, SUPPORT};
use crate::device::{
    Device, DeviceFacts, FaultCounts, KernelIdentity, Limits, Load, Problem, Staged, Strength,
};
use crate::error::{Error, Result};
use crate::operation::{Algorithm, Target};
use crate::perturbation::Perturbation;
use crate::workload::{Profile, Workload};

/// Where work is enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Executions, and all copies and fills.
    Measured,
    /// Work that competes with them.
    Background,
}

/// The shape of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchShape {
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared_bytes: u32,
}

impl LaunchShape {
    /// `blocks` blocks of `threads` threads, in one dimension.
    fn line(blocks: u32, threads: u32) -> Self {
        Self { grid: [blocks, 1, 1], block: [threads, 1, 1], shared_bytes: 0 }
    }
}

/// A kernel's argument with its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A device pointer or an `unsigned long long`.
    U64(u64),
    /// An `unsigned int`.
    U32(u32),
}

/// What does not change while a GPU is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    /// The product name.
    pub name: String,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Second-level cache in bytes.
    pub l2_bytes: u64,
    /// Compute capability: major, minor.
    pub compute_capability: (u32, u32),
}

/// Compiled kernels on a GPU.
#[derive(Debug)]
pub struct Loaded<M> {
    /// The GPU's own handle.
    pub module: M,
    /// Hashes of the PTX and of the machine code.
    pub identity: KernelIdentity,
}

/// What a GPU must be able to do. Errors say what was being done; callers add for whom.
pub trait Gpu {
    /// Device memory; freed when dropped, after the work that was enqueued before.
    type Memory;
    /// Compiled kernels; unloaded when it and its kernels are dropped.
    type Module;
    /// An entry of a module, which it keeps loaded.
    type Kernel;
    /// A point in a stream.
    type Event;
    /// Recorded launches.
    type Graph;

    /// Whether there are streams, graphs, modules and contexts to be told apart.
    const IS_HARDWARE: bool;

    /// Its name in files and flags: `cuda:0`.
    fn name(&self) -> String;

    /// What does not change.
    fn properties(&self) -> &Properties;

    /// Facts for `environment.json`.
    fn facts(&self) -> DeviceFacts;

    /// Whether the clock is throttled now; `None` if the GPU does not tell.
    fn throttled(&self) -> Option<bool>;

    /// The multiprocessors' clock in MHz now, if the GPU tells.
    fn clock_mhz(&self) -> Option<u32>;

    /// What `CUDA_VISIBLE_DEVICES` calls it; a simulated one has no such name.
    fn visible_as(&self) -> Option<String> {
        None
    }

    /// Faults of the hardware that were counted so far.
    fn fault_counts(&self) -> FaultCounts {
        FaultCounts::default()
    }

    /// Bytes of free memory.
    ///
    /// # Errors
    /// If the GPU does not answer.
    fn free_bytes(&self) -> Result<u64>;

    /// Memory of `bytes` bytes, at least 1 and a multiple of 4, holding anything.
    ///
    /// # Errors
    /// If there is not enough.
    fn allocate(&self, bytes: u64) -> Result<Self::Memory>;

    /// The device address.
    fn address(&self, memory: &Self::Memory) -> u64;

    /// Copies `bytes` into `memory`, from byte `offset` on, and waits for it.
    ///
    /// # Errors
    /// If the GPU fails, now or in work that was enqueued before.
    fn upload(&self, memory: &Self::Memory, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Copies `memory`, from byte `offset` on, into `bytes`, and waits for it.
    ///
    /// # Errors
    /// If the GPU fails, now or in work that was enqueued before.
    fn download(&self, memory: &Self::Memory, offset: u64, bytes: &mut [u8]) -> Result<()>;

    /// Enqueues filling all of `memory` with a 32-bit word, in the measured stream.
    ///
    /// # Errors
    /// If the GPU refuses.
    fn fill(&self, memory: &Self::Memory, word: u32) -> Result<()>;

    /// Compiles and loads a module, optimised to `level`, or as usual.
    ///
    /// # Errors
    /// If the GPU or its driver cannot use it.
    fn load_module(&self, module: &Module, level: Option<u32>) -> Result<Loaded<Self::Module>>;

    /// Levels of optimisation at which it makes machine code, if it makes any.
    fn jit_levels(&self) -> &'static [u32] {
        &[]
    }

    /// Looks up an entry of a module.
    ///
    /// # Errors
    /// If there is none of that name.
    fn kernel(&self, module: &Self::Module, entry: &str) -> Result<Self::Kernel>;

    /// Enqueues a launch. The caller vouches that pointers among `arguments` are addresses of memory
    /// that outlives it, and that they are what the kernel takes.
    ///
    /// # Errors
    /// If the GPU refuses the shape, or failed in work that was enqueued before.
    fn launch(
        &self,
        stream: Stream,
        kernel: &Self::Kernel,
        shape: LaunchShape,
        arguments: &[Value],
    ) -> Result<()>;

    /// What is enqueued into the measured stream from now on is recorded in place of being done.
    ///
    /// # Errors
    /// If the GPU refuses, or has no graphs.
    fn begin_graph(&self) -> Result<()> {
        Err(Error::device(format!("{} has no graphs", self.name())))
    }

    /// Ends recording.
    ///
    /// # Errors
    /// If the GPU refuses what was recorded.
    fn end_graph(&self) -> Result<Self::Graph>;

    /// Enqueues what was recorded, in the measured stream.
    ///
    /// # Errors
    /// If the GPU refuses.
    fn launch_graph(&self, graph: &Self::Graph) -> Result<()>;

    /// The same GPU, opened again with a context of its own.
    ///
    /// # Errors
    /// If the GPU refuses, or has no contexts.
    fn reopen(&self) -> Result<Self>
    where
        Self: Sized,
    {
        Err(Error::device(format!("{} has no contexts", self.name())))
    }

    /// An event that keeps the time.
    ///
    /// # Errors
    /// If the GPU refuses.
    fn event(&self) -> Result<Self::Event>;

    /// Enqueues `event`.
    ///
    /// # Errors
    /// If the GPU refuses.
    fn record(&self, stream: Stream, event: &Self::Event) -> Result<()>;

    /// Waits until `event` is reached.
    ///
    /// # Errors
    /// If the GPU failed in work that was enqueued before.
    fn wait(&self, event: &Self::Event) -> Result<()>;

    /// The time between two events that were reached.
    ///
    /// # Errors
    /// If either was not recorded.
    fn elapsed(&self, start: &Self::Event, end: &Self::Event) -> Result<Duration>;

    /// Waits for everything in a stream.
    ///
    /// # Errors
    /// If the GPU failed in it.
    fn synchronize(&self, stream: Stream) -> Result<()>;
}

/// A device that carries out plans on a GPU.
pub struct GpuDevice<G: Gpu> {
    // Declared before the GPU, so dropped before it.
    timer: OnceCell<Timer<G>>,
    modules: RefCell<LoadedModules<G::Module>>,
    gpu: G,
}

type LoadedModules<M> = Vec<(&'static Module, Rc<Loaded<M>>)>;

/// What timing needs, made once per device.
struct Timer<G: Gpu> {
    /// What is filled to flush the second-level cache.
    scratch: G::Memory,
    delay: G::Kernel,
    /// A start and an end per iteration of a batch.
    events: Vec<(G::Event, G::Event)>,
}

/// Threads that a multiprocessor executes together: the smallest block that wastes none.
const WARP: u32 = 32;
/// Iterations that are enqueued before waiting for them.
const BATCH: u64 = 64;
/// The cache is taken to be at least this large, so that filling the scratch memory takes long
/// enough to hide launch gaps.
const LEAST_CACHE: u64 = 8 << 20;

impl<G: Gpu> GpuDevice<G> {
    /// A device over `gpu`.
    pub fn new(gpu: G) -> Self {
        Self { timer: OnceCell::new(), modules: RefCell::default(), gpu }
    }

    /// What it is a device over.
    pub fn gpu(&self) -> &G {
        &self.gpu
    }

    /// The kernels of `module`, loaded now.
    fn fresh_module(&self, module: &'static Module, level: Option<u32>) -> Result<Rc<Loaded<G::Module>>> {
        Ok(Rc::new(self.gpu.load_module(module, level)?))
    }

    /// The kernels of `module`, loaded at the first call.
    fn module(&self, module: &'static Module) -> Result<Rc<Loaded<G::Module>>> {
        let known = self.modules.borrow().iter().find(|(key, _)| std::ptr::eq(*key, module)).cloned();
        if let Some((_, loaded)) = known {
            return Ok(loaded);
        }
        let loaded = self.fresh_module(module, None)?;
        self.modules.borrow_mut().push((module, Rc::clone(&loaded)));
        Ok(loaded)
    }

    /// An entry of this program's helper kernels.
    fn support(&self, entry: &str) -> Result<G::Kernel> {
        let loaded = self.module(&SUPPORT)?;
        self.gpu.kernel(&loaded.module, entry).map_err(within(entry))
    }

    /// Memory for `bytes` bytes: whole words, since it is filled by words; and never none, since a
    /// kernel is handed the address even of an empty buffer.
    fn allocate(&self, bytes: u64, what: impl Display) -> Result<G::Memory> {
        let least = 16;
        let words = bytes.div_ceil(4).max(least / 4);
        self.gpu.allocate(words * 4).map_err(within(format!("{what} ({bytes} bytes)")))
    }

    /// Twice the second-level cache: filling it leaves nothing else there.
    fn scratch_bytes(&self) -> u64 {
        2 * self.gpu.properties().l2_bytes.max(LEAST_CACHE)
    }

    fn timer(&self) -> Result<&Timer<G>> {
        if let Some(timer) = self.timer.get() {
            return Ok(timer);
        }
        let scratch = self.allocate(self.scratch_bytes(), "memory that flushes the cache")?;
        let delay = self.support("support_delay")?;
        let events =
            (0..BATCH).map(|_| Ok((self.gpu.event()?, self.gpu.event()?))).collect::<Result<Vec<_>>>()?;
        let timer = Timer { scratch, delay, events };
        // Kernels may be loaded lazily, at their first launch: never in front of a measured one.
        self.delay(&timer, 0)?;
        self.gpu.synchronize(Stream::Measured)?;
        Ok(self.timer.get_or_init(|| timer))
    }

    /// Enqueues a kernel that does nothing for `nanoseconds`.
    fn delay(&self, timer: &Timer<G>, nanoseconds: u64) -> Result<()> {
        let arguments = [Value::U64(nanoseconds)];
        self.gpu
            .launch(Stream::Measured, &timer.delay, LaunchShape::line(1, WARP), &arguments)
            .map_err(within("support_delay"))
    }
}

impl<G: Gpu + 'static> Device for GpuDevice<G> {
    fn name(&self) -> String {
        self.gpu.name()
    }

    fn kind(&self) -> String {
        self.gpu.properties().name.clone()
    }

    fn target(&self) -> Target {
        Target { sm_count: self.gpu.properties().sm_count }
    }

    fn limits(&self, profile: Profile) -> Limits {
        match profile {
            Profile::Quick => Limits { contended_elements: 1 << 22, flops: 1 << 40 },
            Profile::Full => Limits { contended_elements: 1 << 24, flops: 1 << 42 },
        }
    }

    /// Less what timing and load take for themselves, which may not be allocated yet.
    fn free_bytes(&self) -> Result<u64> {
        let most = Strength::OTHERS.into_iter().map(|strength| load::bytes(self, strength)).max();
        let own = self.scratch_bytes() + most.unwrap_or(0);
        Ok(self.gpu.free_bytes()?.saturating_sub(own))
    }

    fn stage(&self, problem: Arc<Problem>) -> Result<Box<dyn Staged + '_>> {
        Ok(Box::new(staged::StagedOnGpu::new(self, problem)?))
    }

    fn load(&self, strength: Strength) -> Result<Box<dyn Load + '_>> {
        Ok(Box::new(load::Traffic::new(self, strength)?))
    }

    fn facts(&self) -> DeviceFacts {
        self.gpu.facts()
    }

    fn throttled(&self) -> Option<bool> {
        self.gpu.throttled()
    }

    fn clock_mhz(&self) -> Option<u32> {
        self.gpu.clock_mhz()
    }

    fn visible_as(&self) -> Option<String> {
        self.gpu.visible_as()
    }

    fn fault_counts(&self) -> FaultCounts {
        self.gpu.fault_counts()
    }

    fn flushes_caches(&self) -> bool {
        true
    }

    fn perturbations(&self) -> &'static [Perturbation] {
        &Perturbation::ON_GPU
    }

    fn conditions(&self, perturbation: Perturbation, workload: &Workload) -> Vec<Condition> {
        let hardware = [Condition::OtherStream, Condition::Graph].into_iter().filter(|_| G::IS_HARDWARE);
        match perturbation {
            Perturbation::Launch => {
                let other_gpus = Condition::other_gpus(self.gpu.properties().sm_count);
                other_gpus.chain(Condition::shapes()).chain(hardware).collect()
            }
            Perturbation::ReloadAllocation => Condition::offsets(workload.dtype.size() as u32).collect(),
            Perturbation::ReloadModule => vec![Condition::FreshModule],
            Perturbation::ReloadRecompile => nvrtc::version()
                .map(|nvrtc| Condition::Recompiled { nvrtc, same: is_that_of_the_carried(nvrtc) })
                .into_iter()
                .collect(),
            _ => vec![Condition::Usual],
        }
    }

    fn code_settings(&self, perturbation: Perturbation, _: &Workload, _: &Algorithm) -> Vec<CodeSetting> {
        if perturbation != Perturbation::ReloadRecompile {
            return Vec::new();
        }
        let compiles = self.reason_to_skip(perturbation).is_none();
        let compiled = CompileSetting::all().into_iter().filter(|_| compiles).map(CodeSetting::Compile);
        compiled.chain(self.gpu.jit_levels().iter().map(|level| CodeSetting::JitLevel(*level))).collect()
    }

    fn reason_to_skip(&self, perturbation: Perturbation) -> Option<String> {
        if perturbation != Perturbation::ReloadRecompile {
            return None;
        }
        match nvrtc::version() {
            Ok(version) => self.gpu.facts().cuda.and_then(|cuda| newer_than_driver(version, &cuda)),
            Err(error) => Some(error.to_string()),
        }
    }

    fn reopened(&self) -> Result<Box<dyn Device>> {
        Ok(Box::new(Self::new(self.gpu.reopen()?)))
    }
}

/// Whether the kernels that the program carries were compiled by NVRTC of that version, major and minor.
fn is_that_of_the_carried((major, minor): (i32, i32)) -> bool {
    let its = format!("{major}.{minor}.");
    MODULES.iter().all(|module| module.nvrtc().is_some_and(|version| version.starts_with(&its)))
}

/// Why PTX of an NVRTC of that version does not load, if it is newer than what a driver takes: `cuda`, such as
/// `12.4`.
fn newer_than_driver((major, minor): (i32, i32), cuda: &str) -> Option<String> {
    let (newest, of_it) = cuda.split_once('.')?;
    let newest: (i32, i32) = (newest.parse().ok()?, of_it.parse().ok()?);
    ((major, minor) > newest).then(|| {
        format!(
            "NVRTC {major}.{minor} is newer than the driver, which takes PTX up to CUDA {cuda}: name an older one \
             with {}",
            nvrtc::LIBRARY_VARIABLE
        )
    })
}

/// Puts what a GPU was asked for in front of its error; for `map_err`.
fn within(what: impl Display) -> impl FnOnce(Error) -> Error {
    move |error| match error {
        Error::Device(message) => Error::device(format!("{what}: {message}")),
        other => other,
    }
}
