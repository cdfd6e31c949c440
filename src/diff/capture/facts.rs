//! Everything that the rules ask about two captures.

use serde_json::Value;

use crate::checkpoint::element::{Float, float};
use crate::checkpoint::{Checkpoint, View};
use crate::diff::capture::activations::{Activations, is_around};
use crate::diff::capture::changes::changes;
use crate::diff::capture::metadata::{Capture, Module};
use crate::diff::capture::model::{Change, Part};
use crate::diff::capture::values::relative_distance;
use crate::diff::model::{Status, TensorDiff};

/// The kinds of tensors that a capture holds, by the first part of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Parameters.
    Parameter,
    /// Buffers, running statistics among them.
    Buffer,
    /// Gradients.
    Gradient,
    /// State of an optimizer.
    Optimizer,
    /// The batch.
    Input,
}

impl Section {
    /// What names begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Parameter => "parameter/",
            Self::Buffer => "buffer/",
            Self::Gradient => "gradient/",
            Self::Optimizer => "optimizer/",
            Self::Input => "input/",
        }
    }
}

/// One side: its tensors, and what its header says.
pub struct Side<'a> {
    /// Its tensors.
    pub file: &'a Checkpoint,
    /// The rest.
    pub capture: Capture,
}

/// How a cause can act on what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It explains the first activation that differs.
    First,
    /// It may explain it.
    Perhaps,
    /// It acts behind the last activation, or in later steps.
    Later,
    /// It differs, and acts on nothing that is seen.
    Aside,
}

/// Two captures and what differs between them.
pub struct Facts<'a> {
    /// What was compared with.
    pub before: Side<'a>,
    /// What was compared.
    pub after: Side<'a>,
    /// All tensors of both.
    pub tensors: &'a [TensorDiff],
    /// State beside tensors that differs.
    pub changes: Vec<Change>,
    /// Activations; `None` where a side has no forward pass.
    pub activations: Option<Activations>,
}

impl<'a> Facts<'a> {
    /// Puts both sides next to each other.
    pub fn of(before: Side<'a>, after: Side<'a>, tensors: &'a [TensorDiff]) -> Self {
        let changes = changes(&before.capture, &after.capture);
        let activations = Activations::of((before.file, &before.capture), (after.file, &after.capture));
        Self { before, after, tensors, changes, activations }
    }

    /// Tensors of a section, their names without its prefix.
    pub fn section(&self, section: Section) -> impl Iterator<Item = (&'a str, &'a TensorDiff)> {
        self.tensors
            .iter()
            .filter_map(move |tensor| tensor.name.strip_prefix(section.prefix()).map(|name| (name, tensor)))
    }

    /// Those of a section that are not equal.
    pub fn differing(&self, section: Section) -> Vec<(&'a str, &'a TensorDiff)> {
        self.section(section).filter(|(_, tensor)| tensor.status != Status::Equal).collect()
    }

    /// Whether a section is there on some side, and equal.
    pub fn is_equal(&self, section: Section) -> bool {
        self.section(section).next().is_some() && self.differing(section).is_empty()
    }

    /// Changes of a part.
    pub fn of_part(&self, part: Part) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.part == part)
    }

    /// Both sides of a tensor, where both have it.
    pub fn pair(&self, name: &str) -> Option<(View<'a>, View<'a>)> {
        Some((self.before.file.get(name)?, self.after.file.get(name)?))
    }

    /// The module that a parameter or buffer belongs to.
    pub fn owner<'n>(&self, tensor: &'n str) -> &'n str {
        tensor.rsplit_once('.').map_or("", |(module, _)| module)
    }

    /// The first activation's module, if activations differ.
    pub fn first_module(&self) -> Option<&str> {
        Some(self.activations.as_ref()?.first.as_ref()?.module.as_str())
    }

    /// Whether activations were compared and all are equal.
    pub fn activations_equal(&self) -> bool {
        self.activations.as_ref().is_some_and(|found| found.paired > 0 && found.first.is_none())
    }

    /// Whether the first activation differs by no more than another order of additions does, judged by the
    /// largest difference relative to the largest value.
    pub fn is_rounding(&self) -> bool {
        let first =
            self.activations.as_ref().and_then(|found| Some((found.first.as_ref()?, &found.key_after)));
        let sides = first
            .and_then(|(first, key)| Some((self.before.file.get(&first.key)?, self.after.file.get(key)?)));
        let Some((before, after)) = sides else { return false };
        let Some(format) = float(before.element).filter(|_| before.element == after.element) else {
            return false;
        };
        let roundings = match format {
            Float::F32 | Float::F64 => 4096.0,
            // A few units in the last place are much of a narrow type.
            _ => 16.0,
        };
        relative_distance(before, after).is_some_and(|apart| apart <= roundings * format.unit_roundoff())
    }

    /// How state of these modules can act.
    pub fn reach<'m>(&self, modules: impl IntoIterator<Item = &'m str>) -> Reach {
        let Some(found) = &self.activations else { return Reach::First };
        let Some(first) = self.first_module() else {
            return if found.paired > 0 { Reach::Later } else { Reach::First };
        };
        let mut reach = Reach::Aside;
        for module in modules {
            if module == first || (is_around(first, module) && !found.gave_equal(module)) {
                return Reach::First;
            }
            if found.can_come_from(module) {
                reach = Reach::Perhaps;
            }
        }
        reach
    }

    /// The module of that name after loading.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.after.capture.module(name)
    }

    /// Whether the model is in training mode on either side.
    pub fn is_training(&self) -> bool {
        self.before.capture.is_training() || self.after.capture.is_training()
    }
}

/// A module's name in a sentence.
pub fn called(module: &str) -> String {
    if module.is_empty() { "the model".to_owned() } else { format!("`{module}`") }
}

/// A value of a header in a sentence.
pub fn told(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
