//! How much memory this process may still take: the machine's free memory, or what the cgroup
//! leaves, whichever is less.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Bytes of host memory that can be taken without swapping; `None` if the system does not tell.
pub fn available() -> Option<u64> {
    let what = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(what).ok()?;
    let machine = system.available_memory();
    Some(system.cgroup_limits().map_or(machine, |limits| machine.min(limits.free_memory)))
}
