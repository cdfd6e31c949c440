//! The program's own kernels, compiled again at run time: by whichever NVRTC is installed, and under options
//! that change arithmetic. No GPU is needed.
//!
//! PTX of an NVRTC that is newer than the driver does not load: that of CUDA 13.2 not on driver 580. On `sim`
//! that does not matter; on `cuda` the remedy is an older NVRTC, named in [`LIBRARY_VARIABLE`].

mod library;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

pub use library::LIBRARY_VARIABLE;

use crate::condition::CompileSetting;
use crate::device::plan::{HEADERS, Module, Source};
use crate::error::{Error, Result};
use library::{Nvrtc, Search};

/// The library, looked for once: it stays loaded, and so does the reason why it could not be.
static LIBRARY: LazyLock<std::result::Result<Nvrtc, String>> =
    LazyLock::new(|| Search::of_environment().open());

fn library() -> Result<&'static Nvrtc> {
    LIBRARY.as_ref().map_err(Error::device)
}

/// Major and minor version of the library.
///
/// # Errors
/// If there is none: the names that were tried, and the remedy.
pub fn version() -> Result<(i32, i32)> {
    library()?.version()
}

/// The PTX of a module's source, compiled now with the options of its committed PTX and those of `setting`,
/// which replace the former where both say something. It names no folder of this machine.
///
/// # Errors
/// If there is no library, or it does not compile the source: its first line that tells of an error.
pub fn compile(module: &Module, setting: &CompileSetting) -> Result<String> {
    compile_with(library()?, module, setting)
}

/// A module compiled now, in place of `module`. It is compiled once and then kept for as long as the program runs,
/// as what the program carries is.
///
/// # Errors
/// As [`compile`].
pub fn recompiled(module: &'static Module, setting: &CompileSetting) -> Result<&'static Module> {
    type Known = Mutex<HashMap<(&'static str, CompileSetting), &'static Module>>;
    static KNOWN: LazyLock<Known> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(compiled) = known.get(&(module.name, *setting)) {
        return Ok(compiled);
    }
    let ptx: &'static str = String::leak(compile(module, setting)?);
    let compiled: &'static Module = Box::leak(Box::new(Module { ptx, ..*module }));
    known.insert((module.name, *setting), compiled);
    Ok(compiled)
}

fn compile_with(nvrtc: &Nvrtc, module: &Module, setting: &CompileSetting) -> Result<String> {
    let own = module.options().ok_or_else(|| {
        Error::device(format!(
            "kernels/ptx/{}.ptx does not say what options it was compiled with",
            module.name
        ))
    })?;
    let options = setting.options(own);
    Ok(portable(&nvrtc.compile(&module.source, &HEADERS, &options)?, &module.source))
}

/// PTX whose hash does not depend on the current folder: NVRTC makes absolute paths of the names that it is
/// given for sources.
fn portable(ptx: &str, source: &Source) -> String {
    let mut text = String::with_capacity(ptx.len());
    for line in ptx.split_inclusive('\n') {
        match file_line(line) {
            Some((start, path, end)) => {
                let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
                let ours = name == source.name || HEADERS.iter().any(|header| header.name == name);
                text.extend([start, if ours { "kernels/" } else { "" }, name, end]);
            }
            None => text.push_str(line),
        }
    }
    text
}

/// A line `.file N "path"`: what stands before its path, the path, and what stands behind it.
fn file_line(line: &str) -> Option<(&str, &str, &str)> {
    let quoted = line.trim_start().strip_prefix(".file")?;
    let start = line.len() - quoted.len() + quoted.find('"')? + 1;
    let end = start + line[start..].find('"')?;
    Some((&line[..start], &line[start..end], &line[end..]))
}
