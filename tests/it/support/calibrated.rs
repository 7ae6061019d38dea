//! Sessions of the bundled model that collect statistics on four windows of its calibration text.

use std::sync::{Arc, Mutex};

use allot::lang::ops::Op;
use allot::session::{AllocationOptions, Calibration, Event, LoadedScript, Note, Session};
use allot::stats::Source;

use super::place::MODEL;

/// The number of windows.
pub const WINDOWS: usize = 4;

/// Returns the calibration on windows of this many tokens.
pub fn calibration(length: usize) -> Calibration {
    let source = Source::Text(vec![format!("{MODEL}/text/calibration.jsonl").into()]);
    Calibration { samples: WINDOWS, length: Some(length), ..Calibration::of(source) }
}

/// Returns a session that calibrates on windows of this many tokens.
pub fn session(length: usize) -> Session {
    Session::open(MODEL).expect("the bundled model").calibrated(calibration(length))
}

/// Returns a session, and the statistics that it says it collects.
pub fn noting(session: Session) -> (Session, Arc<Mutex<Vec<Op>>>) {
    let notes: Arc<Mutex<Vec<Op>>> = Arc::default();
    let kept = Arc::clone(&notes);
    let session = session.watched(move |event| {
        if let Event::Note(Note::Collecting(op)) = event {
            kept.lock().expect("no test panics with it").push(*op);
        }
    });
    (session, notes)
}

/// Returns a checked script.
pub fn script(text: &str) -> LoadedScript {
    LoadedScript::check("mine", text.as_bytes(), None).expect("a script")
}

/// Returns the importance that a script gives each unit.
pub fn importances(session: &mut Session, text: &str, at: &AllocationOptions<'_>) -> Vec<f64> {
    let outcome = session.allocate(&script(text), at).expect("a value");
    outcome.allocation.units.iter().map(|unit| unit.importance.expect("an importance")).collect()
}
