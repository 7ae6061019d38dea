//! A process that measures for a search that runs elsewhere.

use std::sync::Arc;

use super::search::Search;
use crate::device::Engine;
use crate::measure::WindowLoss;
use crate::model::Precision;
use crate::search::error::SearchError;
use crate::search::settings::Settings;
use crate::trial::cancel::Cancel;
use crate::trial::error::TrialError;
use crate::trial::measurer::LossTask;
use crate::trial::prepare::Preparing;
use crate::trial::subjects::Subjects;

/// The models and texts of a search, opened to measure its tasks.
#[derive(Debug)]
pub struct Worker {
    subjects: Arc<Subjects>,
}

impl Worker {
    /// Opens the models and texts that a search's settings name, as [`AskedSearch::settings`](super::AskedSearch::settings) returns
    /// them, and does what is done once with them.
    ///
    /// # Errors
    /// When a model or a text cannot be used, or is not what the search began with, to the byte; and when the device is of another kind,
    /// which gives other last digits, unless `any_device` is set.
    pub fn open(
        settings: Settings,
        engine: Engine,
        precision: Precision,
        any_device: bool,
        cancel: Cancel,
        note: &mut Preparing<'_>,
    ) -> Result<Self, SearchError> {
        let search = Search::joining(settings, any_device).on(engine, precision).cancelled_by(cancel);
        Ok(Self { subjects: search.prepare(note)?.subjects() })
    }

    /// Measures a task: the losses of its windows under the pruned model, `[windows]`.
    ///
    /// # Errors
    /// When the model cannot run.
    pub fn measure(&self, task: &LossTask) -> Result<Vec<WindowLoss>, TrialError> {
        self.subjects.losses(task)
    }
}
