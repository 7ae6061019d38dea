//! Progress on standard error: a bar on a terminal; elsewhere, such as in the log of a batch job, one line a minute.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{context, terminal};
use crate::lang::ops::Op;
use crate::session::{Event, Note, Phase};

/// Time before the first line without a terminal, and between the following lines.
const FIRST_LINE: Duration = Duration::from_secs(10);
const NEXT_LINE: Duration = Duration::from_secs(60);

/// Terminals with fewer columns get a short bar.
const NARROW: usize = 70;

/// The progress of one piece of work.
pub(in crate::cli) struct Progress {
    bar: ProgressBar,
    lines: Mutex<Lines>,
}

/// The lines of a log.
struct Lines {
    /// Whether lines are written: standard error is not a terminal, and messages are wanted.
    written: bool,
    what: String,
    detail: String,
    begun: Instant,
    next: Duration,
}

impl Progress {
    /// Starts the progress of some work.
    pub(in crate::cli) fn new(what: &str, quiet: bool) -> Self {
        let quiet = quiet || terminal::is_set("ALLOT_NO_PROGRESS");
        let terminal = std::io::stderr().is_terminal();
        let target = match !quiet && terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(1000), target);
        // `wide_msg` takes the rest of the line, so the line never wraps.
        let cells = if terminal::width_of_errors() < NARROW { 8 } else { 24 };
        let template = format!("{{prefix}} {{bar:{cells}}} {{percent:>3}} % {{wide_msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_secs(1));
        let lines = Lines {
            written: !quiet && !terminal,
            what: what.to_owned(),
            detail: String::new(),
            begun: Instant::now(),
            next: FIRST_LINE,
        };
        Self { bar, lines: Mutex::new(lines) }
    }

    /// Changes the name of the work.
    pub(in crate::cli) fn named(&self, what: &str) {
        self.bar.set_prefix(what.to_owned());
        what.clone_into(&mut self.lines().what);
    }

    /// Shows that a share of the work is done.
    pub(in crate::cli) fn at(&self, share: f64) {
        let left = left(self.lines().begun.elapsed(), share);
        self.at_with(share, left);
    }

    /// Shows that a share of the work is done, and the time left if it is known.
    pub(in crate::cli) fn at_with(&self, share: f64, left: Option<Duration>) {
        let lines = self.lines();
        let parts =
            [lines.detail.clone(), left.map_or_else(String::new, |left| format!("{} left", short(left)))];
        let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        drop(lines);
        self.bar.set_position((share * 1000.0) as u64);
        self.bar.set_message(said.join(", "));
        self.lines().at(share, &said);
    }

    /// Shows the value so far.
    pub(in crate::cli) fn value(&self, value: f64) {
        self.lines().detail = format!("{value:.3} so far");
    }

    /// Shows the current item of the work.
    pub(in crate::cli) fn says(&self, what: &str) {
        what.clone_into(&mut self.lines().detail);
    }

    /// Removes the bar.
    pub(in crate::cli) fn done(&self) {
        self.bar.finish_and_clear();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}

impl Lines {
    /// Writes a line if one is due.
    fn at(&mut self, share: f64, said: &[String]) {
        let elapsed = self.begun.elapsed();
        if !self.written || elapsed < self.next {
            return;
        }
        self.next = elapsed + NEXT_LINE;
        terminal::message(&line(&self.what, share, said));
    }
}

fn line(what: &str, share: f64, said: &[String]) -> String {
    let percent = format!("{:.0} %", 100.0 * share);
    let said = std::iter::once(percent).chain(said.iter().cloned()).collect::<Vec<_>>();
    format!("{what}: {}\n", said.join(", "))
}

/// Estimates the time left, once enough is done.
fn left(elapsed: Duration, share: f64) -> Option<Duration> {
    let known = share > 0.01 && share <= 1.0 && elapsed > Duration::from_secs(2);
    known.then(|| elapsed.mul_f64((1.0 - share) / share))
}

/// Formats a time in one or two units: `40 s`, `6 min`, `2 h 5 min`.
pub(in crate::cli) fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=90 => format!("{seconds} s"),
        91..=5400 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Returns a function that shows a session's events on standard error: a bar for each phase, and notes.
pub(in crate::cli) fn watch(quiet: bool) -> impl Fn(Event<'_>) + Send + Sync + 'static {
    let shown: Mutex<Option<(Phase, Progress)>> = Mutex::new(None);
    move |event| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Progress { .. } if quiet => {}
            Event::Progress { share: 1.0.., .. } => *shown = None,
            Event::Progress { phase, share, value } => {
                if !matches!(&*shown, Some((current, _)) if *current == phase) {
                    *shown = None;
                }
                let (_, bar) = shown.get_or_insert_with(|| (phase, Progress::new(phase.name(), quiet)));
                if let Some(value) = value {
                    bar.value(value);
                }
                bar.at(share);
            }
            Event::Note(note) => {
                *shown = None;
                let kind = if note.is_warning() { "warning" } else { "note" };
                context::warn(kind, &note.to_string(), quiet);
            }
        }
    }
}

/// Notes each statistic that is collected although no option asks for it. An entry holds the terminal, whether an option asks for
/// it, and whether it is collected.
pub(in crate::cli) fn say_collected(statistics: &[(Op, bool, bool)], quiet: bool) {
    let watch = watch(quiet);
    for (op, _, _) in statistics.iter().filter(|(_, asked, collected)| *collected && !asked) {
        watch(Event::Note(&Note::Collecting(*op)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_shows_the_progress() {
        let said = ["owl".to_owned(), "6 min left".to_owned()];
        assert_eq!(line("comparing", 0.254, &said), "comparing: 25 %, owl, 6 min left\n");
        assert_eq!(line("calibrating", 0.0, &[]), "calibrating: 0 %\n");
    }

    #[test]
    fn times_are_short() {
        let shown = [40, 91, 360, 7500].map(|seconds| short(Duration::from_secs(seconds)));
        assert_eq!(shown, ["40 s", "2 min", "6 min", "2 h 5 min"]);
        assert_eq!(left(Duration::from_secs(1), 0.5), None, "too early to tell");
        assert_eq!(left(Duration::from_secs(30), 0.25), Some(Duration::from_secs(90)));
    }
}
