//! How much memory there is.

use std::fs;

/// Returns how many bytes can be allocated without swapping, where the system says so (Linux, and its control groups).
pub fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let free = kibibytes * 1024;
    Some(group_free().map_or(free, |limit| free.min(limit)))
}

/// How many bytes of a process are in physical memory, pages of its program counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// At this moment.
    pub now: u64,
    /// The most since the process began.
    pub peak: u64,
}

impl Resident {
    /// Returns how many bytes of this process are in memory, where the system says so (Linux).
    pub fn of_this_process() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/status").ok()?;
        let of = |name: &str| -> Option<u64> {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
        };
        Some(Self { now: of("VmRSS:")?, peak: of("VmHWM:")? })
    }
}

/// Returns what is left of a container's limit.
fn group_free() -> Option<u64> {
    let read = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}
