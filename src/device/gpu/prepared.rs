//! A plan that is bound to a GPU's memory and kernels: executing it, reading its outputs, timing it.

use std::sync::Arc;
use std::time::Duration;

use crate::condition::Condition;
use crate::device::gpu::{BATCH, Gpu, GpuDevice, LaunchShape, Stream, Timer, Value, within};
use crate::device::{Cache, KernelIdentity, Prepared, Problem};
use crate::error::Result;
use crate::operation::OutputSpec;
use crate::poison::Poison;
use crate::tensor::Tensor;

/// How long a delay hides launch gaps for, whatever comes after it.
const DELAY_NS: u64 = 20_000;
/// What each step adds: more than its launch takes the host.
const DELAY_NS_PER_STEP: u64 = 10_000;

/// An output or a workspace.
pub(super) struct Owned<G: Gpu> {
    pub(super) memory: G::Memory,
    /// Where in it the first element lies.
    pub(super) offset: u64,
    /// What it holds when an execution starts.
    pub(super) start: Start,
}

/// What memory holds when an execution starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Poisoned,
    /// Counters.
    Zeroed,
    /// The n-th input: updated in place.
    FromInput(usize),
}

/// A step with all that it needs.
pub(super) enum Bound<G: Gpu> {
    /// Zeroes an entry of [`PreparedPlan::owned`].
    Zero(usize),
    Launch {
        entry: String,
        kernel: G::Kernel,
        shape: LaunchShape,
        arguments: Vec<Value>,
        /// With null in place of accumulator outputs.
        timed_arguments: Vec<Value>,
    },
}

/// What an execution is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Comparing,
    Timing,
}

/// A plan that is ready to be executed.
pub(super) struct PreparedPlan<'a, G: Gpu> {
    device: &'a GpuDevice<G>,
    problem: Arc<Problem>,
    label: String,
    identity: KernelIdentity,
    /// Outputs, in the order of `outputs`; then workspaces.
    owned: Vec<Owned<G>>,
    outputs: Vec<Tensor>,
    steps: Vec<Bound<G>>,
    /// Inputs that lie elsewhere than the problem's usual ones; kept as long as their addresses are used.
    moved: Vec<G::Memory>,
    /// Where launches go to when comparing.
    stream: Stream,
    /// Whether launches are recorded first, when comparing.
    as_graph: bool,
    /// Whether counters are zero and every kernel has been launched once.
    executed: bool,
    /// Whether `outputs` holds what is on the GPU.
    current: bool,
}

impl<'a, G: Gpu> PreparedPlan<'a, G> {
    pub(super) fn new(
        device: &'a GpuDevice<G>,
        problem: Arc<Problem>,
        label: String,
        identity: KernelIdentity,
        owned: Vec<Owned<G>>,
        outputs: &[OutputSpec],
        steps: Vec<Bound<G>>,
    ) -> Self {
        let outputs = outputs.iter().map(OutputSpec::tensor).collect();
        Self {
            device,
            problem,
            label,
            identity,
            owned,
            outputs,
            steps,
            moved: Vec::new(),
            stream: Stream::Measured,
            as_graph: false,
            executed: false,
            current: false,
        }
    }

    /// The same, launched as `condition` says, with inputs in `moved`, if there are any.
    pub(super) fn under(mut self, condition: Condition, moved: Vec<G::Memory>) -> Self {
        self.moved = moved;
        self.as_graph = condition == Condition::Graph;
        if condition == Condition::OtherStream {
            self.stream = Stream::Background;
        }
        self
    }

    fn restore(&self, poison: Poison) -> Result<()> {
        for owned in &self.owned {
            match owned.start {
                Start::Poisoned => self.device.gpu.fill(&owned.memory, poison.word())?,
                Start::Zeroed => self.device.gpu.fill(&owned.memory, 0)?,
                Start::FromInput(index) => {
                    // The tail of the last word, which no element holds.
                    self.device.gpu.fill(&owned.memory, poison.word())?;
                    let input = self.problem.inputs.get(index).map(Tensor::bytes).unwrap_or_default();
                    self.device.gpu.upload(&owned.memory, owned.offset, input)?;
                }
            }
        }
        Ok(())
    }

    fn enqueue(&self, purpose: Purpose) -> Result<()> {
        let gpu = &self.device.gpu;
        for step in &self.steps {
            match step {
                Bound::Zero(index) => {
                    // Fills are in the measured stream: they come after what is in the other one, and before
                    // what will be.
                    self.meet_streams()?;
                    gpu.fill(&self.owned[*index].memory, 0).map_err(within("zeroing"))?;
                    self.meet_streams()?;
                }
                Bound::Launch { entry, kernel, shape, arguments, timed_arguments } => {
                    let (arguments, stream) = match purpose {
                        Purpose::Comparing => (arguments, self.stream),
                        Purpose::Timing => (timed_arguments, Stream::Measured),
                    };
                    gpu.launch(stream, kernel, *shape, arguments).map_err(within(entry))?;
                }
            }
        }
        Ok(())
    }

