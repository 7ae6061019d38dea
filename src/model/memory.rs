//! Memory of the system and of this process.

use std::fs;

/// Returns the bytes that can be allocated without swapping, if the system reports them (Linux, and its
/// control groups).
pub fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let free = kibibytes * 1024;
    Some(group_free().map_or(free, |limit| free.min(limit)))
}

/// The bytes of a process in physical memory, including the pages of its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// At present.
    pub now: u64,
    /// The maximum since the process started.
    pub peak: u64,
}

impl Resident {
    /// Returns the memory of this process, if the system reports it (Linux).
    pub fn of_this_process() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/status").ok()?;
        let of = |name: &str| -> Option<u64> {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
        };
        Some(Self { now: of("VmRSS:")?, peak: of("VmHWM:")? })
    }
}

/// Returns the remainder of a container's limit.
fn group_free() -> Option<u64> {
    let read = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}
