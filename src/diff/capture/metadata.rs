//! What a capture's header says beside its tensors: format version 1 of `scripts/peers/torch_capture.py`,
//! read by serde into types. What is not as the format says is one line that names the key.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::checkpoint::{CAPTURE, Checkpoint, on_one_line, shown};
use crate::error::{Error, Result};

/// The version that is read.
pub const VERSION: &str = "1";

/// What is recorded beside tensors.
#[derive(Debug)]
pub struct Capture {
    /// Modules in the order of `named_modules()`; the root's name is empty.
    pub modules: Vec<Module>,
    /// The optimizer, if one was given.
    pub optimizer: Option<Optimizer>,
    /// The learning rate's schedule, if one was given.
    pub schedule: Option<Stateful>,
    /// The scaler of gradients, if one was given.
    pub scaler: Option<Stateful>,
    /// Digests of the states of generators.
    pub generators: BTreeMap<String, String>,
    /// What chooses kernels.
    pub backend: BTreeMap<String, Value>,
    /// Versions of libraries.
    pub versions: BTreeMap<String, Value>,
    /// Activations in the order in which they were finished; `None` without a forward pass.
    pub activations: Option<Vec<Activation>>,
    /// Activations that were left out for their size.
    pub left_out: Vec<LeftOut>,
    /// What could not be stored, and why.
    pub skipped: BTreeMap<String, String>,
}

/// A module.
#[derive(Debug, Deserialize)]
pub struct Module {
    /// Its path in the model.
    pub name: String,
    /// The name of its class.
    #[serde(rename = "type")]
    pub class: String,
    /// Whether it is in training mode.
    pub training: bool,
    /// Further settings: `momentum`, `eps` and `track_running_stats` of a batch-norm, `p` of a dropout.
    #[serde(flatten)]
    pub settings: BTreeMap<String, Value>,
}

impl Module {
    /// Whether it keeps running statistics.
    pub fn keeps_statistics(&self) -> bool {
        self.settings.get("track_running_stats").and_then(Value::as_bool) == Some(true)
    }

    /// Whether it drops at random when it is in training mode.
    pub fn is_dropout(&self) -> bool {
        self.settings.get("p").and_then(Value::as_f64).is_some_and(|p| p > 0.0)
    }
}

/// An optimizer.
#[derive(Debug, Deserialize)]
pub struct Optimizer {
    /// The name of its class.
    #[serde(rename = "type")]
    pub class: String,
    /// Hyperparameters of each group, and under `params` the names of its parameters.
    #[serde(default)]
    pub param_groups: Vec<BTreeMap<String, Value>>,
    /// State that is one number, under `PARAMETER/STATE`.
    #[serde(default)]
    pub scalars: BTreeMap<String, Value>,
}

/// A thing with a state dictionary.
#[derive(Debug, Deserialize)]
pub struct Stateful {
    /// The name of its class.
    #[serde(rename = "type")]
    pub class: String,
    /// Its state.
    #[serde(default)]
    pub state: BTreeMap<String, Value>,
}

/// A module's output.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Activation {
    /// The tensor's name, `activation/NNNNNN/MODULE`, with a path behind it where there are several.
    pub key: String,
    /// The module's name; empty for the root.
    pub module: String,
    /// The name of the module's class.
    #[serde(rename = "type")]
    pub class: String,
}

/// An activation that was too large.
#[derive(Debug, Deserialize)]
pub struct LeftOut {
    /// The name that its tensor would have.
    pub key: String,
}

impl Capture {
    /// Reads what the header of a capture says.
    ///
    /// # Errors
    /// One line: another format version, a key that is malformed, an activation without its tensor.
    pub fn read(file: &Checkpoint) -> Result<Self> {
        let version = file.metadata().get(CAPTURE).map_or("", String::as_str);
        if version != VERSION {
            return Err(Error::input(format!(
                "{}: a capture of format version \"{}\", and this program reads version {VERSION}; capture \
                 with the torch_capture.py that comes with it",
                file.path().display(),
                shown(version)
            )));
        }
        let capture = Self {
            modules: part(file, "modules")?.ok_or_else(|| malformed(file, "modules", "it is not there"))?,
            optimizer: part(file, "optimizer")?,
            schedule: part(file, "schedule")?,
            scaler: part(file, "scaler")?,
            generators: part(file, "generators")?.unwrap_or_default(),
            backend: part(file, "backend")?.unwrap_or_default(),
            versions: part(file, "versions")?.unwrap_or_default(),
            activations: part(file, "activations")?,
            left_out: part(file, "left_out")?.unwrap_or_default(),
            skipped: part(file, "skipped")?.unwrap_or_default(),
        };
        for activation in capture.activations.iter().flatten() {
            if file.get(&activation.key).is_none() {
                let what = format!("it names \"{}\", and there is no such tensor", shown(&activation.key));
                return Err(malformed(file, "activations", &what));
            }
        }
        Ok(capture)
    }

    /// The module of that name.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.name == name)
    }

    /// Whether the model as a whole is in training mode.
    pub fn is_training(&self) -> bool {
        self.module("").is_some_and(|root| root.training)
    }
}

fn part<T: DeserializeOwned>(file: &Checkpoint, key: &str) -> Result<Option<T>> {
    let Some(text) = file.metadata().get(key) else {
        return Ok(None);
    };
    serde_json::from_str(text).map(Some).map_err(|error| malformed(file, key, &on_one_line(&error)))
}

fn malformed(file: &Checkpoint, key: &str, what: &str) -> Error {
    Error::input(format!(
        "{}: malformed capture: `{key}` in its metadata: {what}; capture it again",
        file.path().display()
    ))
}
