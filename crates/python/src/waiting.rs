//! Long work beside Python: the lock of the interpreter is released, progress is told, and Ctrl-C stops it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

/// How often signals are looked for.
const TICK: Duration = Duration::from_millis(50);
/// How long work that was asked to stop is waited for, so that it can clean up.
const FAREWELL: Duration = Duration::from_millis(900);

/// What work says on its way.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// How far it is: what is done, the share, and a value that is measured.
    Progress(String, f64, Option<f64>),
    /// Something that the user should know.
    Warning(String),
}

/// Carries what work says from its thread to Python's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox(Arc<Mutex<Vec<Said>>>);

impl Inbox {
    /// Says something.
    pub(crate) fn say(&self, said: Said) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of progress the last counts.
        if let (Some(Said::Progress(..)), Said::Progress(..)) = (all.last(), &said) {
            all.pop();
        }
        all.push(said);
    }

    /// Hands what was said to Python: progress to a callable, and warnings to `warnings`.
    fn tell(&self, py: Python<'_>, progress: Option<&Py<PyAny>>) -> PyResult<()> {
        let said = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for one in said {
            match (one, progress) {
                (Said::Progress(phase, share, value), Some(progress)) => {
                    progress.call1(py, (phase, share, value))?;
                }
                (Said::Progress(..), None) => {}
                (Said::Warning(text), _) => {
                    let category = py.import("allot.errors")?.getattr("AllotWarning")?;
                    py.import("warnings")?.call_method1("warn", (text, category, 2))?;
                }
            }
        }
        Ok(())
    }
}

/// A flag that asks work to stop.
pub(crate) type Stop = Arc<AtomicBool>;

/// Does work on a thread of its own until it is done, or a signal handler of Python raises; the work is then asked to stop, and left
/// to itself if it takes longer than a second.
///
/// # Errors
/// What a signal handler, or `progress`, raises.
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    stop: &Stop,
    inbox: &Inbox,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        // Nobody receives it once a signal came.
        let _ = sender.send(work());
    });
    let receiver = Mutex::new(receiver);
    let next =
        |timeout| py.detach(|| receiver.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(timeout));
    loop {
        let received = next(TICK);
        let told = inbox.tell(py, progress).and_then(|()| py.check_signals());
        if let Err(error) = told {
            stop.store(true, Ordering::Relaxed);
            let _ = next(FAREWELL);
            return Err(error);
        }
        match received {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                // The thread sends before it ends.
                Ok(()) => {
                    return Err(pyo3::exceptions::PyRuntimeError::new_err("the work ended without a result"));
                }
            },
        }
    }
}
