//! Whether there is a CUDA driver and a GPU, and if not, why and what helps.

use std::ffi::c_int;
use std::path::Path;

use cudarc::driver::{DriverError, result, sys};

use crate::device::cuda::describe;
use crate::environment::is_container;

/// The oldest driver that takes the carried PTX, as `cuDriverGetVersion` tells it.
const LEAST_VERSION: c_int = 12000;

/// How many GPUs CUDA shows, at least one.
///
/// # Errors
/// Why there are none, as one line with the remedy.
pub fn probe() -> Result<u32, String> {
    let surroundings = Surroundings::look();
    // SAFETY: loads the driver's library, as any CUDA program does. Without it cudarc panics at the
    // first call, so this comes first.
    if !unsafe { sys::is_culib_present() } {
        return Err(surroundings.no_driver());
    }
    let version = driver_version().map_err(|error| surroundings.no_answer(error))?;
    if version < LEAST_VERSION {
        return Err(too_old(version));
    }
    result::init().map_err(|error| surroundings.no_answer(error))?;
    let count = result::device::get_count().map_err(|error| surroundings.no_answer(error))?;
    u32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| surroundings.no_device())
}

/// The newest CUDA version that the driver supports: 12040 for 12.4. Only after [`probe`] found one.
pub(super) fn driver_version() -> Result<c_int, DriverError> {
    let mut version = 0;
    // SAFETY: `version` is valid for writes; allowed before `cuInit`.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result()?;
    Ok(version)
}

/// 12040 as 12.4.
pub(super) fn version(version: c_int) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

fn too_old(found: c_int) -> String {
    format!(
        "the CUDA driver here supports CUDA {}, and the kernels need {}: update it to version 525 or newer",
        version(found),
        version(LEAST_VERSION)
    )
}

/// What tells why a GPU is not visible.
#[derive(Debug, Clone, Default)]
struct Surroundings {
    container: bool,
    /// Whether the kernel driver's devices are there.
    device_files: bool,
    visible_devices: Option<String>,
}

impl Surroundings {
    fn look() -> Self {
        let exists = |path: &&str| Path::new(path).exists();
        Self {
            container: is_container(),
            // The second is that of the Windows Subsystem for Linux.
            device_files: ["/dev/nvidiactl", "/dev/dxg"].iter().any(exists),
            visible_devices: std::env::var("CUDA_VISIBLE_DEVICES").ok(),
        }
    }

    /// A container that was given no GPU: the usual reason inside one, whatever the driver says.
    fn not_passed(&self) -> bool {
        self.container && !self.device_files
    }

    fn no_driver(&self) -> String {
        if self.container {
            "no CUDA driver here: start this container with `--gpus all`".to_owned()
        } else {
            "no CUDA driver here: install NVIDIA's driver, version 525 or newer".to_owned()
        }
    }

    fn no_device(&self) -> String {
        match &self.visible_devices {
            _ if self.not_passed() => "no GPU in this container: start it with `--gpus all`".to_owned(),
            Some(value) => format!(
                "no GPU is visible: CUDA_VISIBLE_DEVICES is \"{value}\"; unset it, or list GPUs that `nvidia-smi -L` shows"
            ),
            None => "a CUDA driver, but no GPU that it can use: see what `nvidia-smi` says".to_owned(),
        }
    }

    fn no_answer(&self, error: DriverError) -> String {
        match error.0 {
            sys::CUresult::CUDA_ERROR_NO_DEVICE => self.no_device(),
            sys::CUresult::CUDA_ERROR_STUB_LIBRARY => {
                "the CUDA driver's library is a stub of the toolkit: take its folder out of LD_LIBRARY_PATH"
                    .to_owned()
            }
            _ if self.not_passed() => self.no_device(),
            _ => format!("the CUDA driver does not start: {}; see what `nvidia-smi` says", describe(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_one_line_with_its_remedy() {
        let bare = Surroundings { device_files: true, ..Surroundings::default() };
        let container = Surroundings { container: true, ..Surroundings::default() };
        let hidden = Surroundings { visible_devices: Some(String::new()), ..bare.clone() };
        let given = Surroundings { container: true, ..hidden.clone() };
        let no_device = DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE);
        let stub = DriverError(sys::CUresult::CUDA_ERROR_STUB_LIBRARY);
        let cases = [
            (bare.no_driver(), "no CUDA driver here: install"),
            (container.no_driver(), "--gpus all"),
            (bare.no_answer(no_device), "nvidia-smi"),
            (container.no_answer(no_device), "--gpus all"),
            (container.no_answer(DriverError(sys::CUresult::CUDA_ERROR_UNKNOWN)), "--gpus all"),
            (hidden.no_answer(no_device), "CUDA_VISIBLE_DEVICES is \"\""),
            (given.no_answer(no_device), "CUDA_VISIBLE_DEVICES"),
            (bare.no_answer(stub), "stub"),
            (too_old(11040), "supports CUDA 11.4, and the kernels need 12.0: update it to version 525"),
        ];
        for (reason, said) in cases {
            assert!(reason.contains(said), "{reason}");
            assert_eq!(reason.lines().count(), 1);
        }
    }

    #[test]
    fn probing_never_panics() {
        match probe() {
            Ok(count) => assert!(count > 0),
            Err(reason) => assert_eq!(reason.lines().count(), 1, "{reason}"),
        }
    }
}
