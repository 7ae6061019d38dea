//! A worker process, which measures for a search in another process.

use std::sync::Arc;

use super::search::Search;
use crate::device::Engine;
use crate::measure::WindowLoss;
use crate::model::{Precision, hub};
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
    /// Opens the models and texts named in a search's settings, as returned by
    /// [`AskedSearch::settings`](super::AskedSearch::settings), and does all one-off work on them. A model that
    /// the search has from the hub is taken from this machine's cache, or downloaded.
    ///
    /// # Errors
    /// When a model or a text cannot be used, or differs in any byte from the search's. Also when the device
    /// is of another kind, whose last digits differ, unless `any_device` is set.
    pub fn open(
        mut settings: Settings,
        engine: Engine,
        precision: Precision,
        any_device: bool,
        cancel: Cancel,
        note: &mut Preparing<'_>,
    ) -> Result<Self, SearchError> {
        for place in 0..settings.trial.models.len() {
            let model = settings.trial.models[place].clone();
            let here = hub::fetch_snapshot(&model, &mut |at| {
                note("downloading the model", at.done as f64 / at.bytes.max(1) as f64);
            })?;
            settings.move_model(place, here);
        }
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
