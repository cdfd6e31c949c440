//! Workloads over a tensor of a user's own model: `--weights FILE.safetensors[:TENSOR]`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype as Stored, SafeTensorError, SafeTensors};

use crate::error::{Error, Result};
use crate::input::Distribution;
use crate::operation::OPERATIONS;
use crate::tensor::{Data, Tensor};
use crate::workload::{Given, Profile, Workload};

/// The workloads that take the tensor named in `argument` as one of their inputs: its sum, and, if it
/// has two dimensions or more, products with it as a linear layer's weight (its first dimension are the
/// outputs, all others together the inputs). Without a name, the largest matrix of the file.
///
/// # Errors
/// Names the file, and what is wrong with it or with the tensor.
pub fn read(argument: &str) -> Result<Vec<Workload>> {
    let (path, name) = split(argument);
    let file = File::open(&path).map_err(Error::file(
        &path,
        "cannot open the weights; give a .safetensors file, and :TENSOR behind it for one of its tensors",
    ))?;
    // SAFETY: the file is only read, and every byte pattern is valid in it. That nobody else writes to
    // it meanwhile is up to the user, as for any file that is being read.
    let bytes =
        unsafe { memmap2::Mmap::map(&file) }.map_err(Error::file(&path, "cannot read the weights"))?;
    let about = |error| Error::input(format!("{}: {}", path.display(), in_words(&error)));
    let tensors = SafeTensors::deserialize(&bytes).map_err(about)?;
    let (name, view) = match name {
        Some(name) => (name.clone(), find(&tensors, &name, &path)?),
        None => largest(&tensors).ok_or_else(|| {
            Error::input(format!("{}: no tensor of f32, f16 or bf16 in it", path.display()))
        })?,
    };
    let refused = |reason: String| Error::input(format!("{}: tensor \"{name}\" {reason}", path.display()));
    let data = elements(&view).map_err(refused)?;
    let tensor = Arc::new(Tensor { name: "weights", data });
    let shape: Vec<u64> = view.shape().iter().map(|&extent| extent as u64).collect();
    workloads(&name, &shape, view.dtype(), &tensor)
}

/// A file that is there as it stands has no tensor's name behind it, whatever its own name holds.
fn split(argument: &str) -> (PathBuf, Option<String>) {
    match argument.rsplit_once(':') {
        Some((path, tensor)) if !Path::new(argument).exists() => (path.into(), Some(tensor.to_owned())),
        _ => (argument.into(), None),
    }
}

fn in_words(error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
            "the file is truncated, or is no .safetensors file: its tensors do not end where it does"
                .to_owned()
        }
        SafeTensorError::HeaderTooSmall => "the file is truncated: it has no header".to_owned(),
        other => format!("no .safetensors file: {other}").lines().collect::<Vec<_>>().join(" "),
    }
}

fn find<'a>(tensors: &SafeTensors<'a>, name: &str, path: &Path) -> Result<TensorView<'a>> {
    tensors.tensor(name).map_err(|_| {
        let mut names = tensors.names();
        names.sort_unstable();
        let shown = names.iter().take(8).copied().collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(8);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Error::input(format!("{}: no tensor \"{name}\" in it; there are {shown}{more}", path.display()))
    })
}

/// The largest matrix; without one, the largest tensor. The first by name of equals.
fn largest<'a>(tensors: &SafeTensors<'a>) -> Option<(String, TensorView<'a>)> {
    let mut all = tensors.tensors();
    all.retain(|(_, view)| matches!(view.dtype(), Stored::F32 | Stored::F16 | Stored::BF16));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into_iter().rev().max_by_key(|(_, view)| (view.shape().len() >= 2, view.data().len()))
}

