//! About how many instructions a plan takes: a few blocks of each launch are executed on memory that reads
//! as zero and costs nothing until it is touched, so that even the largest workload is estimated at once.

use crate::device::plan::{Argument, Buffer, Launch, Plan, Step};
use crate::device::sim::gpu::read;
use crate::operation::{Algorithm, Target};
use crate::simt::{self, FaultKind, Memory, Options};
use crate::workload::Workload;

/// Addresses of a plan's buffers.
struct Buffers {
    inputs: Vec<u64>,
    outputs: Vec<u64>,
    workspaces: Vec<u64>,
}

/// Thread instructions of one execution. Where a single block takes more than `most`, it is given up and
/// counts as just above that.
pub fn instructions(algorithm: &Algorithm, workload: &Workload, target: &Target, most: u64) -> u64 {
    let operation = workload.operation;
    let plan: Plan = (algorithm.plan)(workload, target);
    let mut memory = Memory::new();
    let mut reserve = |bytes: u64| memory.reserve_zeroed(bytes.max(16));
    let inputs = operation.inputs(workload);
    let outputs = operation.outputs(algorithm, workload);
    let buffers = Buffers {
        inputs: inputs.iter().map(|spec| reserve((spec.len * spec.dtype.size()) as u64)).collect(),
        outputs: outputs.iter().map(|spec| reserve((spec.len * spec.dtype.size()) as u64)).collect(),
        workspaces: plan.workspaces.iter().map(|space| reserve(space.bytes)).collect(),
    };
    let Ok(loaded) = read(algorithm.module).and_then(|module| {
        module.load(&mut memory).map_err(|fault| crate::error::Error::device(fault.to_string()))
    }) else {
        // What does not load is said when it is executed.
        return 0;
    };
    let launches = plan.steps.iter().filter_map(|step| match step {
        Step::Launch(launch) => Some(launch),
        Step::Zero(_) => None,
    });
    let of_launch = |launch: &Launch| of_launch(launch, &buffers, &loaded, &mut memory, most);
    launches.map(of_launch).fold(0, u64::saturating_add)
}

fn of_launch(
    launch: &Launch,
    buffers: &Buffers,
    loaded: &simt::Loaded,
    memory: &mut Memory,
    most: u64,
) -> u64 {
    let address = |buffer: Buffer| match buffer {
        Buffer::Input(index) => buffers.inputs.get(index),
        Buffer::Output(index) => buffers.outputs.get(index),
        Buffer::Workspace(index) => buffers.workspaces.get(index),
    };
    let arguments: Vec<_> = launch
        .arguments
        .iter()
        .map(|argument| match *argument {
            Argument::Buffer(buffer) => simt::Argument::U64(address(buffer).copied().unwrap_or(0)),
            Argument::U64(value) => simt::Argument::U64(value),
            Argument::U32(value) => simt::Argument::U32(value),
            Argument::F32(value) => simt::Argument::F32(value),
        })
        .collect();
    let count: u64 = launch.grid.iter().map(|extent| u64::from(*extent)).product();
    let mut samples = vec![0, count / 2, count.saturating_sub(1)];
    samples.dedup();
    let sampled = samples.len() as u64;
    let simulated = simt::Launch {
        entry: &launch.entry,
        grid: launch.grid,
        block: launch.block,
        shared_bytes: launch.shared_bytes,
        arguments: &arguments,
    };
    let options = Options { fuel: most, blocks: Some(samples), ..Options::default() };
    match loaded.launch(&simulated, memory, &options) {
        Ok(executed) => (executed.thread_instructions / sampled).saturating_mul(count),
        Err(fault) if fault.kind == FaultKind::Fuel => most.saturating_add(1),
        Err(_) => 0,
    }
}
