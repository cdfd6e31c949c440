//! Inputs on a GPU, and binding plans to them: buffers become addresses, entries become kernels.

use std::sync::Arc;

use crate::condition::{CodeSetting, CompileSetting, Condition};
use crate::device::gpu::prepared::{Bound, Owned, PreparedPlan, Start};
use crate::device::gpu::{Gpu, GpuDevice, LaunchShape, Value, within};
use crate::device::nvrtc;
use crate::device::plan::{Argument, Buffer, Launch, Legal, Module, Plan, SUPPORT, Step, Workspace};
use crate::device::{Device, Prepared, Probe, Problem, Staged};
use crate::error::{Error, Result};
use crate::operation::{Algorithm, Form, OutputSpec, Target, Work};
use crate::tensor::Tensor;

/// What workspaces are aligned to at the least.
const WORKSPACE_ALIGN: u64 = 16;
/// Blocks of a probe per multiprocessor.
const PROBE_BLOCKS_PER_SM: u32 = 8;
/// Threads of a probe's blocks.
const PROBE_THREADS: u32 = 256;
/// Bytes that the read probe reads at a time.
const PROBE_WORD: u64 = 16;
/// Independent chains of a thread of the FMA probe, as its source has them.
const FMA_CHAINS: u64 = 16;
/// Fused operations of a chain: enough that starting up does not show, in about a millisecond.
const FMA_ROUNDS: u32 = 4096;

/// A problem's inputs on a GPU.
pub(super) struct StagedOnGpu<'a, G: Gpu> {
    device: &'a GpuDevice<G>,
    problem: Arc<Problem>,
    inputs: Vec<G::Memory>,
}

impl<'a, G: Gpu> StagedOnGpu<'a, G> {
    pub(super) fn new(device: &'a GpuDevice<G>, problem: Arc<Problem>) -> Result<Self> {
        let inputs = problem
            .inputs
            .iter()
            .map(|tensor| {
                let what = format!("{}: input \"{}\"", problem.workload.name, tensor.name);
                let memory = device.allocate(tensor.bytes().len() as u64, &what)?;
                device.gpu.upload(&memory, 0, tensor.bytes()).map_err(within(what))?;
                Ok(memory)
            })
            .collect::<Result<_>>()?;
        Ok(Self { device, problem, inputs })
    }

