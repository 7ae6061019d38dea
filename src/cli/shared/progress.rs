//! Progress on standard error, when it is a terminal.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal;
use crate::lang::ops::Op;
use crate::session::{Event, Note, Phase};

/// A bar from 0 to 1000 thousandths; hidden where nobody looks.
pub(in crate::cli) struct Progress(ProgressBar);

impl Progress {
    /// Begins a bar for some work.
    pub(in crate::cli) fn new(what: &str, quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1000), target);
        let template = "{prefix} {wide_bar} {percent:>3} % {eta:>4} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        Self(bar)
    }

    /// Shows that a share of the work is done.
    pub(in crate::cli) fn at(&self, share: f64) {
        self.0.set_position((share * 1000.0) as u64);
    }

    /// Shows a value that is known so far.
    pub(in crate::cli) fn value(&self, value: f64) {
        self.0.set_message(format!("{value:.3}"));
    }

    /// Shows at what it works.
    pub(in crate::cli) fn says(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// Removes the bar.
    pub(in crate::cli) fn done(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}

/// Returns what shows a session's events on standard error: a bar for each piece of work, and notes.
pub(in crate::cli) fn watch(quiet: bool) -> impl Fn(Event<'_>) + Send + Sync + 'static {
    let shown: Mutex<Option<(Phase, Progress)>> = Mutex::new(None);
    move |event| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            _ if quiet => {}
            Event::Progress { share: 1.0.., .. } => *shown = None,
            Event::Progress { phase, share, value } => {
                if !matches!(&*shown, Some((current, _)) if *current == phase) {
                    *shown = None;
                }
                let (_, bar) = shown.get_or_insert_with(|| (phase, Progress::new(phase.name(), quiet)));
                bar.at(share);
                if let Some(value) = value {
                    bar.value(value);
                }
            }
            Event::Note(note) => {
                *shown = None;
                let kind = if note.is_warning() { "warning" } else { "note" };
                terminal::message(&format!("{kind}: {note}\n"));
            }
        }
    }
}

/// Notes each statistic that is collected without being asked for. An entry holds the terminal, whether it was asked for, and
/// whether it is collected.
pub(in crate::cli) fn say_collected(statistics: &[(Op, bool, bool)], quiet: bool) {
    let watch = watch(quiet);
    for (op, _, _) in statistics.iter().filter(|(_, asked, collected)| *collected && !asked) {
        watch(Event::Note(&Note::Collecting(*op)));
    }
}
