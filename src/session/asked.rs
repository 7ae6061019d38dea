//! A whole search whose losses are measured elsewhere: it is asked for tasks, and told losses in any order.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::search::{Found, PreparedSearch};
use crate::interrupt::Interrupted;
use crate::measure::WindowLoss;
use crate::search::error::SearchError;
use crate::search::searcher::Searcher;
use crate::search::settings::Settings;
use crate::trial::elsewhere::{AnswerError, Asked, Elsewhere};
use crate::trial::error::TrialError;
use crate::trial::measurer::{LossTask, PrunedModel};
use crate::trial::ratios::RealisedRatios;
use crate::trial::subjects::Subjects;

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchProgress {
    /// What proposes candidates now.
    pub searcher: Searcher,
    /// Its seed.
    pub seed: u64,
    /// How many searches and controls are done.
    pub done: usize,
    /// How many searches and controls there are.
    pub all: usize,
    /// How many allocations the current one has measured.
    pub measured: usize,
    /// How many it may measure.
    pub evaluations: usize,
    /// The lowest loss on the fitness text.
    pub best: f64,
}

/// A search that runs on a thread of its own, and waits there for losses.
///
/// With the same seed and lag it finds the same, to the byte, as [`PreparedSearch::run`] does with the same losses, whatever the order
/// in which they are told. Uniform sparsity, the finals and the controls that go by losses ask for tasks too.
#[derive(Debug)]
pub struct AskedSearch {
    elsewhere: Arc<Elsewhere>,
    subjects: Arc<Subjects>,
    settings: Settings,
    progress: Arc<Mutex<Option<SearchProgress>>>,
    thread: Option<JoinHandle<Result<Found, SearchError>>>,
}

/// Says that the search has ended, however it did.
struct Ending(Arc<Elsewhere>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl PreparedSearch {
    /// Begins the search on a thread of its own, where it waits for the losses that it is told.
    pub fn asked(self) -> AskedSearch {
        let (search, elsewhere) = self.measured_elsewhere();
        let subjects = search.subjects();
        let settings = search.settings().clone();
        let progress = Arc::new(Mutex::new(None));
        let (ending, told) = (Ending(Arc::clone(&elsewhere)), Arc::clone(&progress));
        let thread = std::thread::spawn(move || {
            let _ending = ending;
            search.run(&mut |state| {
                let now = SearchProgress {
                    searcher: state.searcher,
                    seed: state.seed,
                    done: state.done,
                    all: state.all,
                    measured: state.spent.evaluations,
                    evaluations: state.evaluations,
                    best: state.best,
                };
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
            })
        });
        AskedSearch { elsewhere, subjects, settings, progress, thread: Some(thread) }
    }
}

impl AskedSearch {
    /// Returns the tasks that came up since this was called last, once the search can go no further without losses; none when losses
    /// of earlier tasks are waited for, or the search is [over](Self::is_over).
    pub fn ask(&self) -> Vec<Asked> {
        self.elsewhere.ask()
    }

    /// Takes the losses of a task, one for each of its windows.
    ///
    /// # Errors
    /// As [`Elsewhere::tell`]; then nothing changes.
    pub fn tell(&self, id: u64, losses: Vec<WindowLoss>) -> Result<(), AnswerError> {
        self.elsewhere.tell(id, losses)
    }

    /// Measures a task with the models of this process; several threads may do so at a time.
    ///
    /// # Errors
    /// When a model cannot run.
    pub fn measure(&self, task: &LossTask) -> Result<Vec<WindowLoss>, TrialError> {
        self.subjects.losses(task)
    }

    /// Returns the ratios of a pruned model, by block and by projection, in whole weights.
    ///
    /// # Errors
    /// When it is not one of the search's models.
    pub fn ratios(&self, model: &PrunedModel) -> Result<RealisedRatios, TrialError> {
        let checkpoint = self.subjects.get(model.subject)?.checkpoint();
        Ok(RealisedRatios::new("", checkpoint, &model.shares))
    }

    /// Returns the settings, with which [`Worker::open`](super::Worker::open) opens the same models elsewhere.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns how far the search is; `None` before its first measurement.
    pub fn progress(&self) -> Option<SearchProgress> {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the search is over, so that nothing more is asked for.
    pub fn is_over(&self) -> bool {
        self.elsewhere.is_over()
    }

    /// Ends the search, and returns what it found; one that is not over is stopped, and can be resumed.
    ///
    /// # Errors
    /// When the search stopped before its end, or as [`PreparedSearch::run`].
    pub fn end(mut self) -> Result<Found, SearchError> {
        match self.stop() {
            Some(Ok(found)) => found,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(SearchError::Interrupted(Interrupted)),
        }
    }

    /// Has the thread end where it waits, and returns what it came to; `None` after the first call.
    fn stop(&mut self) -> Option<std::thread::Result<Result<Found, SearchError>>> {
        self.elsewhere.close();
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for AskedSearch {
    fn drop(&mut self) {
        // A panic was printed where it happened; a second one here would end the process.
        let _ = self.stop();
    }
}
