//! Interruption of work before it is done.

use std::sync::atomic::{AtomicBool, Ordering};

/// The error of work that another thread or a signal asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Fails if the flag is set with which another thread or a signal asks the work to stop.
///
/// # Errors
/// When the flag is set.
pub fn check(flag: Option<&AtomicBool>) -> Result<(), Interrupted> {
    match flag {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(Interrupted),
        _ => Ok(()),
    }
}
