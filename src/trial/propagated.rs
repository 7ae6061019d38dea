//! Losses of a model that is pruned as a folder is made: block by block, with later blocks calibrated on the
//! outputs of the pruned ones.

use super::cancel::Cancel;
use super::error::TrialError;
use super::measurer::PropagatedTask;
use super::subject::Subject;
use crate::measure::WindowLoss;
use crate::model::Decoder;
use crate::prune::{Propagation, PruneOptions, prune_in_memory};

/// Prunes a model for a task.
///
/// # Errors
/// When it cannot be pruned, or the work was interrupted.
pub fn pruned(subject: &Subject, task: &PropagatedTask, cancel: &Cancel) -> Result<Decoder, TrialError> {
    let options = PruneOptions {
        pattern: task.pattern,
        propagation: Propagation::Pruned,
        unit: task.unit,
        tokens: subject.calibration(),
        statistics: subject.statistics(),
        interrupt: cancel.flag(),
        ..PruneOptions::new(task.ranking.method.clone())
    };
    Ok(prune_in_memory(subject.checkpoint(), &task.allocation, &options, &mut |_| {})?.0)
}

/// Returns the losses of a task's windows, `[windows]`.
///
/// # Errors
/// When the model cannot be pruned or run, or the work was interrupted.
pub(super) fn propagated_losses(
    subject: &Subject,
    task: &PropagatedTask,
    cancel: &Cancel,
) -> Result<Vec<WindowLoss>, TrialError> {
    let decoder = pruned(subject, task, cancel)?;
    subject.losses_of(&decoder, task.split, task.windows.clone())
}
