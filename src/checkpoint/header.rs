//! The header of a `.safetensors` file: 8 bytes with its length, then JSON that names type, shape and place
//! of each tensor. All of it is checked before anything is believed: `serde_json` alone would keep the last
//! of two equal keys, and a product of extents may be more than a number holds.
//!
//! The format: <https://huggingface.co/docs/safetensors>, "Format".

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::TensorInfo;
use serde::de::MapAccess;

use crate::checkpoint::element::{Element, name};
use crate::checkpoint::unique::{Unique, Value};
use crate::checkpoint::{on_one_line, shown};
use crate::error::{Error, Result};

/// The format's own limit of a header's length.
pub const MOST_BYTES: u64 = 100_000_000;

/// Bytes in front of the header, which hold its length.
pub const LENGTH: usize = 8;

/// What a header says, checked.
#[derive(Debug)]
pub struct Header {
    /// The tensors, in order of their place in the file.
    pub tensors: Vec<Entry>,
    /// What `__metadata__` holds.
    pub metadata: BTreeMap<String, String>,
}

/// One tensor of a file.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub element: Element,
    /// Its extents.
    pub shape: Vec<u64>,
    /// Its first byte, counted from the file's begin, and the one behind its last.
    pub range: (usize, usize),
}

/// Reads and checks the header of a whole file.
pub fn read(path: &Path, bytes: &[u8]) -> Result<Header> {
    let wrong = |what: String| Error::input(format!("{}: {what}", path.display()));
    let end = end(bytes).map_err(&wrong)?;
    let Unique(entries): Unique<Member> = serde_json::from_slice(&bytes[LENGTH..end])
        .map_err(|error| wrong(format!("its header is corrupt: {}; save it again", on_one_line(&error))))?;
    let mut header = Header { tensors: Vec::new(), metadata: BTreeMap::new() };
    for (name, member) in entries {
        match member {
            Member::Metadata(Unique(pairs)) => header.metadata = pairs.into_iter().collect(),
            Member::Tensor(info) => header.tensors.push(entry(name, &info, end).map_err(&wrong)?),
        }
    }
    check_places(&mut header.tensors, end, bytes.len()).map_err(wrong)?;
    Ok(header)
}

/// Where the header ends, if the length in front of it can be true.
fn end(bytes: &[u8]) -> std::result::Result<usize, String> {
    let file = bytes.len();
    let Some(length) = bytes.first_chunk::<LENGTH>() else {
        return Err(format!("it has only {file} bytes: it is truncated; copy or save it again"));
    };
    let length = u64::from_le_bytes(*length);
    if length > MOST_BYTES {
        return Err(format!(
            "no .safetensors file, or a corrupt one: it says that its header has {length} bytes, and the \
             format \
             allows {MOST_BYTES}"
        ));
    }
    let end = LENGTH + length as usize;
    if end > file {
        return Err(format!(
            "its header should end at byte {end}, and the file has {file}: it is truncated; copy or save \
             it again"
        ));
    }
    Ok(end)
}

fn entry(name: String, info: &TensorInfo, start: usize) -> std::result::Result<Entry, String> {
    let shape: Vec<u64> = info.shape.iter().map(|&extent| extent as u64).collect();
    let bits = shape
        .iter()
        .try_fold(1u64, |product, &extent| product.checked_mul(extent))
        .and_then(|elements| elements.checked_mul(info.dtype.bitsize() as u64));
    let about =
        |what: String| format!("its header is corrupt: tensor \"{}\" {what}; save it again", shown(&name));
    let Some(bits) = bits else {
        return Err(about("has more elements than can be counted".to_owned()));
    };
    let (begin, end) = info.data_offsets;
    let Some(length) = end.checked_sub(begin) else {
        return Err(about(format!("ends at byte {end}, before it begins at {begin}")));
    };
    if !bits.is_multiple_of(8) || length as u64 != bits / 8 {
        let type_name = self::name(info.dtype);
        return Err(about(format!(
            "takes {length} bytes, and {type_name} {} need {}",
            extents(&shape),
            bits.div_ceil(8)
        )));
    }
    let range = start.checked_add(begin).zip(start.checked_add(end));
    let Some(range) = range else {
        return Err(about(format!("ends at byte {end}, behind the end of the file")));
    };
    Ok(Entry { name, element: info.dtype, shape, range })
}

/// Tensors must follow each other without gaps, from the header's end to the file's.
fn check_places(tensors: &mut [Entry], start: usize, file: usize) -> std::result::Result<(), String> {
    tensors.sort_by(|a, b| (a.range, &a.name).cmp(&(b.range, &b.name)));
    let mut before: Option<&Entry> = None;
    for entry in &*tensors {
        let expected = before.map_or(start, |before| before.range.1);
        let name = shown(&entry.name);
        if entry.range.0 < expected {
            let other = before.map_or(String::new(), |before| shown(&before.name));
            return Err(format!(
                "its header is corrupt: tensors \"{other}\" and \"{name}\" overlap; save it again"
            ));
        }
        if entry.range.0 > expected {
            let gap = entry.range.0 - expected;
            return Err(format!(
                "its header is corrupt: {gap} bytes in front of tensor \"{name}\" belong to no tensor; \
                 save it again"
            ));
        }
        before = Some(entry);
    }
    let end = before.map_or(start, |before| before.range.1);
    if end > file {
        return Err(format!(
            "its tensors should end at byte {end}, and the file has {file}: it is truncated; copy or save \
             it again"
        ));
    }
    if end < file {
        return Err(format!(
            "its tensors end at byte {end}, and the file has {file}: {} bytes belong to no tensor; save it \
             again",
            file - end
        ));
    }
    Ok(())
}

fn extents(shape: &[u64]) -> String {
    let shown: Vec<String> = shape.iter().take(8).map(u64::to_string).collect();
    format!("[{}{}]", shown.join(", "), if shape.len() > 8 { ", …" } else { "" })
}

/// A member of the header's object.
enum Member {
    Metadata(Unique<String>),
    Tensor(TensorInfo),
}

impl Value for Member {
    fn next<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> std::result::Result<Self, A::Error> {
        match key {
            "__metadata__" => map.next_value().map(Self::Metadata),
            _ => map.next_value().map(Self::Tensor),
        }
    }
}
