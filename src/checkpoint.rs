//! Checkpoints as they lie on disk: named tensors over mapped `.safetensors` files. A checkpoint is one file,
//! a set of shards with its index, or a folder of files. Nothing of a tensor is read before it is asked for,
//! and nothing is copied: a checkpoint may be larger than the memory.
//!
//! What is wrong with a file is found when it is opened (`header`, `index`), or is known by its first
//! bytes (`foreign`). One thing cannot be caught: whoever shortens a file while it is being read takes
//! pages away from under the mapping, and the system ends the program (SIGBUS).

pub mod element;
mod file;
mod foreign;
mod header;
mod index;
mod unique;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::checkpoint::file::Mapped;
use crate::error::{Error, Result};
use crate::report::words::visible;
use crate::report::wrap::truncated;

pub use crate::checkpoint::element::Element;

/// The key of the header's metadata that says that a file is a capture, and of which version.
pub const CAPTURE: &str = "samebits_capture";

/// Named tensors of one file or several.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<Mapped>,
    /// Which file has a tensor, and where in its list.
    places: BTreeMap<String, (usize, usize)>,
    metadata: BTreeMap<String, String>,
}

/// A tensor as it lies in its file.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Its name.
    pub name: &'a str,
    /// The type of its elements.
    pub element: Element,
    /// Extents, the slowest first; empty for a scalar.
    pub shape: &'a [u64],
    /// Its elements, little-endian and dense; not aligned.
    pub bytes: &'a [u8],
}

impl View<'_> {
    /// How many elements there are.
    pub fn elements(&self) -> u64 {
        // Cannot overflow: it was checked when the file was opened.
        self.shape.iter().product()
    }
}

impl Checkpoint {
    /// Opens a `.safetensors` file, an index of shards (`….safetensors.index.json`), or a folder: by its
    /// index, if there is one in it, else all its `.safetensors` files.
    ///
    /// # Errors
    /// One line that names the file, what is wrong with it and what to do: it is not there, truncated, of
    /// another format, or its header contradicts itself or the file's length.
    pub fn open(path: &Path) -> Result<Self> {
        let kind = std::fs::metadata(path)
            .map_err(Error::file(path, "cannot open; give a .safetensors file, its index, or a folder"))?;
        let files = if kind.is_dir() {
            index::open_folder(path)?
        } else if index::is_named_so(path) {
            index::open(path)?
        } else {
            vec![Mapped::open(path)?]
        };
        Self::new(path, files)
    }

    fn new(path: &Path, files: Vec<Mapped>) -> Result<Self> {
        let mut places: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut metadata = BTreeMap::new();
        for (file, mapped) in files.iter().enumerate() {
            for (place, entry) in mapped.header.tensors.iter().enumerate() {
                if let Some((other, _)) = places.insert(entry.name.clone(), (file, place)) {
                    return Err(Error::input(format!(
                        "{}: tensor \"{}\" is also in {}; give one of the files, or an index that names only \
                         the files that belong together",
                        mapped.path.display(),
                        shown(&entry.name),
                        files[other].path.display()
                    )));
                }
            }
            for (key, value) in &mapped.header.metadata {
                metadata.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        Ok(Self { path: path.to_owned(), files, places, metadata })
    }

    /// What was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that it consists of.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// What the headers say beside the tensors; where several files have a key, the first one's.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Whether it is a capture, as `scripts/peers/torch_capture.py` writes it.
    pub fn is_capture(&self) -> bool {
        self.metadata.contains_key(CAPTURE)
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<View<'_>> {
        let (name, place) = self.places.get_key_value(name)?;
        Some(self.view(name, *place))
    }

    /// All tensors, by name.
    pub fn tensors(&self) -> impl Iterator<Item = View<'_>> {
        self.places.iter().map(|(name, place)| self.view(name, *place))
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        self.tensors().map(|tensor| tensor.bytes.len() as u64).sum()
    }

    fn view<'a>(&'a self, name: &'a str, (file, place): (usize, usize)) -> View<'a> {
        let file = &self.files[file];
        let entry = &file.header.tensors[place];
        View { name, element: entry.element, shape: &entry.shape, bytes: file.bytes(entry) }
    }
}

/// A name out of a file, for a message: what would not show is written out, and no message gets long by it.
pub(crate) fn shown(name: &str) -> String {
    truncated(&visible(name), 80)
}

/// What is wrong with some JSON, for a message.
pub(crate) fn on_one_line(error: &serde_json::Error) -> String {
    truncated(&visible(&error.to_string()), 240)
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
