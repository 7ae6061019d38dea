//! Measuring one model for statistics: the model, what measures it, and the progress of the work.

use std::sync::Arc;

use super::cancel::Cancel;
use super::error::TrialError;
use super::measurer::Measurer;
use super::subjects::Subjects;
use super::threads::Threads;

/// The models on which values are measured, and the progress of the work.
pub(super) struct Work<'a, 'p> {
    measurer: Threads,
    subjects: Arc<Subjects>,
    /// Stops the work.
    pub(super) cancel: &'a Cancel,
    /// Number of passes of a window through a block, and of those that are done.
    all: u64,
    done: u64,
    progress: &'p mut dyn FnMut(f64) -> Result<(), TrialError>,
}

impl<'a, 'p> Work<'a, 'p> {
    /// Returns work of `all` passes of a window through a block; `progress` is called with the finished share, and
    /// an error from it ends the work.
    pub(super) fn new(
        subjects: Arc<Subjects>,
        cancel: &'a Cancel,
        all: u64,
        progress: &'p mut dyn FnMut(f64) -> Result<(), TrialError>,
    ) -> Self {
        let measurer = Threads::new(Arc::clone(&subjects), cancel.clone());
        Self { measurer, subjects, cancel, all, done: 0, progress }
    }

    /// Returns the model.
    pub(super) fn subjects(&self) -> Arc<Subjects> {
        Arc::clone(&self.subjects)
    }

    /// Returns what measures the model.
    pub(super) fn measurer(&self) -> &dyn Measurer {
        &self.measurer
    }

    /// Reports finished passes of a window through a block.
    pub(super) fn advance(&mut self, passes: u64) -> Result<(), TrialError> {
        self.done += passes;
        (self.progress)(self.done as f64 / self.all.max(1) as f64)
    }
}
