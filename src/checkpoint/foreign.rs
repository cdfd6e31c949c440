//! Files of other formats that people have checkpoints in, known by their first bytes whatever their name is,
//! and how to convert them. Nothing of them is read further: unpickling runs whatever code the file holds.

use std::path::Path;

use crate::checkpoint::header::LENGTH;

const TORCH: &str = "load it with torch.load(…, weights_only=True) where you trust it, and write it with \
                     safetensors.torch.save_file; it is not read here, because reading a pickle runs the \
                     code \
                     that lies in it";

/// What the file is and what to do, if it is none of ours.
pub fn remedy(path: &Path, bytes: &[u8]) -> Option<String> {
    // Eight bytes of length, then an object. A length may look like the first bytes of anything.
    if bytes.get(LENGTH) == Some(&b'{') && has_possible_length(bytes) {
        return None;
    }
    let is_named = |extension: &str| {
        path.extension().is_some_and(|found| found.to_string_lossy().eq_ignore_ascii_case(extension))
    };
    let is_torch_by_name = ["pt", "pth", "bin", "ckpt", "pkl"].into_iter().any(is_named);
    let starts_with = |magic: &[u8]| bytes.starts_with(magic);
    if starts_with(b"PK\x03\x04") {
        return Some(match zip_entry(bytes) {
            Some(name) if name.ends_with(b".npy") => numpy("an archive of numpy (.npz)"),
            _ => format!("a zip archive, as torch.save writes it, with a pickle in it: {TORCH}"),
        });
    }
    if bytes.first() == Some(&0x80) && bytes.get(1).is_some_and(|version| (2..=5).contains(version)) {
        return Some(format!("a pickle, as older versions of torch.save write it: {TORCH}"));
    }
    if starts_with(b"\x93NUMPY") {
        return Some(numpy("an array of numpy (.npy)"));
    }
    if starts_with(b"GGUF") {
        return Some("a GGUF file; diff the .safetensors checkpoint that it was converted from".to_owned());
    }
    if starts_with(b"\x89HDF\r\n\x1a\n") {
        let how = "load it with Keras or h5py and write its arrays with safetensors.numpy.save_file";
        return Some(format!("an HDF5 file, as Keras writes it: {how}"));
    }
    if starts_with(b"version https://git-lfs") {
        return Some(
            "a pointer of Git LFS in place of the file; fetch the file with `git lfs pull`".to_owned(),
        );
    }
    is_torch_by_name.then(|| format!("no .safetensors file, and by its name one of PyTorch: {TORCH}"))
}

fn numpy(what: &str) -> String {
    format!("{what}: load it with numpy.load and write it with safetensors.numpy.save_file")
}

fn has_possible_length(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk::<LENGTH>().map(|length| u64::from_le_bytes(*length));
    length.is_some_and(|length| length <= bytes.len() as u64)
}

/// The name of a zip archive's first entry.
fn zip_entry(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.get(26..28).map(|length| usize::from(length[0]) | usize::from(length[1]) << 8)?;
    bytes.get(30..30 + length)
}
