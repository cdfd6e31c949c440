//! About how many instructions a plan takes: a few blocks of each launch are executed on memory that reads
//! as zero and costs nothing until it is touched, so that even the largest workload is estimated at once.

use crate::device::plan::{Argument, Buffer, Launch, Plan, Step};
use crate::device::sim::gpu::read;
use crate::operation::{Algorithm, Form, Target};
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
    let outputs = operation.outputs(Form::Own(algorithm), workload);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use crate::device::sim::{DEFAULT_MOST_INSTRUCTIONS, Sim};
    use crate::device::{Device, Simulation};
    use crate::operation::{Form, OPERATIONS};
    use crate::suite::case::Case;
    use crate::suite::observe;
    use crate::workload::{Profile, built_in};

    #[test]
    fn profile_quick_executes_every_algorithm_with_every_type() {
        let sim = Sim::new(DEFAULT_MOST_INSTRUCTIONS);
        let mut left: BTreeSet<_> = OPERATIONS
            .iter()
            .flat_map(|operation| operation.algorithms().iter().map(move |way| (operation.name(), way)))
            .flat_map(|(operation, way)| {
                way.dtypes.iter().map(move |dtype| (operation, way.name, way.setting, dtype.name()))
            })
            .collect();
        assert!(left.len() > 20);
        let mut workloads = built_in().unwrap();
        workloads.retain(|workload| workload.profiles.contains(&Profile::Quick));
        workloads.sort_by_key(|workload| workload.shape.elements());
        for workload in &workloads {
            for way in workload.operation.algorithms() {
                let key = (workload.operation.name(), way.name, way.setting, workload.dtype.name());
                let is_skipped = workload.operation.reason_to_skip(Form::Own(way), workload).is_some();
                if left.contains(&key)
                    && !is_skipped
                    && sim.estimate(way, workload) <= sim.most_instructions()
                {
                    left.remove(&key);
                }
            }
        }
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn estimates_are_near_what_executions_take() {
        let sim = Sim::new(DEFAULT_MOST_INSTRUCTIONS);
        let names = ["rows-8x32003-f32-wide", "edge-127x129x65-f16-wide", "bn-1x1x128-f32-wide"];
        for workload in built_in().unwrap().iter().filter(|workload| names.contains(&workload.name.as_str()))
        {
            let staged = sim.stage(Arc::clone(&Case::new(workload).problem)).unwrap();
            for way in workload.operation.algorithms() {
                let mut prepared = staged.prepare(way).unwrap();
                sim.take_instructions();
                observe::execute(&mut *prepared, 0).unwrap();
                let taken = sim.take_instructions();
                let estimate = sim.estimate(way, workload);
                // The last block of a row may have less to do than the others, or more.
                assert!(taken / 2 <= estimate && estimate <= taken * 2, "{way:?}: {estimate} of {taken}");
            }
        }
    }

    #[test]
    fn a_block_that_takes_more_than_the_limit_is_given_up() {
        let workloads = built_in().unwrap();
        let largest = workloads.iter().find(|workload| workload.name == "square-8192-f32-normal").unwrap();
        let tiled = largest.operation.algorithms().iter().find(|way| way.name == "tiled").unwrap();
        assert_eq!(Sim::new(1000).estimate(tiled, largest), 1001);
    }
}
