//! What a machine is, as far as it matters to rows: an allow-list, without host name, user, path or
//! serial number.

mod difference;
mod recorded;

use std::collections::BTreeMap;

use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::device::plan::MODULES;
use crate::device::{Device, DeviceFacts};
use crate::digest::short_hash;

pub use difference::differences;
pub use recorded::{Recorded, RecordedDevice};

/// The content of `environment.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Version of these fields.
    pub schema: u32,
    /// Version of the program.
    pub samebits: &'static str,
    /// Revision that it was built from.
    pub revision: &'static str,
    /// Operating system and version, or `None` if it could not be collected.
    pub os: Option<String>,
    /// Version of the system's kernel, without what a vendor appended to it.
    pub kernel: Option<String>,
    /// Instruction set.
    pub arch: &'static str,
    /// The processor's product name.
    pub cpu: Option<String>,
    /// Cores that this process may use.
    pub cores: Option<usize>,
    /// Vector instructions that the twins are dispatched to.
    pub cpu_features: Vec<&'static str>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Whether it looks like a container.
    pub container: bool,
    /// The devices of the run.
    pub devices: BTreeMap<String, DeviceFacts>,
    /// Short hashes of the PTX that the program carries.
    pub kernels: BTreeMap<&'static str, String>,
}

impl Environment {
    /// Collects what there is to know about this machine and `devices`.
    pub fn collect(devices: &[Box<dyn Device>]) -> Self {
        let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let kernels = MODULES.map(|module| (module.name, module.hash()));
        Self {
            schema: 1,
            samebits: env!("CARGO_PKG_VERSION"),
            revision: env!("SAMEBITS_REVISION"),
            os: System::long_os_version().ok(),
            kernel: System::kernel_version().ok().map(|version| numbers_of(&version)),
            arch: std::env::consts::ARCH,
            cpu: processor(),
            cores: std::thread::available_parallelism().ok().map(usize::from),
            cpu_features: cpu_features(),
            memory_bytes: System::new_with_specifics(memory).ok().map(|system| system.total_memory()),
            container: is_container(),
            devices: devices.iter().map(|device| (device.name(), device.facts())).collect(),
            kernels: kernels.into(),
        }
    }

    /// As the text of `environment.json`.
    pub fn to_json(&self) -> String {
        // Strings, numbers and maps with string keys: serialising them cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Short hash of [`Environment::to_json`].
    pub fn hash(&self) -> String {
        short_hash(self.to_json().as_bytes())
    }
}

/// `6.18.44` of `6.18.44-cloud-amd64`.
fn numbers_of(version: &str) -> String {
    version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect()
}

/// The processor's product name, if the system tells.
pub fn processor() -> Option<String> {
    let cpu = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(cpu).ok()?;
    let brand = system.cpus().first()?.brand().trim().to_owned();
    (!brand.is_empty()).then_some(brand)
}

/// Whether this process seems to run in a container, where a driver may be hidden.
pub fn is_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|path| std::path::Path::new(path).exists())
        || ["container", "KUBERNETES_SERVICE_HOST"].iter().any(|name| std::env::var_os(name).is_some())
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    let known = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    known.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}
