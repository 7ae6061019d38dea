//! Ctrl-C: the process ends within a second, leaves nothing half-written, and says so.
//!
//! Work that keeps everything in memory ends at once. Work that writes holds a [`Deferred`]: the first Ctrl-C then asks it to
//! stop, and it cleans up at its next step. If the step takes longer than [`GRACE`], or after a second Ctrl-C, half-written files,
//! which have temporary names, are removed and the process ends.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use signal_hook::consts::TERM_SIGNALS;

use super::terminal;
use crate::model::temporary_prefix;

/// Interval at which a thread checks for a signal; the signal handler itself only sets a flag.
const EACH: Duration = Duration::from_millis(50);

/// Time that work that writes has to reach its next step.
const GRACE: Duration = Duration::from_millis(600);

/// Time that work has to print its own message after it has cleaned up.
const FAREWELL: Duration = Duration::from_millis(300);

/// Time that the last callback has before the process exits.
const TOLD: Duration = Duration::from_millis(100);

/// The exit code that shells use for a process ended by SIGINT.
pub(in crate::cli) const EXIT_CODE: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);
static DOWNLOADS: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicU64 = AtomicU64::new(0);
static WRITERS: Mutex<Vec<Writer>> = Mutex::new(Vec::new());

/// Work that writes.
struct Writer {
    id: u64,
    /// The folder that holds half-written files and folders, whose names begin with [`temporary_prefix`].
    folder: PathBuf,
    /// The message that is printed if the process does not wait for the work.
    farewell: String,
}

/// A guard for work that writes and must not end halfway; dropped when everything is written or cleaned up.
pub(in crate::cli) struct Deferred(u64);

impl Deferred {
    /// Begins work that writes a file or a folder at a path, whole or not at all.
    pub(in crate::cli) fn begin(path: &Path) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        Self::writing(folder, "interrupted; nothing was left behind\n".to_owned())
    }

    /// Begins work that keeps a journal in a folder and so can be resumed from any point; `farewell` says how.
    pub(in crate::cli) fn resumable(folder: &Path, farewell: String) -> Self {
        Self::writing(folder.to_owned(), farewell)
    }

    fn writing(folder: PathBuf, farewell: String) -> Self {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        writers().push(Writer { id, folder, farewell });
        Self(id)
    }

    /// Returns the flag that is set when the work must stop.
    pub(in crate::cli) fn flag(&self) -> &'static AtomicBool {
        flag()
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        writers().retain(|writer| writer.id != self.0);
    }
}

/// Returns the flag that is set when the process was asked to stop, for work that will hold a [`Deferred`] later.
pub(in crate::cli) fn flag() -> &'static AtomicBool {
    &ASKED
}

/// Waits for the process to end. Work that sees the flag and writes nothing calls this; the thread that set the flag ends the process.
pub(in crate::cli) fn end() -> ! {
    loop {
        std::thread::sleep(EACH);
    }
}

/// A guard for a download. It may end at any point, as the hub's cache keeps the part that has arrived and the next download continues.
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

/// Handles Ctrl-C from now on. If the system allows no handler, Ctrl-C ends the process as usual. `told` receives the final message
/// before the process ends, and has [`TOLD`] to finish.
pub(in crate::cli) fn watch(told: impl FnOnce(String) + Send + 'static) {
    let caught = Arc::new(AtomicBool::new(false));
    for signal in TERM_SIGNALS {
        if signal_hook::flag::register(*signal, Arc::clone(&caught)).is_err() {
            return;
        }
    }
    std::thread::spawn(move || {
        while !caught.swap(false, Ordering::Relaxed) {
            std::thread::sleep(EACH);
        }
        ASKED.store(true, Ordering::Relaxed);
        wait_for_writers(&caught);
        leave(told);
    });
}

/// Waits until nothing is being written, a step takes too long, or another signal comes.
fn wait_for_writers(caught: &AtomicBool) {
    if writers().is_empty() {
        return;
    }
    let asked = Instant::now();
    while asked.elapsed() < GRACE && !caught.load(Ordering::Relaxed) {
        if writers().is_empty() {
            // The work that wrote usually prints its own message and ends the process now, unless it continues with something else.
            std::thread::sleep(FAREWELL);
            return;
        }
        std::thread::sleep(EACH);
    }
}

/// Removes what is half-written, and ends the process.
fn leave(told: impl FnOnce(String) + Send + 'static) -> ! {
    // Held to the end, so that no other thread begins to write while the process exits.
    let writers = writers();
    let end = if std::io::stderr().is_terminal() { "\n" } else { "" };
    for writer in writers.iter() {
        remove_temporaries(&writer.folder);
    }
    let said = match writers.first() {
        Some(writer) => writer.farewell.as_str(),
        None if DOWNLOADS.load(Ordering::Relaxed) > 0 => {
            "interrupted; the downloaded part is kept, and the same command continues from there\n"
        }
        None => "interrupted; nothing was left behind\n",
    };
    terminal::message(&format!("{end}{said}"));
    // `told` may block if the reader of standard output has stopped reading.
    let said = said.trim_end().to_owned();
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        told(said);
        let _ = done.send(());
    });
    let _ = wait.recv_timeout(TOLD);
    std::process::exit(EXIT_CODE.into());
}

/// Removes this process's temporary files and folders in a folder.
fn remove_temporaries(folder: &Path) {
    let prefix = temporary_prefix();
    // Another thread may still add a file to a folder while it is being removed, so try several times.
    for _ in 0..3 {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for path in entries.flatten().filter(|it| it.file_name().to_string_lossy().starts_with(&prefix)) {
            let path = path.path();
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
    }
}

fn writers() -> MutexGuard<'static, Vec<Writer>> {
    WRITERS.lock().unwrap_or_else(PoisonError::into_inner)
}