    /// Waits for both streams, where launches do not go to the measured one.
    fn meet_streams(&self) -> Result<()> {
        if self.stream != Stream::Measured {
            self.device.gpu.synchronize(Stream::Measured)?;
            self.synchronize_launches()?;
        }
        Ok(())
    }

    fn enqueue_comparison(&self) -> Result<()> {
        let gpu = &self.device.gpu;
        if !self.as_graph {
            self.meet_streams()?;
            return self.enqueue(Purpose::Comparing);
        }
        gpu.begin_graph().map_err(within("recording a graph"))?;
        let enqueued = self.enqueue(Purpose::Comparing);
        let graph = gpu.end_graph().map_err(within("ending a graph"));
        enqueued?;
        gpu.launch_graph(&graph?).map_err(within("launching a graph"))
    }

    /// Waits for the measured stream, and for that of the launches.
    fn synchronize(&self) -> Result<()> {
        if self.stream != Stream::Measured {
            self.device.gpu.synchronize(Stream::Measured)?;
        }
        self.synchronize_launches()
    }

    /// Waits. A kernel's failure shows only here, so all of the plan's entries are named.
    fn synchronize_launches(&self) -> Result<()> {
        let entries: Vec<&str> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Bound::Zero(_) => None,
                Bound::Launch { entry, .. } => Some(entry.as_str()),
            })
            .collect();
        self.device.gpu.synchronize(self.stream).map_err(within(entries.join(", ")))
    }

    /// Enqueues up to [`BATCH`] iterations, then waits and adds up their times.
    fn batch(&self, timer: &Timer<G>, iterations: u64, cache: Cache) -> Result<Duration> {
        let gpu = &self.device.gpu;
        let events = &timer.events[..iterations as usize];
        for (start, end) in events {
            // Either keeps the GPU busy while the rest of the iteration is being enqueued, so that
            // no gap between launches falls between the events.
            match cache {
                Cache::Cold => gpu.fill(&timer.scratch, 0)?,
                Cache::Hot => {
                    let nanoseconds = DELAY_NS + DELAY_NS_PER_STEP * self.steps.len() as u64;
                    self.device.delay(timer, nanoseconds)?;
                }
            }
            gpu.record(Stream::Measured, start)?;
            self.enqueue(Purpose::Timing)?;
            gpu.record(Stream::Measured, end)?;
        }
        self.synchronize()?;
        events.iter().map(|(start, end)| gpu.elapsed(start, end)).sum()
    }
}

impl<G: Gpu> Prepared for PreparedPlan<'_, G> {
    fn execute(&mut self, poison: Poison) -> Result<()> {
        self.current = false;
        if self.as_graph && !self.executed {
            // A kernel that was never launched may not be loaded yet, and could not be recorded.
            self.restore(poison)
                .and_then(|()| self.enqueue(Purpose::Comparing))
                .and_then(|()| self.synchronize())
                .map_err(within(&self.label))?;
        }
        self.restore(poison)
            .and_then(|()| self.enqueue_comparison())
            .and_then(|()| self.synchronize())
            .map_err(within(&self.label))?;
        self.executed = true;
        Ok(())
    }

    fn outputs(&mut self) -> Result<&[Tensor]> {
        if !self.current {
            for (tensor, owned) in self.outputs.iter_mut().zip(&self.owned) {
                let what = format!("{}: output \"{}\"", self.label, tensor.name);
                self.device
                    .gpu
                    .download(&owned.memory, owned.offset, tensor.bytes_mut())
                    .map_err(within(what))?;
            }
            self.current = true;
        }
        Ok(&self.outputs)
    }

    /// The sum of the iterations' own times, the flush or delay before each left out. Steps that
    /// zero are part of the algorithm, so of its time. Nothing is poisoned in between, and counters
    /// restore themselves: an algorithm leaves them at zero.
    fn time(&mut self, iterations: u64, cache: Cache) -> Result<Duration> {
        if !self.executed {
            // Loads the kernels, which may happen as late as at their first launch, and zeroes the
            // counters.
            self.execute(Poison::of_execution(0))?;
        }
        self.current = false;
        let timer = self.device.timer().map_err(within(&self.label))?;
        let mut total = Duration::ZERO;
        let mut left = iterations;
        while left > 0 {
            let batch = left.min(BATCH);
            total += self.batch(timer, batch, cache).map_err(within(&self.label))?;
            left -= batch;
        }
        Ok(total)
    }

    fn kernel(&self) -> KernelIdentity {
        self.identity.clone()
    }
}
