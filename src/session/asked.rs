//! A whole search whose losses are measured elsewhere: it hands out tasks and takes losses in any order.

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

/// Progress of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchProgress {
    /// The searcher that runs now.
    pub searcher: Searcher,
    /// Its seed.
    pub seed: u64,
    /// Number of finished searches and controls.
    pub done: usize,
    /// Total number of searches and controls.
    pub all: usize,
    /// Number of allocations that the current one has measured.
    pub measured: usize,
    /// Number of allocations that it may measure.
    pub evaluations: usize,
    /// The lowest loss on the fitness text so far.
    pub best: f64,
}

/// A search that runs on its own thread and waits there for losses.
///
/// With the same seed, lag and losses, its results equal those of [`PreparedSearch::run`] to the byte, in
/// whatever order the losses are told. Uniform sparsity, the finals and the controls that use losses ask for
/// tasks too.
#[derive(Debug)]
pub struct AskedSearch {
    elsewhere: Arc<Elsewhere>,
    subjects: Arc<Subjects>,
    settings: Settings,
    progress: Arc<Mutex<Option<SearchProgress>>>,
    thread: Option<JoinHandle<Result<Found, SearchError>>>,
}

/// Marks the search as ended when dropped.
struct Ending(Arc<Elsewhere>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl PreparedSearch {
    /// Starts the search on its own thread, where it waits for losses.
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
    /// Returns the tasks created since the last call, once the search cannot continue without losses. Returns
    /// none while losses of earlier tasks are missing, and when the search is [over](Self::is_over).
    pub fn ask(&self) -> Vec<Asked> {
        self.elsewhere.ask()
    }

    /// Takes the losses of a task, one per window.
    ///
    /// # Errors
    /// As [`Elsewhere::tell`]; nothing changes then.
    pub fn tell(&self, id: u64, losses: Vec<WindowLoss>) -> Result<(), AnswerError> {
        self.elsewhere.tell(id, losses)
    }

    /// Measures a task with the models of this process; several threads may call this at a time.
    ///
    /// # Errors
    /// When a model cannot run.
    pub fn measure(&self, task: &LossTask) -> Result<Vec<WindowLoss>, TrialError> {
        self.subjects.losses(task)
    }

    /// Returns the realised ratios of a pruned model, by block and by projection, in whole weights.
    ///
    /// # Errors
    /// When it does not belong to the search.
    pub fn ratios(&self, model: &PrunedModel) -> Result<RealisedRatios, TrialError> {
        let checkpoint = self.subjects.get(model.subject)?.checkpoint();
        Ok(RealisedRatios::new("", checkpoint, &model.shares))
    }

    /// Returns the share of all weights that a pruned model loses: its target, up to whole weights.
    ///
    /// # Errors
    /// When it does not belong to the search.
    pub fn sparsity(&self, model: &PrunedModel) -> Result<f64, TrialError> {
        let linears = self.subjects.get(model.subject)?.checkpoint().linears();
        let weights: u64 = linears.iter().map(|it| it.rows as u64 * it.columns as u64).sum();
        let pruned: u64 = model.shares.iter().map(|it| it.pruned).sum();
        Ok(pruned as f64 / weights.max(1) as f64)
    }

    /// Returns the settings, from which [`Worker::open`](super::Worker::open) opens the same models
    /// elsewhere.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the progress of the search; `None` before its first measurement.
    pub fn progress(&self) -> Option<SearchProgress> {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the search is over, so that no more tasks follow.
    pub fn is_over(&self) -> bool {
        self.elsewhere.is_over()
    }

    /// Ends the search and returns its results; an unfinished search is stopped and can be resumed.
    ///
    /// # Errors
    /// When the search was stopped before its end; otherwise as [`PreparedSearch::run`].
    pub fn end(mut self) -> Result<Found, SearchError> {
        match self.stop() {
            Some(Ok(found)) => found,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(SearchError::Interrupted(Interrupted)),
        }
    }

    /// Lets the thread end where it waits, and returns its result; `None` after the first call.
    fn stop(&mut self) -> Option<std::thread::Result<Result<Found, SearchError>>> {
        self.elsewhere.close();
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for AskedSearch {
    fn drop(&mut self) {
        // A panic was already printed; a second one here would abort the process.
        let _ = self.stop();
    }
}
