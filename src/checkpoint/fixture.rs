//! Checkpoints for tests, in a folder that goes with them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;

use crate::checkpoint::{Checkpoint, Element};

/// A tensor to be written.
pub struct Given {
    pub name: String,
    pub element: Element,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// A tensor of f32.
pub fn f32s(name: &str, shape: &[usize], values: impl IntoIterator<Item = f32>) -> Given {
    let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
    raw(name, Element::F32, shape, bytes)
}

/// A tensor of anything.
pub fn raw(name: &str, element: Element, shape: &[usize], bytes: Vec<u8>) -> Given {
    Given { name: name.to_owned(), element, shape: shape.to_vec(), bytes }
}

/// Writes a file.
pub fn write(path: &Path, tensors: &[Given], metadata: Option<HashMap<String, String>>) -> PathBuf {
    let views = tensors.iter().map(|given| {
        (&given.name, TensorView::new(given.element, given.shape.clone(), &given.bytes).unwrap())
    });
    safetensors::serialize_to_file(views, metadata, path).unwrap();
    path.to_owned()
}

/// Writes a file and opens it. The folder may go: the mapping stays.
pub fn checkpoint(tensors: &[Given]) -> Checkpoint {
    let folder = tempfile::tempdir().unwrap();
    Checkpoint::open(&write(&folder.path().join("model.safetensors"), tensors, None)).unwrap()
}