    fn bind(
        &self,
        label: &str,
        module: &'static Module,
        plan: &Plan,
        outputs: &[OutputSpec],
        condition: Condition,
    ) -> Result<PreparedPlan<'a, G>> {
        let owned = self.allocate(plan, outputs, condition).map_err(within(label))?;
        let moved = self.moved_inputs(condition).map_err(within(label))?;
        let module = match condition {
            Condition::Recompiled { .. } => {
                nvrtc::recompiled(module, &CompileSetting::default()).map_err(within(label))?
            }
            Condition::Code(CodeSetting::Compile(setting)) => {
                nvrtc::recompiled(module, &setting).map_err(within(label))?
            }
            _ => module,
        };
        let loaded = match condition {
            Condition::FreshModule => self.device.fresh_module(module, None),
            Condition::Code(CodeSetting::JitLevel(level)) => self.device.fresh_module(module, Some(level)),
            _ => self.device.module(module),
        };
        let loaded = loaded.map_err(within(label))?;
        let binding = Binding { staged: self, outputs, owned: &owned, moved: &moved, condition };
        let steps = plan
            .steps
            .iter()
            .map(|step| match step {
                Step::Zero(buffer) => binding.writable(*buffer).map(Bound::Zero).map_err(within("zeroing")),
                Step::Launch(launch) => {
                    let kernel = self.device.gpu.kernel(&loaded.module, &launch.entry);
                    kernel.and_then(|kernel| binding.launch(kernel, launch)).map_err(within(&launch.entry))
                }
            })
            .collect::<Result<_>>()
            .map_err(within(label))?;
        let problem = Arc::clone(&self.problem);
        let identity = loaded.identity.clone();
        let prepared =
            PreparedPlan::new(self.device, problem, label.to_owned(), identity, owned, outputs, steps);
        Ok(prepared.under(condition, moved.into_iter().map(|owned| owned.memory).collect()))
    }

    /// Copies of the inputs at another alignment, where that is asked for.
    fn moved_inputs(&self, condition: Condition) -> Result<Vec<Owned<G>>> {
        let Condition::Offset(bytes) = condition else { return Ok(Vec::new()) };
        let moved = |tensor: &Tensor| {
            let offset = u64::from(bytes).next_multiple_of(tensor.dtype().size() as u64);
            let what = format!("input \"{}\" at another address", tensor.name);
            let memory = self.device.allocate(tensor.bytes().len() as u64 + offset, &what)?;
            self.device.gpu.upload(&memory, offset, tensor.bytes()).map_err(within(what))?;
            Ok(Owned { memory, offset, start: Start::Poisoned })
        };
        self.problem.inputs.iter().map(moved).collect()
    }

    /// Outputs, then workspaces.
    fn allocate(&self, plan: &Plan, outputs: &[OutputSpec], condition: Condition) -> Result<Vec<Owned<G>>> {
        let by = match condition {
            Condition::Offset(bytes) => u64::from(bytes),
            _ => 0,
        };
        let outputs = outputs.iter().map(|spec| {
            let bytes = (spec.len * spec.dtype.size()) as u64;
            let start = spec.restored_from.map_or(Start::Poisoned, Start::FromInput);
            (format!("output \"{}\"", spec.name), bytes, start, by.next_multiple_of(spec.dtype.size() as u64))
        });
        let workspaces = plan.workspaces.iter().enumerate();
        let workspaces = workspaces.map(|(index, space)| {
            let start = if space.counters { Start::Zeroed } else { Start::Poisoned };
            // Kernels read and write workspaces in words of 16 bytes.
            (format!("workspace {index}"), space.bytes, start, by.next_multiple_of(WORKSPACE_ALIGN))
        });
        outputs
            .chain(workspaces)
            .map(|(what, bytes, start, offset)| {
                Ok(Owned { memory: self.device.allocate(bytes + offset, what)?, offset, start })
            })
            .collect()
    }
}

/// What a plan's buffers stand for.
struct Binding<'a, G: Gpu> {
    staged: &'a StagedOnGpu<'a, G>,
    outputs: &'a [OutputSpec],
    owned: &'a [Owned<G>],
    /// Inputs in other memory, if that is asked for.
    moved: &'a [Owned<G>],
    condition: Condition,
}

impl<G: Gpu> Binding<'_, G> {
    fn launch(&self, kernel: G::Kernel, launch: &Launch) -> Result<Bound<G>> {
        let arguments =
            launch.arguments.iter().map(|argument| self.value(*argument)).collect::<Result<Vec<_>>>()?;
        let without = |(argument, value): (&Argument, &Value)| match argument {
            Argument::Buffer(Buffer::Output(index)) if self.outputs[*index].accumulator => Value::U64(0),
            _ => *value,
        };
        let timed_arguments = launch.arguments.iter().zip(&arguments).map(without).collect();
        let (grid, block) = launch.shape_under(self.condition);
        let shape = LaunchShape { grid, block, shared_bytes: launch.shared_bytes };
        Ok(Bound::Launch { entry: launch.entry.clone(), kernel, shape, arguments, timed_arguments })
    }

    fn value(&self, argument: Argument) -> Result<Value> {
        let gpu = &self.staged.device.gpu;
        match argument {
            Argument::U64(value) => Ok(Value::U64(value)),
            Argument::U32(value) => Ok(Value::U32(value)),
            Argument::F32(value) => Ok(Value::U32(value.to_bits())),
            Argument::Buffer(Buffer::Input(index)) => {
                if let Some(moved) = self.moved.get(index) {
                    return Ok(Value::U64(gpu.address(&moved.memory) + moved.offset));
                }
                let memory = self.staged.inputs.get(index).ok_or_else(|| self.missing("input", index))?;
                Ok(Value::U64(gpu.address(memory)))
            }
            Argument::Buffer(buffer) => {
                let owned = &self.owned[self.writable(buffer)?];
                Ok(Value::U64(gpu.address(&owned.memory) + owned.offset))
            }
        }
    }

    /// The index in `owned` of a buffer that may be written.
    fn writable(&self, buffer: Buffer) -> Result<usize> {
        let workspaces = self.owned.len() - self.outputs.len();
        match buffer {
            Buffer::Input(index) => Err(Error::device(format!(
                "the plan writes to input {index}, which other algorithms read too"
            ))),
            Buffer::Output(index) if index < self.outputs.len() => Ok(index),
            Buffer::Workspace(index) if index < workspaces => Ok(self.outputs.len() + index),
            Buffer::Output(index) => Err(self.missing("output", index)),
            Buffer::Workspace(index) => Err(self.missing("workspace", index)),
        }
    }

    fn missing(&self, kind: &str, index: usize) -> Error {
        Error::device(format!(
            "the plan refers to {kind} {index}, which does not exist (inputs: {}, outputs: {}, workspaces: {})",
            self.staged.inputs.len(),
            self.outputs.len(),
            self.owned.len() - self.outputs.len()
        ))
    }
}

