//! Ways to damage a checkpoint: of its bytes, which checksums find, and of what it says, with right checksums.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use serde_json::Value;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::train::checkpoint::{About, FORMAT, KEY, checksum};
use crate::train::state::Part;

/// Cuts the end off.
pub fn truncate(path: &Path) -> Result<()> {
    of_bytes(path, |bytes| bytes.truncate(bytes.len() - 1000))
}

/// Flips a bit in the middle.
pub fn flip_a_bit(path: &Path) -> Result<()> {
    of_bytes(path, |bytes| {
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
    })
}

/// Leaves out a tensor.
pub fn lose_a_tensor(path: &Path) -> Result<()> {
    of_parts(path, |parts| parts.tensors.retain(|tensor| tensor.name != "norm.running_var"))
}

/// Gives a tensor another shape of as many elements.
pub fn transpose_a_tensor(path: &Path) -> Result<()> {
    of_parts(path, |parts| parts.tensor("parameters.output.weight", |tensor| tensor.shape.reverse()))
}

/// Makes an element NaN.
pub fn put_nan(path: &Path) -> Result<()> {
    let nan = f32::NAN.to_le_bytes();
    of_parts(path, |parts| {
        parts.tensor("parameters.norm.bias", |tensor| tensor.bytes[8..12].copy_from_slice(&nan))
    })
}

/// Says that it is of a later version.
pub fn raise_version(path: &Path) -> Result<()> {
    of_parts(path, |parts| parts.about["format"] = (FORMAT + 1).into())
}

fn of_bytes(path: &Path, change: fn(&mut Vec<u8>)) -> Result<()> {
    let mut bytes = std::fs::read(path).map_err(Error::file(path, "cannot read"))?;
    change(&mut bytes);
    std::fs::write(path, bytes).map_err(Error::file(path, "cannot write"))
}

fn of_parts(path: &Path, change: impl FnOnce(&mut Parts)) -> Result<()> {
    let mut parts = Parts::of(path)?;
    change(&mut parts);
    parts.write(path)
}

/// A file's tensors and what it says of itself, to be changed and written again with right checksums.
pub struct Parts {
    /// Its tensors.
    pub tensors: Vec<Part>,
    /// What it says of itself, as JSON.
    pub about: Value,
}

impl Parts {
    /// Those of a checkpoint.
    ///
    /// # Errors
    /// If it cannot be read, or says nothing of itself.
    pub fn of(path: &Path) -> Result<Self> {
        let file = Checkpoint::open(path)?;
        let part = |view: crate::checkpoint::View| Part {
            name: view.name.to_owned(),
            element: view.element,
            shape: view.shape.iter().map(|extent| *extent as usize).collect(),
            bytes: view.bytes.to_vec(),
        };
        let about = file.metadata().get(KEY).map_or("", String::as_str);
        let about = serde_json::from_str(about)
            .map_err(|error| Error::input(format!("{}: {KEY}: {error}", path.display())))?;
        Ok(Self { tensors: file.tensors().map(part).collect(), about })
    }

    /// Changes the tensor of that name, if there is one.
    pub fn tensor(&mut self, name: &str, change: impl FnOnce(&mut Part)) {
        if let Some(tensor) = self.tensors.iter_mut().find(|tensor| tensor.name == name) {
            change(tensor);
        }
    }

    /// Writes them.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(mut self, path: &Path) -> Result<()> {
        self.about["checksums"] =
            self.tensors.iter().map(|part| (part.name.clone(), Value::from(checksum(&part.bytes)))).collect();
        let text = match serde_json::from_value::<About>(self.about.clone()) {
            Ok(about) => about.sealed()?,
            // What no longer is one is written as it is.
            Err(_) => self.about.to_string(),
        };
        let cannot = |error: safetensors::SafeTensorError| {
            Error::input(format!("{}: cannot write: {error}", path.display()))
        };
        let views = self.tensors.iter().map(|part| {
            TensorView::new(part.element, part.shape.clone(), &part.bytes)
                .map(|view| (&part.name, view))
                .map_err(cannot)
        });
        let metadata = HashMap::from([(KEY.to_owned(), text)]);
        safetensors::serialize_to_file(views.collect::<Result<Vec<_>>>()?, Some(metadata), path)
            .map_err(cannot)
    }
}
