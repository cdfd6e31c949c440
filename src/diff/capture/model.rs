//! What is found between two captures beside their tensors, as data: `--json` prints it as it is.

use serde::Serialize;
use serde_json::Value;

use crate::diff::model::Distance;

/// The difference of two captures; that of their tensors is told apart from it.
#[derive(Debug, Clone, Serialize)]
pub struct CaptureDiff {
    /// The first activation that differs, in the order in which modules finished.
    pub first_activation: Option<FirstActivation>,
    /// How many activations both sides have.
    pub activations: usize,
    /// State beside tensors that differs.
    pub changes: Vec<Change>,
    /// What is wanting for a full comparison, as "activations that only one side has".
    pub notes: Vec<String>,
}

/// An activation that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FirstActivation {
    /// Its tensor's name in BEFORE.
    pub key: String,
    /// The module that gave it; empty for the root.
    pub module: String,
    /// The module's class.
    pub class: String,
    /// How many activations before it are equal.
    pub equal_before: usize,
    /// How far it differs; `None` where its elements cannot be paired.
    pub distance: Option<Distance>,
}

/// Where a change lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A module that one side lacks, or of another class.
    Module,
    /// A module's training mode.
    Mode,
    /// A module's settings.
    Setting,
    /// An optimizer's class, hyperparameters and groups.
    Optimizer,
    /// State of an optimizer that is one number.
    OptimizerState,
    /// The learning rate's schedule.
    Schedule,
    /// The scaler of gradients.
    Scaler,
    /// A generator of random numbers.
    Generator,
    /// What chooses kernels.
    Backend,
    /// A library's version.
    Version,
}

impl Part {
    /// How it is called on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Module => "modules",
            Self::Mode => "mode",
            Self::Setting => "settings",
            Self::Optimizer => "optimizer",
            Self::OptimizerState => "optimizer state",
            Self::Schedule => "schedule",
            Self::Scaler => "scaler",
            Self::Generator => "generators",
            Self::Backend => "backend",
            Self::Version => "versions",
        }
    }
}

/// State beside tensors that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Where it lies.
    pub part: Part,
    /// What it is called there: `bn1` for a module or its mode, `param_groups[0].lr`, `last_epoch`,
    /// `torch_cpu`.
    pub name: String,
    /// Before; null where it is not there.
    pub before: Option<Value>,
    /// After; null where it is not there.
    pub after: Option<Value>,
}
