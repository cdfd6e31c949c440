//! Launch plans of the steps: one launch each, whose arguments follow from the step's table.

use crate::device::plan::{Argument, Buffer, Launch, Legal, Plan, Step};
use crate::train::elementwise::{Elementwise, extents};
use crate::workload::Workload;

/// Threads of a block.
const BLOCK: u64 = 256;

/// Plan of `step`: inputs, outputs, extents, what is set. Nothing to do, no launch.
pub fn of(step: &Elementwise, workload: &Workload) -> Plan {
    let blocks = step.threads.of(extents(&workload.shape)).div_ceil(BLOCK).min(i32::MAX as u64);
    if blocks == 0 {
        return Plan::default();
    }
    let inputs = (0..step.inputs.len()).map(Buffer::Input);
    let buffers = inputs.chain((0..step.outputs.len()).map(Buffer::Output)).map(Argument::Buffer);
    let launch = Launch {
        entry: format!("elementwise_{}", step.name),
        grid: [blocks as u32, 1, 1],
        block: [BLOCK as u32, 1, 1],
        shared_bytes: 0,
        arguments: buffers.chain(step.scalars(workload)).collect(),
        legal: Legal::Any { most_threads: 1024 },
    };
    Plan { workspaces: Vec::new(), steps: vec![Step::Launch(launch)] }
}
