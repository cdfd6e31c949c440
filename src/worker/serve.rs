//! The worker's own side: reads its order, executes, leaves its answer.

use std::path::Path;
use std::sync::Arc;

use crate::device::Problem;
use crate::device::select::select;
use crate::error::{Error, Result};
use crate::suite::observe::execute;
use crate::tensor::Tensor;
use crate::worker::message::{self, Answer, Outcome, Task};
use crate::worker::tensors::{self, checksum};
use crate::worker::{ANSWER, ORDER, OUTPUTS, output_name};

/// Does what the order in `folder` says. What a device reports of an algorithm is part of the answer, and
/// the others are executed all the same.
///
/// # Errors
/// If there is no order, it cannot be carried out at all, or the answer cannot be written.
pub fn serve(folder: &Path) -> Result<()> {
    let task: Task = message::read(folder, ORDER).map_err(|problem| {
        Error::input(format!("{}: no order of a run for a worker: {problem}", folder.display()))
    })?;
    task.check_program()?;
    let workload = task.workload()?;
    let algorithms = task.algorithms(&workload)?;
    // Whoever gave the order uses the same GPU.
    let selected = select(&task.device, true, task.most_instructions)?;
    let [device] = &selected.devices[..] else {
        return Err(Error::input(format!("\"{}\" names several devices; a worker uses one", task.device)));
    };
    let inputs = task.inputs(&workload, folder)?;
    if let Some(simulation) = device.simulation() {
        simulation.set_schedule(task.seed);
    }
    let staged = device.stage(Arc::new(Problem { workload, inputs }))?;
    let outcomes: Vec<Result<Vec<Tensor>>> = algorithms
        .into_iter()
        .map(|algorithm| {
            let mut prepared = staged.prepare(algorithm)?;
            Ok(execute(&mut *prepared, task.execution)?.to_vec())
        })
        .collect();
    hand_over(folder, &outcomes).map_err(Error::Input)
}

fn hand_over(folder: &Path, outcomes: &[Result<Vec<Tensor>>]) -> std::result::Result<(), String> {
    let mut named = Vec::new();
    let mut algorithms = Vec::with_capacity(outcomes.len());
    for (index, outcome) in outcomes.iter().enumerate() {
        let outputs = outcome.as_deref().unwrap_or_default();
        named.extend(outputs.iter().map(|output| (output_name(index, output), output)));
        algorithms.push(Outcome {
            error: outcome.as_ref().err().map(Error::to_string),
            checksums: outputs.iter().map(checksum).collect(),
        });
    }
    tensors::write(folder, OUTPUTS, &named)?;
    message::write(folder, ANSWER, &Answer { algorithms })
}
