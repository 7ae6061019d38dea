//! Ctrl-C: the process ends within a second with nothing half-written, and says so.
//!
//! Work that keeps all it has in memory ends at once, wherever it is. Work that writes holds a [`Deferred`] meanwhile: then
//! the first Ctrl-C asks it to stop, and it cleans up after itself at its next step. A step that takes longer than [`GRACE`], or a
//! second Ctrl-C, is not waited for: what was half-written, which has a name of its own, is removed, and the process ends.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use signal_hook::consts::TERM_SIGNALS;

use super::terminal;
use crate::model::temporary_prefix;

/// How often a thread looks whether a signal came; its handler may do no more than set a flag.
const EACH: Duration = Duration::from_millis(50);

/// How long work that writes has for its next step.
const GRACE: Duration = Duration::from_millis(600);

/// How long work that has cleaned up has to say so itself.
const FAREWELL: Duration = Duration::from_millis(300);

/// How long whoever is told at the end has.
const TOLD: Duration = Duration::from_millis(100);

/// What a shell makes of a process that SIGINT ended.
pub(in crate::cli) const EXIT_CODE: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);
static DOWNLOADS: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicU64 = AtomicU64::new(0);
static WRITERS: Mutex<Vec<Writer>> = Mutex::new(Vec::new());

/// Work that writes.
struct Writer {
    id: u64,
    /// The folder in which half-written files and folders lie, under names that begin with [`temporary_prefix`].
    folder: PathBuf,
    /// What is said when it is not waited for.
    farewell: String,
}

/// Something that writes, and so must not be ended halfway; dropped when all is written or cleaned up.
pub(in crate::cli) struct Deferred(u64);

impl Deferred {
    /// Begins work that writes a file or a folder at a path, whole or not at all.
    pub(in crate::cli) fn begin(path: &Path) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        Self::writing(folder, "interrupted; nothing was left behind\n".to_owned())
    }

    /// Begins work that keeps a journal in a folder, so that it goes on later from wherever it ends; `farewell` says how.
    pub(in crate::cli) fn resumable(folder: &Path, farewell: String) -> Self {
        Self::writing(folder.to_owned(), farewell)
    }

    fn writing(folder: PathBuf, farewell: String) -> Self {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        writers().push(Writer { id, folder, farewell });
        Self(id)
    }

    /// Returns the flag that says whether the work is to stop.
    pub(in crate::cli) fn flag(&self) -> &'static AtomicBool {
        flag()
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        writers().retain(|writer| writer.id != self.0);
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

/// Answers Ctrl-C from now on; where the system allows no handler, it ends the process as it always did. `told` is given what is said
/// before the process ends, and has a moment.
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
            // Whoever wrote ends the process now, with what there is to say of the work; unless it goes on with something else.
            std::thread::sleep(FAREWELL);
            return;
        }
        std::thread::sleep(EACH);
    }
}

/// Removes what is half-written, and ends the process.
fn leave(told: impl FnOnce(String) + Send + 'static) -> ! {
    // Held to the end: no other thread begins to write while the process exits.
    let writers = writers();
    let end = if std::io::stderr().is_terminal() { "\n" } else { "" };
    for writer in writers.iter() {
        remove_temporaries(&writer.folder);
    }
    let said = match writers.first() {
        Some(writer) => writer.farewell.as_str(),
        None if DOWNLOADS.load(Ordering::Relaxed) > 0 => {
            "interrupted; what was downloaded is kept, and the same command goes on from there\n"
        }
        None => "interrupted; nothing was left behind\n",
    };
    terminal::message(&format!("{end}{said}"));
    // Whoever reads standard output may have stopped reading.
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
    // Another thread may still add a file to a folder that is being removed.
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
