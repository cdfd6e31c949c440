//! Tensors on their way from one process to another: a `.safetensors` file, and for each tensor a checksum
//! that goes over apart from it. Errors name the file without its folder, which is another one every time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::result::Result;

use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype as Stored, SafeTensorError};

use crate::digest::digest;
use crate::tensor::{Dtype, Tensor};

/// The checksum of a tensor: its digest.
pub fn checksum(tensor: &Tensor) -> String {
    digest([tensor]).to_string()
}

/// Writes tensors into the file `name` of `folder`, each under its name there.
pub fn write(folder: &Path, name: &str, tensors: &[(String, &Tensor)]) -> Result<(), String> {
    let views: Result<Vec<_>, _> = tensors.iter().map(|(key, tensor)| Ok((key, view(tensor)?))).collect();
    views
        .and_then(|views| safetensors::serialize_to_file(views, None, &folder.join(name)))
        .map_err(|error| format!("{name}: cannot write: {error}"))
}

fn view(tensor: &Tensor) -> Result<TensorView<'_>, SafeTensorError> {
    TensorView::new(stored(tensor.dtype()), vec![tensor.len()], tensor.bytes())
}

fn stored(dtype: Dtype) -> Stored {
    match dtype {
        Dtype::F16 => Stored::F16,
        Dtype::F32 => Stored::F32,
    }
}

/// A file of tensors. Elements go straight into their tensor: large ones do not lie in memory twice.
pub struct Reader<'a> {
    name: &'a str,
    file: File,
    metadata: Metadata,
    /// Where elements begin.
    start: u64,
}

impl<'a> Reader<'a> {
    /// Opens the file `name` of `folder`.
    pub fn open(folder: &Path, name: &'a str) -> Result<Self, String> {
        let cannot = |error| format!("{name}: cannot read: {error}");
        let mut file = File::open(folder.join(name)).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(cannot)?;
        let start = u64::from_le_bytes(size).saturating_add(8);
        // Before memory is taken for it: a damaged size may be any number.
        if start > length {
            return Err(format!("{name}: its header ends at byte {start}, and the file has {length}"));
        }
        let mut header = vec![0; (start - 8) as usize];
        file.read_exact(&mut header).map_err(cannot)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| format!("{name}: {error}"))?;
        let end = start.saturating_add(metadata.data_len() as u64);
        if end != length {
            return Err(format!("{name}: its tensors end at byte {end}, and the file has {length}"));
        }
        Ok(Self { name, file, metadata, start })
    }

    /// Fills `tensor` with what the file has under `key`, which must be of its type and length and have that
    /// checksum.
    pub fn read(&mut self, key: &str, tensor: &mut Tensor, wanted: &str) -> Result<(), String> {
        let name = self.name;
        let info = self.metadata.info(key).ok_or_else(|| format!("{name}: there is no {key} in it"))?;
        let (dtype, shape) = (stored(tensor.dtype()), [tensor.len()]);
        if info.dtype != dtype || info.shape != shape {
            return Err(format!(
                "{name}: {key} is {:?} {:?} in place of {dtype:?} {shape:?}",
                info.dtype, info.shape
            ));
        }
        let offset = self.start + info.data_offsets.0 as u64;
        let mut read = || {
            self.file.seek(SeekFrom::Start(offset))?;
            self.file.read_exact(tensor.bytes_mut())
        };
        read().map_err(|error| format!("{name}: cannot read {key}: {error}"))?;
        let found = checksum(tensor);
        if found == wanted {
            return Ok(());
        }
        Err(format!("{name}: {key} has the checksum {found}, and {wanted} was told"))
    }
}
