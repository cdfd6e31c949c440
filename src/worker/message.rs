//! What goes over between this process and a worker beside tensors: JSON, of programs of the same build.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::device::Problem;
use crate::error::{Error, Result};
use crate::input::{Distribution, generate};
use crate::operation::{self, Algorithm};
use crate::tensor::Tensor;
use crate::worker::tensors::{Reader, checksum};
use crate::worker::{INPUTS, Inputs, Order};
use crate::workload::{Setting, Workload};

/// An order, as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Who wrote it. A program that was replaced while it ran would start another one, whose bits say
    /// nothing about its own.
    program: String,
    pub device: String,
    pub most_instructions: u64,
    workload: Described,
    /// In the operation's order.
    inputs: Vec<Input>,
    algorithms: Vec<Named>,
    /// The number that the poison is that of.
    pub execution: u64,
    /// The seed of its schedule.
    pub seed: u64,
}

/// A workload without what it is for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    operation: String,
    shape: String,
    setting: String,
    dtype: String,
    input: Distribution,
    seed: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    checksum: String,
    /// Whether it lies in the file.
    read: bool,
}

/// An algorithm: the name alone may be that of several.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    setting: String,
}

/// What a worker answers: an entry per algorithm.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub algorithms: Vec<Outcome>,
}

/// What became of an algorithm.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// What the device reported, if it did.
    pub error: Option<String>,
    /// Otherwise those of its outputs.
    pub checksums: Vec<String>,
}

impl Task {
    /// As `order` says.
    pub fn new(order: &Order) -> Self {
        let Problem { workload, inputs } = order.problem;
        let given = workload.given.as_ref().map(|given| given.input);
        let input = |(index, tensor)| Input {
            checksum: checksum(tensor),
            read: order.inputs == Inputs::Read || given == Some(index),
        };
        let named = |algorithm: &&Algorithm| Named {
            name: algorithm.name.to_owned(),
            setting: algorithm.setting.to_owned(),
        };
        Self {
            program: program(),
            device: order.device.to_owned(),
            most_instructions: order.most_instructions,
            workload: Described {
                name: workload.name.clone(),
                operation: workload.operation.name().to_owned(),
                shape: workload.shape.to_string(),
                setting: workload.setting.to_string(),
                dtype: workload.dtype.to_string(),
                input: workload.input,
                seed: workload.seed,
            },
            inputs: inputs.iter().enumerate().map(input).collect(),
            algorithms: order.algorithms.iter().map(named).collect(),
            execution: order.coming.poison.number(),
            seed: order.coming.seed,
        }
    }

    /// Those of `inputs` that go over in the file, by their names there.
    pub fn read_from_file<'a>(&self, inputs: &'a [Tensor]) -> Vec<(String, &'a Tensor)> {
        let read = inputs.iter().zip(&self.inputs).filter(|(_, input)| input.read);
        read.map(|(tensor, _)| (tensor.name.to_owned(), tensor)).collect()
    }

    /// Refuses what another program wrote.
    pub fn check_program(&self) -> Result<()> {
        let own = program();
        if self.program == own {
            return Ok(());
        }
        Err(Error::input(format!("the order is that of {}, and this is {own}: start over", self.program)))
    }

    /// What is to be computed.
    pub fn workload(&self) -> Result<Workload> {
        let Described { name, operation, shape, setting, dtype, input, seed } = &self.workload;
        let operation = operation::find(operation)?;
        let setting = Setting::parse(setting)?;
        operation.check_setting(&setting)?;
        let shape = operation.shape(shape)?;
        let new = Workload::new(name, operation, shape, dtype.parse()?, *input);
        Ok(Workload { setting, seed: *seed, ..new })
    }

    /// The inputs of `workload`: read or made, and those of the order.
    pub fn inputs(&self, workload: &Workload, folder: &Path) -> Result<Vec<Tensor>> {
        let specs = workload.operation.inputs(workload);
        let (given, wanted) = (self.inputs.len(), specs.len());
        if given != wanted {
            return Err(Error::input(format!("the order has {given} inputs in place of {wanted}")));
        }
        let mut inputs = if self.inputs.iter().all(|input| input.read) {
            specs.iter().map(|spec| Tensor::zeros(spec.name, spec.dtype, spec.len)).collect()
        } else {
            generate(&specs, workload.input, workload.seed)
        };
        let mut file = None;
        for (tensor, Input { checksum: wanted, read }) in inputs.iter_mut().zip(&self.inputs) {
            if *read {
                let reader = match &mut file {
                    Some(reader) => reader,
                    none => none.insert(Reader::open(folder, INPUTS).map_err(Error::Input)?),
                };
                reader.read(tensor.name, tensor, wanted).map_err(Error::Input)?;
                continue;
            }
            let made = checksum(tensor);
            if made != *wanted {
                return Err(Error::input(format!(
                    "the input {} was made with the checksum {made}, and that of the order is {wanted}",
                    tensor.name
                )));
            }
        }
        Ok(inputs)
    }

    /// What is to be executed.
    pub fn algorithms(&self, workload: &Workload) -> Result<Vec<&'static Algorithm>> {
        let find = |Named { name, setting }: &Named| {
            let mut all = workload.operation.algorithms().iter();
            let found = all.find(|algorithm| algorithm.name == *name && algorithm.setting == *setting);
            found.ok_or_else(|| {
                let operation = workload.operation.name();
                Error::input(format!(
                    "{operation} has no algorithm \"{name}\" with the setting \"{setting}\""
                ))
            })
        };
        self.algorithms.iter().map(find).collect()
    }
}

/// What this program is.
fn program() -> String {
    format!("samebits {} ({})", env!("CARGO_PKG_VERSION"), env!("SAMEBITS_REVISION"))
}

/// Writes a message into `folder`.
pub fn write(folder: &Path, name: &str, message: &impl Serialize) -> std::result::Result<(), String> {
    let text = serde_json::to_vec(message).map_err(|error| format!("{name}: {error}"))?;
    std::fs::write(folder.join(name), text).map_err(|error| format!("{name}: cannot write: {error}"))
}

/// Reads a message from `folder`.
pub fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> std::result::Result<T, String> {
    let text = std::fs::read(folder.join(name)).map_err(|error| format!("{name}: cannot read: {error}"))?;
    serde_json::from_slice(&text).map_err(|error| format!("{name}: {error}"))
}
