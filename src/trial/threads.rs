//! The threads of this process, which measure in its memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use super::cancel::Cancel;
use super::error::TrialError;
use super::marginals::{Entrances, marginals};
use super::measurer::{Answer, Measurer, Receiver, Task};
use super::norms::divergences;
use super::propagated::propagated_losses;
use super::subjects::Subjects;

/// Measures on all cores.
#[derive(Debug)]
pub struct Threads {
    subjects: Arc<Subjects>,
    cancel: Cancel,
    entrances: Entrances,
}

impl Threads {
    /// Takes the models; what is asked to stop begins no further task.
    pub fn new(subjects: Arc<Subjects>, cancel: Cancel) -> Self {
        Self { subjects, cancel, entrances: Entrances::default() }
    }

    fn answer(&self, task: &Task) -> Result<Answer, TrialError> {
        self.cancel.check()?;
        match task {
            Task::Losses(task) => {
                let subject = self.subjects.get(task.model.subject)?;
                subject.losses(task.split, &task.model.shares, task.windows.clone()).map(Answer::Losses)
            }
            Task::Marginals(task) => {
                let subject = self.subjects.get(task.model.subject)?;
                marginals(subject, task, &self.entrances).map(Answer::Marginals)
            }
            Task::Propagated(task) => {
                let subject = self.subjects.get(task.subject)?;
                propagated_losses(subject, task, &self.cancel).map(Answer::Losses)
            }
            Task::Norms(task) => {
                let subject = self.subjects.get(task.model.subject)?;
                divergences(subject, task, &self.cancel).map(Answer::Norms)
            }
        }
    }
}

impl Measurer for Threads {
    fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError> {
        if !tasks.iter().any(|task| matches!(task, Task::Marginals(_))) {
            self.entrances.clear();
        }
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Each core takes the next task, so that what comes first is known first.
                let next = AtomicUsize::new(0);
                rayon::broadcast(|_| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(task) = tasks.get(place) else { break };
                        let answer = self.answer(task);
                        let failed = answer.is_err();
                        // The receiver is gone once something failed.
                        if sender.send((place, answer)).is_err() || failed {
                            break;
                        }
                    }
                });
            });
            let mut waiting = BTreeMap::new();
            let mut next = 0;
            for (place, answer) in receiver {
                waiting.insert(place, answer);
                while let Some(answer) = waiting.remove(&next) {
                    receive(answer?)?;
                    next += 1;
                }
            }
            Ok(())
        })
    }
}
