//! One `.safetensors` file, mapped.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::checkpoint::foreign;
use crate::checkpoint::header::{self, Entry, Header};
use crate::error::{Error, Result};

/// A mapped file with its checked header.
#[derive(Debug)]
pub struct Mapped {
    /// Where it lies.
    pub path: PathBuf,
    /// What its header says.
    pub header: Header,
    map: Mmap,
}

impl Mapped {
    /// Maps the file and checks its header.
    pub fn open(path: &Path) -> Result<Self> {
        let cannot = || Error::file(path, "cannot read; give a .safetensors file, its index, or a folder");
        let kind = std::fs::metadata(path).map_err(cannot())?;
        // Before it is opened: a pipe would wait for somebody who writes.
        if !kind.is_file() {
            return Err(Error::input(format!(
                "{}: no regular file, so it cannot be mapped into memory; copy it into one",
                path.display()
            )));
        }
        if kind.len() == 0 {
            return Err(Error::input(format!(
                "{}: the file is empty; copy or save it again",
                path.display()
            )));
        }
        let file = File::open(path).map_err(cannot())?;
        // SAFETY: the file is only read, and every byte pattern is valid in it. That nobody else changes or
        // shortens it meanwhile is up to the user, as the module's head says.
        let map = unsafe { Mmap::map(&file) }.map_err(cannot())?;
        // Where the file is not in the page cache yet, it comes there in pieces of 2 MiB, which are mapped whole: page
        // by page that takes nearly as long as the comparison. Where the system knows no such pieces, nothing is lost.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        if let Some(what) = foreign::remedy(path, &map) {
            return Err(Error::input(format!("{}: {what}", path.display())));
        }
        Ok(Self { path: path.to_owned(), header: header::read(path, &map)?, map })
    }

    /// The elements of one of its tensors.
    pub fn bytes(&self, entry: &Entry) -> &[u8] {
        &self.map[entry.range.0..entry.range.1]
    }
}
