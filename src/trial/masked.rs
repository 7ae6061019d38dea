//! The blocks of a pruned model, masked once for all windows that several tasks read.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::cancel::Cancel;
use super::error::TrialError;
use super::measurer::{PrunedModel, Task};
use super::subject::Subject;
use super::subjects::Subjects;
use super::text::Split;
use crate::model::Block;

/// Maximum bytes of masked blocks if the system does not report its free memory.
const UNKNOWN: u64 = 2 << 30;

/// The masked blocks of the model that the current tasks measure on the CPU. On a GPU, masking is a short
/// kernel, and memory is scarcer.
///
/// Keeping them saves time and changes no answer.
#[derive(Debug, Default)]
pub(super) struct Masked(Mutex<Option<Arc<Kept>>>);

/// A pruned model's blocks.
#[derive(Debug)]
pub(super) struct Kept {
    model: PrunedModel,
    split: Split,
    pub(super) blocks: Vec<Block>,
}

impl Masked {
    /// Masks the model of the first two tasks, if both measure the same one on the same text, and a copy of its
    /// blocks fits in memory; otherwise drops those of earlier tasks.
    pub(super) fn prepare(&self, subjects: &Subjects, tasks: &[Task], cancel: &Cancel) {
        let kept = match tasks {
            [first, second, ..] => match (measured(first), measured(second)) {
                (Some(first), Some(second)) if first == second => masked(subjects, first, cancel),
                _ => None,
            },
            _ => None,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept.map(Arc::new);
    }

    /// Drops the blocks.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns the blocks of the model that a task measures, if they are held for its text.
    pub(super) fn of(&self, task: &Task) -> Option<Arc<Kept>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (model, split) = measured(task)?;
        (kept.split == split && kept.model == *model).then_some(kept)
    }
}

/// Returns the pruned model that a task runs, and the text.
const fn measured(task: &Task) -> Option<(&PrunedModel, Split)> {
    match task {
        Task::Thresholds(task) => Some((&task.model, task.split)),
        Task::Losses(task) => Some((&task.model, task.split)),
        _ => None,
    }
}

fn masked(subjects: &Subjects, (model, split): (&PrunedModel, Split), cancel: &Cancel) -> Option<Kept> {
    let subject = subjects.get(model.subject).ok()?;
    if subject.reference(split).is_none() || subject.reads_documents(split) || !fits(subject) {
        return None;
    }
    let block = |at| {
        cancel.check()?;
        subject.pruned_block(at, &model.shares)
    };
    let blocks: Result<_, TrialError> = (0..subject.blocks().len()).into_par_iter().map(block).collect();
    // A failure is found again, and reported, by the task itself.
    Some(Kept { model: model.clone(), split, blocks: blocks.ok()? })
}

/// Returns whether a copy of a model's blocks takes at most half of the free memory.
fn fits(subject: &Subject) -> bool {
    let checkpoint = subject.checkpoint();
    let bytes = checkpoint.block_bytes() * subject.blocks().len() as u64;
    checkpoint.device().is_cpu() && bytes <= checkpoint.free_memory().map_or(UNKNOWN, |free| free / 2)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::measure::SlopeOf;
    use crate::model::Checkpoint;
    use crate::prune::{Method, Pattern, Share};
    use crate::stats::Tokens;
    use crate::trial::band::Band;
    use crate::trial::measurer::{LossTask, Measurer, ThresholdTask};
    use crate::trial::text::Texts;
    use crate::trial::threads::Threads;

    #[test]
    fn windows_that_share_masked_blocks_have_the_results_of_each_alone() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");
        let checkpoint = Checkpoint::open(folder).expect("the bundled model opens");
        let ids = (0..3 * 24).map(|id| id * 11 % 2048).collect();
        let fitness = Tokens::new(ids, 24).expect("whole windows");
        let texts = Texts { fitness, selection: None, report: None };
        let cancel = Cancel::default();
        let (method, pattern) = (&Method::Magnitude, Pattern::Unstructured);
        let subject = Subject::new(&checkpoint, None, method, pattern, &texts, &cancel).expect("a subject");
        let subjects = Arc::new(Subjects::from(subject));
        let threads = Threads::new(Arc::clone(&subjects), cancel.clone());
        let model = |ratio: f64| {
            let of = |size: usize| Share::new(ratio, (ratio * size as f64) as u64);
            let shares = checkpoint.linears().iter().map(|it| of(it.rows * it.columns)).collect();
            PrunedModel { subject: 0, shares }
        };
        let (split, band, of) = (Split::Fitness, Band::default(), SlopeOf::Divergence);
        let losses = |ratio, at| Task::from(LossTask { model: model(ratio), split, windows: at..at + 1 });
        let thresholds = |ratio, at| {
            Task::from(ThresholdTask { model: model(ratio), split, windows: vec![at], of, band, rows: false })
        };
        let answers = |tasks: &[Task]| {
            let mut found = Vec::new();
            let mut receive = |answer| {
                found.push(format!("{answer:?}"));
                Ok(())
            };
            threads.measure(tasks, &mut receive).expect("answers");
            found
        };
        // The last task is about another model, which must not get the masks of the first.
        for tasks in [
            [losses(0.5, 0), losses(0.5, 2), losses(0.7, 2)],
            [thresholds(0.5, 0), thresholds(0.5, 2), thresholds(0.7, 2)],
        ] {
            threads.masked.prepare(&subjects, &tasks, &cancel);
            assert!(threads.masked.of(&tasks[0]).is_some() && threads.masked.of(&tasks[2]).is_none());
            let (model, windows) = (model(0.5), 0..1);
            let other_text = Task::from(LossTask { model, split: Split::Report, windows });
            assert!(threads.masked.of(&other_text).is_none());
            let alone: Vec<String> =
                tasks.iter().flat_map(|task| answers(std::slice::from_ref(task))).collect();
            assert_eq!(answers(&tasks), alone);
            assert_ne!(alone[1], alone[2]);
            assert!(threads.masked.of(&tasks[0]).is_none(), "they are dropped at the end");
        }
    }
}
