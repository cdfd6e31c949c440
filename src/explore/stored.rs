//! Buffers from files: `.npy`, and a tensor of a `.safetensors` file.

use std::path::Path;

use crate::checkpoint::{Checkpoint, element};
use crate::error::{Error, Result};
use crate::explore::element::Element;

/// More bytes than the header of an `.npy` file takes.
const MOST_HEADER: u64 = 1 << 16;

/// The elements' bytes in the file at `path`: of the array, or of the tensor of that name. The name may be left out
/// where there is one tensor. More than `most` bytes are not read.
///
/// # Errors
/// One line that names the file, and what it is not.
pub fn read(path: &Path, tensor: Option<&str>, wanted: Element, most: u64) -> Result<Vec<u8>> {
    let is_npy = path.extension().is_some_and(|extension| extension == "npy");
    if !is_npy {
        return of_checkpoint(path, tensor, wanted, most);
    }
    if let Some(tensor) = tensor {
        return Err(refused(
            path,
            format!("an .npy file has one array, and none that is named \"{tensor}\""),
        ));
    }
    let metadata = std::fs::metadata(path).map_err(Error::file(path, "cannot read the buffer"))?;
    if metadata.len() > most.saturating_add(MOST_HEADER) {
        return Err(too_large(path, metadata.len(), most));
    }
    let bytes = std::fs::read(path).map_err(Error::file(path, "cannot read the buffer"))?;
    of_npy(&bytes, wanted).map_err(|what| refused(path, what))
}

fn refused(path: &Path, what: String) -> Error {
    Error::input(format!("{}: {what}", path.display()))
}

fn too_large(path: &Path, bytes: u64, most: u64) -> Error {
    refused(path, format!("{bytes} bytes are more than the {most} that are left of --max-memory"))
}

fn of_checkpoint(path: &Path, tensor: Option<&str>, wanted: Element, most: u64) -> Result<Vec<u8>> {
    let checkpoint = Checkpoint::open(path)?;
    let names = || checkpoint.tensors().take(8).map(|view| view.name).collect::<Vec<_>>().join(", ");
    let view = match tensor {
        Some(name) => checkpoint
            .get(name)
            .ok_or_else(|| refused(path, format!("no tensor \"{name}\" in it; there are {}", names())))?,
        None if checkpoint.len() == 1 => {
            checkpoint.tensors().next().ok_or_else(|| refused(path, "no tensor in it".to_owned()))?
        }
        None => return Err(refused(path, format!("say which tensor; there are {}", names()))),
    };
    if !wanted.is_stored_as(view.element) {
        let stored = element::name(view.element);
        return Err(refused(path, format!("tensor \"{}\" is of {stored}, not of {wanted}", view.name)));
    }
    if view.bytes.len() as u64 > most {
        return Err(too_large(path, view.bytes.len() as u64, most));
    }
    Ok(view.bytes.to_vec())
}

/// What `numpy.save` writes: the magic number, a version, a header in words, the elements.
fn of_npy(bytes: &[u8], wanted: Element) -> std::result::Result<Vec<u8>, String> {
    const TRUNCATED: &str = "the file is truncated, or is no .npy file";
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("no .npy file: it does not begin as one")?;
    let (header, elements) = match rest {
        [1, _, low, high, rest @ ..] => {
            rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high]))).ok_or(TRUNCATED)?
        }
        [2 | 3, _, a, b, c, d, rest @ ..] => {
            rest.split_at_checked(u32::from_le_bytes([*a, *b, *c, *d]) as usize).ok_or(TRUNCATED)?
        }
        _ => return Err(TRUNCATED.to_owned()),
    };
    let header = String::from_utf8_lossy(header);
    let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let quoted =
        value("descr").and_then(|rest| rest.strip_prefix('\'')).and_then(|rest| rest.split_once('\''));
    let (descr, _) = quoted.ok_or("its elements are structures; give an array of numbers")?;
    let expected = match wanted {
        Element::F16 => "<f2",
        Element::F32 => "<f4",
        Element::F64 => "<f8",
        // numpy has no bf16; its bits come as integers.
        Element::U16 | Element::Bf16 => "<u2",
        Element::U8 => "|u1",
        Element::I8 => "|i1",
        Element::I16 => "<i2",
        Element::U32 => "<u4",
        Element::I32 => "<i4",
        Element::U64 => "<u8",
        Element::I64 => "<i8",
    };
    if descr != expected {
        return Err(format!("its elements are \"{descr}\"; of {wanted} they would be \"{expected}\""));
    }
    if value("fortran_order").is_some_and(|rest| rest.starts_with("True")) {
        return Err("the array is in Fortran's order; save numpy.ascontiguousarray of it".to_owned());
    }
    let shape = value("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let (shape, _) = shape.ok_or("its header has no shape")?;
    let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let count =
        extents.map(str::parse::<usize>).try_fold(1usize, |all, extent| all.checked_mul(extent.ok()?));
    let count = count.ok_or("its header has no shape")?;
    if Some(elements.len()) != count.checked_mul(wanted.size()) {
        return Err(format!("its header tells of {count} elements, and {} bytes follow", elements.len()));
    }
    Ok(elements.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::fixture;
    use crate::peer::npy;
    use crate::tensor::Tensor;

    #[test]
    fn both_sorts_of_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let tensor = Tensor::f32("x", vec![1.0, -2.5, 3.0]);
        let path = folder.path().join("x.npy");
        npy::write(&path, &tensor).unwrap();
        let read = |path: &Path, name, element| read(path, name, element, 1 << 20);
        assert_eq!(read(&path, None, Element::F32).unwrap(), tensor.bytes());
        let said = |element, name| read(&path, name, element).unwrap_err().to_string();
        assert!(said(Element::F16, None).contains("\"<f4\"; of f16"));
        assert!(said(Element::F32, Some("y")).contains("one array"));
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 5, 9, 20, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read(&path, None, Element::F32).is_err(), "{length}");
        }
        let path = folder.path().join("x.safetensors");
        fixture::write(&path, &[fixture::f32s("w", &[2], [1.0, 2.0])], None);
        assert_eq!(read(&path, None, Element::F32).unwrap().len(), 8);
        let said = |name, element| read(&path, name, element).unwrap_err().to_string();
        assert!(said(Some("v"), Element::F32).contains("there are w"));
        assert!(said(Some("w"), Element::I32).contains("of f32, not of i32"));
        let error = super::read(&path, None, Element::F32, 7).unwrap_err().to_string();
        assert!(error.contains("8 bytes are more than the 7"), "{error}");
    }
}
