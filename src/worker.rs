//! Workers: new processes of this program that execute algorithms once and hand the outputs back. What a
//! process keeps from its start to its end (addresses, threads, a GPU's context) is new in each of them.

mod message;
pub(crate) mod process;
mod serve;
mod tensors;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::device::{Coming, Problem};
use crate::error::{Error, Result};
use crate::operation::{Algorithm, Form};
use crate::tensor::Tensor;
use message::{Answer, Task};
pub use serve::serve;
use tensors::Reader;

/// The verb that a worker is started with; its folder stands behind it.
pub const VERB: &str = "worker";
/// In the worker's folder: what it is to do.
const ORDER: &str = "order.json";
/// In the worker's folder: inputs that it does not make itself.
const INPUTS: &str = "inputs.safetensors";
/// In the worker's folder: what became of each algorithm.
const ANSWER: &str = "answer.json";
/// In the worker's folder: the outputs, each named by its algorithm's place in the order and its own name.
const OUTPUTS: &str = "outputs.safetensors";

/// How long a worker may take, unless told otherwise: far more than any workload's algorithms do.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Starts new processes of this program.
#[derive(Debug, Clone)]
pub struct Workers {
    /// What is started.
    pub program: PathBuf,
    /// After this time a worker is ended, and counts as hanging.
    pub timeout: Duration,
}

/// What a worker is to do.
#[derive(Debug)]
pub struct Order<'a> {
    /// The device that it opens: `cpu`, `sim`, `cuda:0`.
    pub device: &'a str,
    /// Thread instructions that one execution may take on a simulation.
    pub most_instructions: u64,
    /// On what.
    pub problem: &'a Problem,
    /// How it comes by the inputs.
    pub inputs: Inputs,
    /// What it executes, in this order.
    pub algorithms: &'a [&'static Algorithm],
    /// Which execution that is.
    pub coming: Coming,
}

/// How a worker comes by its inputs. Either way they must be those of the order, bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inputs {
    /// It makes them from the workload's seed; a tensor that was given is read from a file.
    Made,
    /// It reads all of them from a file.
    Read,
}

impl Workers {
    /// Workers of the program that runs now.
    ///
    /// # Errors
    /// If the system does not tell where that lies.
    pub fn of_this_program() -> Result<Self> {
        let program = std::env::current_exe()
            .map_err(|error| Error::device(format!("cannot find this program to start it again: {error}")))?;
        Ok(Self { program, timeout: TIMEOUT })
    }

    /// Starts a worker, waits for its end, and takes its outputs over: for each algorithm its outputs, or
    /// what the device reported. `stop` is asked while it runs; an error ends it.
    ///
    /// # Errors
    /// If the worker could not be started, crashed, hung or handed over what is no answer; with what it
    /// said last. What `stop` says.
    pub fn execute(&self, order: &Order, stop: &dyn Fn() -> Result<()>) -> Result<Vec<Result<Vec<Tensor>>>> {
        // Removed when this returns, however it does.
        let folder = tempfile::Builder::new()
            .prefix("samebits-worker-")
            .tempdir()
            .map_err(Error::file(std::env::temp_dir(), "cannot make a folder for a worker"))?;
        let folder = folder.path();
        let task = Task::new(order);
        let inputs = task.read_from_file(&order.problem.inputs);
        if !inputs.is_empty() {
            tensors::write(folder, INPUTS, &inputs).map_err(Error::Device)?;
        }
        message::write(folder, ORDER, &task).map_err(Error::Device)?;
        let mut command = Command::new(&self.program);
        command.arg(VERB).arg(folder);
        process::run(command, folder, self.timeout, stop)?;
        collect(order, folder).map_err(|problem| Error::device(format!("the worker's {problem}")))
    }
}

/// Takes over what a worker left in its folder; the error is the end of a sentence about its files.
fn collect(order: &Order, folder: &Path) -> std::result::Result<Vec<Result<Vec<Tensor>>>, String> {
    let answer: Answer = message::read(folder, ANSWER)?;
    let (given, wanted) = (answer.algorithms.len(), order.algorithms.len());
    if given != wanted {
        return Err(format!("{ANSWER}: it tells of {given} algorithms in place of {wanted}"));
    }
    let workload = &order.problem.workload;
    let mut outputs = Reader::open(folder, OUTPUTS)?;
    let mut all = Vec::with_capacity(wanted);
    for (index, (outcome, algorithm)) in answer.algorithms.iter().zip(order.algorithms).enumerate() {
        if let Some(error) = &outcome.error {
            all.push(Err(Error::device(process::one_line(error))));
            continue;
        }
        let specs = workload.operation.outputs(Form::Own(algorithm), workload);
        if outcome.checksums.len() != specs.len() {
            let (given, wanted) = (outcome.checksums.len(), specs.len());
            return Err(format!("{ANSWER}: {algorithm:?} has {given} checksums in place of {wanted}"));
        }
        let mut tensors = Vec::with_capacity(specs.len());
        for (spec, checksum) in specs.iter().zip(&outcome.checksums) {
            let mut tensor = spec.tensor();
            outputs.read(&output_name(index, &tensor), &mut tensor, checksum)?;
            tensors.push(tensor);
        }
        all.push(Ok(tensors));
    }
    Ok(all)
}

/// An output's name in the file.
fn output_name(algorithm: usize, output: &Tensor) -> String {
    format!("{algorithm}/{}", output.name)
}
