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

/// Returns what is left of a container's limit.
fn group_free() -> Option<u64> {
    let read = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}
