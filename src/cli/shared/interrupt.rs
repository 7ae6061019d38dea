//! Ctrl-C: the process ends with nothing half-written, and says so.
//!
//! Work that keeps all it has in memory ends at once, wherever it is. Work that writes holds a [`Deferred`] meanwhile: then
//! the first Ctrl-C only asks, and the work cleans up after itself at its next step. A second one ends that too.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::TERM_SIGNALS;

use super::terminal;

/// How often a thread looks whether a signal came; its handler may do no more than set a flag.
const EACH: Duration = Duration::from_millis(50);

/// What a shell makes of a process that SIGINT ended.
pub(in crate::cli) const EXIT_CODE: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);
static DOWNLOADS: AtomicUsize = AtomicUsize::new(0);
static WRITERS: Mutex<usize> = Mutex::new(0);

/// Something that writes, and so must not be ended halfway; dropped when all is written or cleaned up.
pub(in crate::cli) struct Deferred(());

impl Deferred {
    /// Begins work that writes.
    pub(in crate::cli) fn begin() -> Self {
        *writers() += 1;
        Self(())
    }

    /// Returns the flag that says whether the work is to stop.
    pub(in crate::cli) fn flag(&self) -> &'static AtomicBool {
        flag()
    }
}

/// Returns the flag that says whether the process was asked to stop, for work that will hold a [`Deferred`] later.
pub(in crate::cli) fn flag() -> &'static AtomicBool {
    &ASKED
}

/// Waits for the process to end: who sees the flag set, and writes nothing, is ended by the thread that set it.
pub(in crate::cli) fn end() -> ! {
    loop {
        std::thread::sleep(EACH);
    }
}

/// A download: what has come is kept in the hub's cache, so it may end anywhere, and the next one goes on.
pub(in crate::cli) struct Resumable(());

impl Resumable {
    /// Begins a download.
    pub(in crate::cli) fn begin() -> Self {
        DOWNLOADS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Resumable {
    fn drop(&mut self) {
        DOWNLOADS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        *writers() -= 1;
    }
}

/// Answers Ctrl-C from now on; where the system allows no handler, it ends the process as it always did.
pub(in crate::cli) fn watch() {
    let caught = Arc::new(AtomicBool::new(false));
    for signal in TERM_SIGNALS {
        if signal_hook::flag::register(*signal, Arc::clone(&caught)).is_err() {
            return;
        }
    }
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(EACH);
            if caught.swap(false, Ordering::Relaxed) {
                answer();
            }
        }
    });
}

/// Ends the process, or asks what writes to stop.
fn answer() {
    let again = ASKED.swap(true, Ordering::Relaxed);
    // Held to the end: no other thread begins to write while the process exits.
    let writers = writers();
    let end = if std::io::stderr().is_terminal() { "\n" } else { "" };
    match (*writers, again) {
        (0, _) if DOWNLOADS.load(Ordering::Relaxed) > 0 => terminal::message(&format!(
            "{end}interrupted; what was downloaded is kept, and the same command goes on from there\n"
        )),
        (0, _) => terminal::message(&format!("{end}interrupted; nothing was left behind\n")),
        (_, false) => return,
        (_, true) => terminal::message(&format!("{end}ended while writing; a hidden folder may be left\n")),
    }
    std::process::exit(EXIT_CODE.into());
}

fn writers() -> MutexGuard<'static, usize> {
    WRITERS.lock().unwrap_or_else(PoisonError::into_inner)
}
