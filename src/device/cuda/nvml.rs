//! What NVML adds to CUDA: other processes, clocks, throttling, the driver's version. All of it is
//! optional: without NVML, or where it refuses, nothing is known.

use std::cell::Cell;
use std::fmt;
use std::sync::LazyLock;

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, EventSet, Nvml};

use crate::device::FaultCounts;

/// The library, looked for once: events that are registered live as long as it does.
static NVML: LazyLock<Option<Nvml>> = LazyLock::new(|| Nvml::init().ok());

/// A GPU or a MIG instance as NVML sees it.
#[derive(Debug)]
pub(super) struct Monitor {
    nvml: &'static Nvml,
    /// NVML's form of the UUID; a device's index may differ from CUDA's.
    uuid: String,
    mig: bool,
    xids: Option<Xids>,
}

impl Monitor {
    /// Finds the device with CUDA's `uuid`. `None` if NVML is not there, or does not know it.
    pub(super) fn open(uuid: &[u8; 16]) -> Option<Self> {
        let nvml = NVML.as_ref()?;
        let uuid = forms(uuid).into_iter().find(|form| nvml.device_by_uuid(form.as_str()).is_ok())?;
        let mig = uuid.starts_with("MIG-");
        let mut monitor = Self { nvml, uuid, mig, xids: None };
        monitor.xids = monitor.of_gpu(|gpu| Xids::of(nvml, gpu));
        Some(monitor)
    }

    /// Its UUID as NVML and `CUDA_VISIBLE_DEVICES` write it.
    pub(super) fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Whether it is a MIG instance.
    pub(super) fn is_mig(&self) -> bool {
        self.mig
    }

    /// How many other processes compute on it, if NVML tells. In a container it may see none.
    pub(super) fn other_processes(&self) -> Option<usize> {
        let processes = self.device().ok()?.running_compute_processes().ok()?;
        Some(processes.iter().filter(|process| process.pid != std::process::id()).count())
    }

    /// The driver's version.
    pub(super) fn driver(&self) -> Option<String> {
        self.nvml.sys_driver_version().ok()
    }

    /// Whether heat or power slows the clock now.
    pub(super) fn throttled(&self) -> Option<bool> {
        let slowed = ThrottleReasons::HW_SLOWDOWN
            | ThrottleReasons::HW_THERMAL_SLOWDOWN
            | ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN
            | ThrottleReasons::SW_THERMAL_SLOWDOWN
            | ThrottleReasons::SW_POWER_CAP;
        Some(self.of_gpu(|gpu| gpu.current_throttle_reasons())?.intersects(slowed))
    }

    /// The multiprocessors' clock in MHz now.
    pub(super) fn clock_mhz(&self) -> Option<u32> {
        self.of_gpu(|gpu| gpu.clock_info(Clock::SM))
    }

    /// Errors of its memory since the driver was loaded, corrected or not, where error correction is on; and critical
    /// Xid errors since it was opened.
    pub(super) fn fault_counts(&self) -> FaultCounts {
        let errors = |kind| self.of_gpu(|gpu| gpu.total_ecc_errors(kind, EccCounter::Volatile));
        let both = errors(MemoryError::Corrected).zip(errors(MemoryError::Uncorrected));
        FaultCounts {
            ecc: both.map(|(corrected, uncorrected)| corrected + uncorrected),
            xid: self.xids.as_ref().map(Xids::count),
        }
    }

    fn device(&self) -> Result<Device<'static>, NvmlError> {
        self.nvml.device_by_uuid(self.uuid.as_str())
    }

    /// Asks the whole GPU: its MIG instances share the clocks and have no answer of their own.
    fn of_gpu<T>(&self, ask: impl FnOnce(&Device<'static>) -> Result<T, NvmlError>) -> Option<T> {
        let device = self.device().ok()?;
        let gpu = if self.mig { device.mig_parent_device().ok()? } else { device };
        ask(&gpu).ok()
    }
}

/// Critical Xid errors. NVML keeps no count of them: it hands them out as events, one by one.
struct Xids {
    events: EventSet<'static>,
    seen: Cell<u64>,
}

impl Xids {
    #[cfg(target_os = "linux")]
    fn of(nvml: &'static Nvml, gpu: &Device<'static>) -> Result<Self, NvmlError> {
        let events = nvml.create_event_set()?;
        let events =
            gpu.register_events(EventTypes::CRITICAL_XID_ERROR, events).map_err(|error| error.error)?;
        Ok(Self { events, seen: Cell::new(0) })
    }

    #[cfg(not(target_os = "linux"))]
    fn of(_: &'static Nvml, _: &Device<'static>) -> Result<Self, NvmlError> {
        Err(NvmlError::NotSupported)
    }

    /// How many came since they were registered: those seen before, and those that wait to be taken.
    fn count(&self) -> u64 {
        while self.events.wait(0).is_ok_and(|event| event.event_type.contains(EventTypes::CRITICAL_XID_ERROR))
        {
            self.seen.set(self.seen.get() + 1);
        }
        self.seen.get()
    }
}

impl fmt::Debug for Xids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xids").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// The ways in which NVML may write a UUID.
pub(super) fn forms(uuid: &[u8; 16]) -> [String; 2] {
    let hex = |range: std::ops::Range<usize>| -> String {
        uuid[range].iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let dashed = [hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)].join("-");
    [format!("MIG-{dashed}"), format!("GPU-{dashed}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_written_as_nvml_writes_them() {
        let uuid = std::array::from_fn(|index| (index * 17) as u8);
        assert_eq!(forms(&uuid)[1], "GPU-00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(forms(&uuid)[0].replace("MIG", "GPU"), forms(&uuid)[1]);
    }

    #[test]
    fn without_the_device_nothing_is_known() {
        assert!(Monitor::open(&[0xab; 16]).is_none());
    }
}
