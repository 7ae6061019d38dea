//! Long work on a thread: Python's interpreter lock is released, progress is reported, and Ctrl-C stops the work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

/// Interval at which signals are checked.
const TICK: Duration = Duration::from_millis(50);
/// Time that work has to clean up after it was asked to stop.
const FAREWELL: Duration = Duration::from_millis(900);

/// A message from running work.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// Progress: the name of the current work, the share that is done, and a measured value.
    Progress(String, f64, Option<f64>),
    /// A warning for the user.
    Warning(String),
}

/// Carries messages from the thread of the work to Python's thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox(Arc<Mutex<Vec<Said>>>);

impl Inbox {
    /// Adds a message.
    pub(crate) fn say(&self, said: Said) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the latest progress matters.
        if let (Some(Said::Progress(..)), Said::Progress(..)) = (all.last(), &said) {
            all.pop();
        }
        all.push(said);
    }

    /// Passes the messages to Python: progress to a callable, and warnings to `warnings`.
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

/// Runs work on its own thread until it is done, or until a signal handler of Python raises. The work is then asked to stop, and is
/// abandoned if that takes longer than a second.
///
/// # Errors
/// The exception that a signal handler or `progress` raises.
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    stop: &Stop,
    inbox: &Inbox,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        // The receiver is gone if a signal has come.
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
                // Cannot happen, as the thread sends its result before it ends.
                Ok(()) => {
                    return Err(pyo3::exceptions::PyRuntimeError::new_err("the work ended without a result"));
                }
            },
        }
    }
}