impl<G: Gpu + 'static> Staged for StagedOnGpu<'_, G> {
    fn prepare_under(
        &self,
        algorithm: &'static Algorithm,
        condition: Condition,
    ) -> Result<Box<dyn Prepared + '_>> {
        let workload = &self.problem.workload;
        let target = Target { sm_count: condition.multiprocessors(self.device.target().sm_count) };
        let plan = (algorithm.plan)(workload, &target);
        let label = format!("{}/{}", workload.operation.name(), algorithm.name);
        let outputs = workload.operation.outputs(Form::Own(algorithm), workload);
        Ok(Box::new(self.bind(&label, algorithm.module, &plan, &outputs, condition)?))
    }

    fn probe(&self, work: Work) -> Result<Probe<'_>> {
        let blocks = self.device.target().sm_count * PROBE_BLOCKS_PER_SM;
        let (label, steps, work) = match work {
            Work::Bytes(_) => ("read probe", self.read_steps(blocks), self.input_bytes()),
            Work::Flops(_) => ("FMA probe", fma_steps(blocks), fma_work(blocks)),
        };
        let sink = Workspace { bytes: 4, counters: false };
        let plan = Plan { workspaces: vec![sink], steps };
        Ok(Probe { prepared: Box::new(self.bind(label, &SUPPORT, &plan, &[], Condition::Usual)?), work })
    }
}

impl<G: Gpu> StagedOnGpu<'_, G> {
    fn input_bytes(&self) -> Work {
        Work::Bytes(self.problem.inputs.iter().map(|tensor| tensor.bytes().len() as u64).sum())
    }

    fn read_steps(&self, blocks: u32) -> Vec<Step> {
        self.problem
            .inputs
            .iter()
            .enumerate()
            .map(|(index, tensor)| {
                let arguments = vec![
                    Argument::Buffer(Buffer::Input(index)),
                    Argument::U64(tensor.bytes().len() as u64 / PROBE_WORD),
                    Argument::Buffer(Buffer::Workspace(0)),
                ];
                probe_launch("support_read", blocks, arguments)
            })
            .collect()
    }
}

fn fma_steps(blocks: u32) -> Vec<Step> {
    let arguments = vec![Argument::U32(FMA_ROUNDS), Argument::Buffer(Buffer::Workspace(0))];
    vec![probe_launch("support_fma", blocks, arguments)]
}

fn fma_work(blocks: u32) -> Work {
    let threads = u64::from(blocks) * u64::from(PROBE_THREADS);
    Work::Flops(2 * FMA_CHAINS * u64::from(FMA_ROUNDS) * threads)
}

fn probe_launch(entry: &str, blocks: u32, arguments: Vec<Argument>) -> Step {
    Step::Launch(Launch {
        entry: entry.to_owned(),
        grid: [blocks, 1, 1],
        block: [PROBE_THREADS, 1, 1],
        shared_bytes: 0,
        arguments,
        legal: Legal::MoreBlocks,
    })
}
