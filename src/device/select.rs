//! From `--device` to devices.

use crate::device::cpu::Cpu;
use crate::device::sim::Sim;
use crate::device::{Device, cuda};
use crate::error::{Error, Result};

/// Devices to run on, and how they were come by.
pub struct Selected {
    /// At least one.
    pub devices: Vec<Box<dyn Device>>,
    /// A remark for the first line, for instance why there is no GPU.
    pub remark: Option<String>,
}

/// Opens what `--device` names: `auto`, `cpu`, `sim`, `cuda`, `cuda:N` or `cuda:all`. A GPU that others
/// use is refused unless `shared`; `sim` executes what takes at most so many thread instructions.
///
/// # Errors
/// If the name is unknown, or names a GPU that is not there or refuses.
pub fn select(name: &str, shared: bool, most_instructions: u64) -> Result<Selected> {
    let no_remark = |devices| Ok(Selected { devices, remark: None });
    match name {
        "auto" => auto(shared),
        "cpu" => no_remark(vec![Box::new(Cpu::new()?)]),
        "cuda" => no_remark(vec![open_cuda(0, shared)?]),
        "cuda:all" => no_remark((0..cuda_count()?).map(|n| open_cuda(n, shared)).collect::<Result<_>>()?),
        "sim" => no_remark(vec![Box::new(Sim::new(most_instructions))]),
        _ => match name.strip_prefix("cuda:").map(str::parse) {
            Some(Ok(ordinal)) => no_remark(vec![open_cuda(ordinal, shared)?]),
            _ => Err(Error::input(format!(
                "unknown device \"{name}\"; use auto, cpu, sim, cuda, cuda:N or cuda:all"
            ))),
        },
    }
}

fn auto(shared: bool) -> Result<Selected> {
    match cuda::probe() {
        Ok(_) => Ok(Selected { devices: vec![open_cuda(0, shared)?], remark: None }),
        Err(reason) => {
            let remark = format!("{reason}; this measures the CPU and says nothing about your GPU");
            Ok(Selected { devices: vec![Box::new(Cpu::new()?)], remark: Some(remark) })
        }
    }
}

fn cuda_count() -> Result<u32> {
    cuda::probe().map_err(Error::Input)
}

fn open_cuda(ordinal: u32, shared: bool) -> Result<Box<dyn Device>> {
    let count = cuda_count()?;
    if ordinal >= count {
        return Err(Error::input(format!(
            "no device cuda:{ordinal}: CUDA shows {count} here, numbered from 0"
        )));
    }
    Ok(Box::new(cuda::open(ordinal as usize, shared)?))
}
