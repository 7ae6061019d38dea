//! The threads of this process, which measure in its memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};

use super::cancel::Cancel;
use super::error::TrialError;
use super::marginals::{Entrances, marginals};
use super::masked::Masked;
use super::measurer::{Answer, Measurer, Receiver, Task};
use super::norms::{divergences, shifts};
use super::propagated::propagated_losses;
use super::subjects::Subjects;
use super::thresholds::{thresholds, windows_together};
use super::trim::trimmed;

/// Measures on all cores.
#[derive(Debug)]
pub struct Threads {
    subjects: Arc<Subjects>,
    cancel: Cancel,
    entrances: Entrances,
    pub(super) masked: Masked,
}

impl Threads {
    /// Takes the models; after `cancel` is set, no further task starts.
    pub fn new(subjects: Arc<Subjects>, cancel: Cancel) -> Self {
        Self { subjects, cancel, entrances: Entrances::default(), masked: Masked::default() }
    }

    /// Prepares what tasks share, and clears what they do not need: the cache of marginals, unless a task asks
    /// for more of them, and the masked blocks of other tasks.
    pub(super) fn begin(&self, tasks: &[Task]) {
        self.masked.prepare(&self.subjects, tasks, &self.cancel);
        if !tasks.iter().any(|task| matches!(task, Task::Marginals(_))) {
            self.entrances.clear();
        }
    }

    /// Drops what only the last tasks needed.
    pub(super) fn end(&self) {
        self.masked.clear();
    }

    /// Answers one task.
    ///
    /// # Errors
    /// As [`Measurer::measure`].
    pub(super) fn answer(&self, task: &Task) -> Result<Answer, TrialError> {
        self.cancel.check()?;
        let kept = self.masked.of(task);
        match task {
            Task::Losses(task) => match kept {
                Some(kept) => {
                    let subject = self.subjects.get(task.model.subject)?;
                    subject
                        .losses_of_blocks(&kept.blocks, task.split, task.windows.clone())
                        .map(Answer::Losses)
                }
                None => self.subjects.losses(task).map(Answer::Losses),
            },
            Task::Marginals(task) => {
                let subject = self.subjects.get(task.model.subject)?;
                marginals(subject, task, &self.entrances).map(Answer::Marginals)
            }
            Task::Thresholds(task) => {
                let subject = self.subjects.get(task.model.subject)?;
                let kept = kept.as_ref().map(|kept| kept.blocks.as_slice());
                thresholds(subject, task, kept, &self.cancel).map(Answer::Thresholds)
            }
            Task::Propagated(task) => {
                let subject = self.subjects.get(task.subject)?;
                propagated_losses(subject, task, &self.cancel).map(Answer::Losses)
            }
            Task::Norms(task) => {
                let subject = self.subjects.get(task.model.subject)?;
                divergences(subject, task, &self.cancel).map(Answer::Norms)
            }
            Task::Shifts(task) => {
                let subject = self.subjects.get(task.model.subject)?;
                shifts(subject, task, &self.cancel).map(Answer::Shifts)
            }
            Task::Trim(task) => {
                let subject = self.subjects.get(task.model.subject)?;
                trimmed(subject, task, &self.cancel).map(Answer::Rows)
            }
        }
    }
}

impl Measurer for Threads {
    fn windows_together(&self) -> usize {
        windows_together(self.subjects.first())
    }

    fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError> {
        self.begin(tasks);
        let (sender, receiver) = mpsc::channel();
        let received = std::thread::scope(|scope| {
            scope.spawn(move || {
                let next = AtomicUsize::new(0);
                rayon::broadcast(|_| answer_in_turn(self, tasks, &next, &sender));
            });
            in_order(receiver, receive)
        });
        self.end();
        received
    }
}

/// An answer with the index of its task.
pub(super) type Placed = (usize, Result<Answer, TrialError>);

/// Answers tasks until none are left. Each thread takes the next task, so that the first results are known
/// first.
pub(super) fn answer_in_turn(threads: &Threads, tasks: &[Task], next: &AtomicUsize, sender: &Sender<Placed>) {
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(task) = tasks.get(place) else { break };
        let answer = threads.answer(task);
        let failed = answer.is_err();
        // The receiver is dropped after a failure.
        if sender.send((place, answer)).is_err() || failed {
            break;
        }
    }
}

/// Passes answers on in the order of their tasks.
///
/// # Errors
/// The error of the first failed answer in that order, or of `receive`.
pub(super) fn in_order(
    answers: mpsc::Receiver<Placed>,
    receive: &mut Receiver<'_>,
) -> Result<(), TrialError> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (place, answer) in answers {
        waiting.insert(place, answer);
        while let Some(answer) = waiting.remove(&next) {
            receive(answer?)?;
            next += 1;
        }
    }
    Ok(())
}