/// The elements; bf16 becomes f32, exactly.
fn elements(view: &TensorView) -> std::result::Result<Data, String> {
    let bytes = view.data();
    let of_2 = || bytes.as_chunks::<2>().0.iter();
    let data = match view.dtype() {
        Stored::F32 => {
            Data::F32(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        }
        Stored::F16 => Data::F16(of_2().map(|bytes| f16::from_le_bytes(*bytes)).collect()),
        Stored::BF16 => Data::F32(of_2().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect()),
        other => return Err(format!("holds {other:?}; f32, f16 and bf16 can be measured")),
    };
    if bytes.is_empty() { Err("has no elements".to_owned()) } else { Ok(data) }
}

fn workloads(name: &str, shape: &[u64], stored: Stored, tensor: &Arc<Tensor>) -> Result<Vec<Workload>> {
    let rows = if shape.len() >= 2 { shape[0] } else { 1 };
    let columns = shape.iter().product::<u64>() / rows;
    let widened = if stored == Stored::BF16 { ", widened from bf16" } else { "" };
    let mut workloads = Vec::new();
    for operation in OPERATIONS {
        let Some((shape, input)) = operation.of_weights(rows, columns) else { continue };
        let shape = operation.shape(&shape)?;
        let name = format!("{} of {}", operation.name(), name.escape_debug());
        workloads.push(Workload {
            about: format!("A tensor of your own model, {rows}×{columns}{widened}"),
            profiles: vec![Profile::Quick, Profile::Full],
            given: Some(Given { input, tensor: Arc::clone(tensor) }),
            ..Workload::new(name, *operation, shape, tensor.dtype(), Distribution::Weights)
        });
    }
    Ok(workloads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::InputSpec;
    use crate::tensor::Dtype;

    /// A file with a matrix of bf16, a larger vector of f32, and integers.
    fn file(folder: &Path) -> PathBuf {
        let matrix: Vec<u8> = (0..6).flat_map(|v| bf16::from_f32(v as f32).to_le_bytes()).collect();
        let vector: Vec<u8> = (0..40).flat_map(|v| (v as f32).to_le_bytes()).collect();
        let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        let tensors = [
            ("layer.weight", view(Stored::BF16, &[2, 3], &matrix)),
            ("norm", view(Stored::F32, &[40], &vector)),
            ("ids", view(Stored::U8, &[2], &[1, 2])),
            ("nothing", view(Stored::F32, &[0], &[])),
        ];
        let path = folder.join("model.safetensors");
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        path
    }

    fn with(path: &Path, tensor: &str) -> String {
        format!("{}:{tensor}", path.display())
    }

    #[test]
    fn a_tensor_becomes_an_input_of_every_operation_that_takes_weights() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path());
        let read_all = read(&path.display().to_string()).unwrap();
        let sum = read_all.iter().find(|workload| workload.operation.name() == "reduce").unwrap();
        assert_eq!((sum.name.as_str(), sum.dtype), ("reduce of layer.weight", Dtype::F32), "the matrix wins");
        let given = sum.given.as_ref().unwrap();
        assert_eq!(given.tensor.data, Data::F32(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        assert_eq!(sum.operation.inputs(sum)[given.input], InputSpec::of_workload("x", 6, 6, Dtype::F32));
        assert!(sum.about.contains("2×3, widened from bf16"));
        let norm = read(&with(&path, "norm")).unwrap();
        assert!(norm.iter().all(|workload| workload.operation.name() == "reduce"), "a vector is no matrix");
    }

    #[test]
    fn bad_files_and_names_are_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path());
        let refusal = |argument: &str| {
            let error = read(argument).unwrap_err().to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
            error
        };
        let missing = refusal(&with(&path, "layer.wieght"));
        assert!(
            missing.ends_with("no tensor \"layer.wieght\" in it; there are ids, layer.weight, norm, nothing")
        );
        assert!(refusal(&with(&path, "ids")).contains("tensor \"ids\" holds U8; f32, f16 and bf16"));
        assert!(refusal(&with(&path, "nothing")).contains("tensor \"nothing\" has no elements"));
        assert!(refusal("no-such.safetensors").contains("cannot open the weights"));
        assert!(refusal(&folder.path().display().to_string()).contains("cannot read the weights"));
        let whole = std::fs::read(&path).unwrap();
        let cut = folder.path().join("cut.safetensors");
        for end in [0, 4, 8, 100, whole.len() - 1] {
            std::fs::write(&cut, &whole[..end]).unwrap();
            let error = refusal(&cut.display().to_string());
            assert!(error.contains("truncated") || error.contains("cannot read"), "{end}: {error}");
        }
        std::fs::write(&cut, "this is a text, and no tensor lies in it").unwrap();
        assert!(refusal(&cut.display().to_string()).contains("no .safetensors file"));
    }
}
