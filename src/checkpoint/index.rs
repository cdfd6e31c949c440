//! Checkpoints of several files: a folder, or an index that says which shard holds which tensor
//! (`model.safetensors.index.json`, with a `weight_map` from tensors to files beside it).

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::checkpoint::file::Mapped;
use crate::checkpoint::unique::Unique;
use crate::checkpoint::{header, on_one_line, shown};
use crate::error::{Error, Result};

const SUFFIX: &str = ".safetensors.index.json";

#[derive(Deserialize)]
struct Index {
    weight_map: Unique<String>,
}

/// Whether a file is an index by its name.
pub fn is_named_so(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX))
}

/// Opens all shards that an index names. What is in a shard and not in the index is loaded by everybody else
/// too, and belongs to the checkpoint.
pub fn open(path: &Path) -> Result<Vec<Mapped>> {
    let wrong = |what: String| Error::input(format!("{}: {what}", path.display()));
    let cannot =
        || Error::file(path, "cannot read the index; give a .safetensors file, its index, or a folder");
    let kind = std::fs::metadata(path).map_err(cannot())?;
    if !kind.is_file() {
        return Err(wrong("no regular file; give a .safetensors file, its index, or a folder".to_owned()));
    }
    if kind.len() > header::MOST_BYTES {
        return Err(wrong(format!("no index: it has {} bytes; give the .safetensors file", kind.len())));
    }
    let bytes = std::fs::read(path).map_err(cannot())?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|error| wrong(format!("a corrupt index: {}; copy or save it again", on_one_line(&error))))?;
    let Unique(weights) = index.weight_map;
    if weights.is_empty() {
        return Err(wrong("the index names no tensor; save the checkpoint again".to_owned()));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let names: BTreeSet<&str> = weights.iter().map(|(_, file)| file.as_str()).collect();
    let mut shards = Vec::new();
    for name in &names {
        if !is_inside(name) {
            return Err(wrong(format!(
                "it names the shard \"{}\", which does not lie beside it; names of files in its folder are \
                 followed only",
                shown(name)
            )));
        }
        let shard = folder.join(name);
        if !shard.exists() {
            let of = weights.iter().filter(|(_, file)| file == name).count();
            return Err(wrong(format!(
                "the shard \"{}\" with {of} of its tensors is not there; copy all shards beside the index",
                shown(name)
            )));
        }
        shards.push(Mapped::open(&shard)?);
    }
    let held: Vec<BTreeSet<&str>> = shards
        .iter()
        .map(|shard| shard.header.tensors.iter().map(|entry| entry.name.as_str()).collect())
        .collect();
    let place = |file: &str| names.iter().position(|name| *name == file);
    for (tensor, file) in &weights {
        if !place(file).is_some_and(|place| held[place].contains(tensor.as_str())) {
            return Err(wrong(format!(
                "it says that tensor \"{}\" is in \"{}\", and it is not; index and shards are of different \
                 checkpoints, so copy them again",
                shown(tensor),
                shown(file)
            )));
        }
    }
    Ok(shards)
}

/// Only a plain name, or folders below: nothing absolute, no `..`.
fn is_inside(name: &str) -> bool {
    let mut components = Path::new(name).components().peekable();
    components.peek().is_some() && components.all(|component| matches!(component, Component::Normal(_)))
}

/// Opens a folder: by its index if there is one, else all `.safetensors` files in it.
pub fn open_folder(folder: &Path) -> Result<Vec<Mapped>> {
    let cannot = || Error::file(folder, "cannot read the folder");
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot())? {
        paths.push(entry.map_err(cannot())?.path());
    }
    paths.sort();
    let indices: Vec<&PathBuf> = paths.iter().filter(|path| is_named_so(path)).collect();
    match indices[..] {
        [index] => return open(index),
        [] => {}
        [first, second, ..] => {
            return Err(Error::input(format!(
                "{}: there are {} indices in it; give one of them, such as {} or {}",
                folder.display(),
                indices.len(),
                first.display(),
                second.display()
            )));
        }
    }
    let has = |path: &Path, extensions: &[&str]| {
        path.extension()
            .is_some_and(|found| extensions.iter().any(|extension| found.eq_ignore_ascii_case(extension)))
    };
    let files: Vec<&PathBuf> = paths.iter().filter(|path| has(path, &["safetensors"])).collect();
    if files.is_empty() {
        let other = paths.iter().find(|path| has(path, &["pt", "pth", "bin", "ckpt", "gguf", "h5", "npz"]));
        let other = other.map(|path| format!("; {} is of another format, to be converted", path.display()));
        return Err(Error::input(format!(
            "{}: a folder without weights: no .safetensors file is in it{}; give the folder that has them",
            folder.display(),
            other.unwrap_or_default()
        )));
    }
    files.into_iter().map(|file| Mapped::open(file)).collect()
}
