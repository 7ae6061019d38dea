//! Work that is asked to stop before it is done.

use std::sync::atomic::{AtomicBool, Ordering};

/// Says that something asked the work to stop: another thread, or a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Fails when a flag is set by which another thread, or a signal, asks the work to stop.
///
/// # Errors
/// When it is set.
pub fn check(flag: Option<&AtomicBool>) -> Result<(), Interrupted> {
    match flag {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(Interrupted),
        _ => Ok(()),
    }
}
