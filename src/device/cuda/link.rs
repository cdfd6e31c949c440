//! PTX to machine code with the driver's own linker, so that what ran has a hash.

use std::ffi::{CString, c_uint, c_void};
use std::ptr;

use cudarc::driver::sys::{self, CUjit_option, CUlinkState};
use cudarc::driver::{CudaContext, DriverError};

use crate::device::cuda::{describe, failed, probe};
use crate::device::plan::Module;
use crate::error::{Error, Result};

/// The linker's messages, cut off beyond this.
const LOG_BYTES: usize = 8192;

/// The levels of optimisation that the linker knows (CUDA driver API, `CU_JIT_OPTIMIZATION_LEVEL`); the last is that
/// of a link that names none.
pub(super) const LEVELS: [u32; 5] = [0, 1, 2, 3, 4];

/// The machine code of `module` for the GPU of `context`, optimised to `level`, or as usual.
///
/// # Errors
/// With the linker's first useful line, or the remedy where the driver is too old or incomplete.
pub(super) fn link(context: &CudaContext, module: &Module, level: Option<u32>) -> Result<Vec<u8>> {
    let what = format!("compiling kernels/ptx/{}.ptx", module.name);
    context.bind_to_thread().map_err(failed(&what))?;
    let ptx = CString::new(module.ptx).map_err(|_| Error::device(format!("{what}: it has a zero byte")))?;
    let mut linker = Linker::new(level).map_err(failed(&what))?;
    linker
        .add(&ptx)
        .and_then(|()| linker.complete())
        .map_err(|error| Error::device(format!("{what}: {}", explain(error, module.ptx, &linker.messages()))))
}

/// A link in progress, with the memory that the driver writes its messages to.
struct Linker {
    state: CUlinkState,
    log: Vec<u8>,
    // The driver writes back the length of its messages, so these live as long as the state.
    _options: Vec<CUjit_option>,
    _values: Vec<*mut c_void>,
}

impl Linker {
    fn new(level: Option<u32>) -> std::result::Result<Self, DriverError> {
        let mut log = vec![0; LOG_BYTES];
        let mut options =
            vec![CUjit_option::CU_JIT_ERROR_LOG_BUFFER, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        // A number travels in the place of a pointer.
        let mut values = vec![log.as_mut_ptr().cast(), ptr::without_provenance_mut(LOG_BYTES)];
        if let Some(level) = level {
            options.push(CUjit_option::CU_JIT_OPTIMIZATION_LEVEL);
            values.push(ptr::without_provenance_mut(level as usize));
        }
        let mut state = ptr::null_mut();
        let count = options.len() as c_uint;
        // SAFETY: a context is current; options, values and log are kept until the state is destroyed.
        unsafe { sys::cuLinkCreate_v2(count, options.as_mut_ptr(), values.as_mut_ptr(), &mut state) }
            .result()?;
        Ok(Self { state, log, _options: options, _values: values })
    }

    fn add(&mut self, ptx: &CString) -> std::result::Result<(), DriverError> {
        let text = ptx.as_bytes_with_nul();
        // SAFETY: the driver only reads `text`, and only during the call.
        unsafe {
            sys::cuLinkAddData_v2(
                self.state,
                sys::CUjitInputType::CU_JIT_INPUT_PTX,
                text.as_ptr().cast_mut().cast(),
                text.len(),
                c"ptx".as_ptr(),
                0,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        }
        .result()
    }

    fn complete(&mut self) -> std::result::Result<Vec<u8>, DriverError> {
        let (mut cubin, mut size) = (ptr::null_mut::<c_void>(), 0);
        // SAFETY: the state is valid.
        unsafe { sys::cuLinkComplete(self.state, &mut cubin, &mut size) }.result()?;
        // SAFETY: the driver keeps these bytes until the state is destroyed.
        Ok(unsafe { std::slice::from_raw_parts(cubin.cast::<u8>(), size) }.to_vec())
    }

    fn messages(&self) -> String {
        let end = self.log.iter().position(|byte| *byte == 0).unwrap_or(LOG_BYTES);
        String::from_utf8_lossy(&self.log[..end]).into_owned()
    }
}

impl Drop for Linker {
    fn drop(&mut self) {
        // SAFETY: the state is valid and destroyed only here.
        unsafe { sys::cuLinkDestroy(self.state) };
    }
}

fn explain(error: DriverError, ptx: &str, messages: &str) -> String {
    let cause = match first_useful_line(messages) {
        Some(line) => format!("{}: {line}", describe(error)),
        None => describe(error),
    };
    match error.0 {
        sys::CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
            let driver = probe::driver_version().map_or_else(|_| "?".to_owned(), probe::version);
            format!(
                "the driver supports CUDA {driver}, too old for PTX {}: update the driver ({cause})",
                ptx_version(ptx)
            )
        }
        sys::CUresult::CUDA_ERROR_JIT_COMPILER_NOT_FOUND => {
            format!(
                "the driver's libnvidia-ptxjitcompiler.so is missing: install or mount all of the driver ({cause})"
            )
        }
        _ => cause,
    }
}

fn ptx_version(ptx: &str) -> &str {
    ptx.lines().find_map(|line| line.strip_prefix(".version ")).map_or("?", str::trim)
}

/// The first line that tells of an error, or else the first line.
pub(in crate::device) fn first_useful_line(messages: &str) -> Option<&str> {
    let lines = || messages.lines().map(str::trim).filter(|line| !line.is_empty());
    lines().find(|line| line.contains("error") || line.contains("fatal")).or_else(|| lines().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::plan::MODULES;

    #[test]
    fn the_line_that_says_what_is_wrong_is_found() {
        let messages = "ptxas info : 0 bytes gmem\n\nptxas application ptx input, line 5; error : Unknown opcode\nptxas fatal : aborted\n";
        assert_eq!(
            first_useful_line(messages),
            Some("ptxas application ptx input, line 5; error : Unknown opcode")
        );
        assert_eq!(first_useful_line("\n note \n"), Some("note"));
        assert_eq!(first_useful_line(""), None);
    }

    #[test]
    fn the_carried_ptx_tells_its_version() {
        for module in MODULES {
            assert_eq!(ptx_version(module.ptx), "8.0");
        }
    }
}
