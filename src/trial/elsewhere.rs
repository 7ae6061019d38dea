//! A measurer that has its losses measured elsewhere: it hands tasks out, and is told their losses in any order.
//!
//! The search runs on a thread of its own and waits here; whoever measures calls [`Elsewhere::ask`] and [`Elsewhere::tell`] from others.
//! Tasks that are not about losses of pruned models, such as the gradients of a control, are answered in this process.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::error::TrialError;
use super::measurer::{Answer, LossTask, Measurer, Queue, Receiver, Task};
use crate::interrupt::Interrupted;
use crate::measure::WindowLoss;

/// A task that waits for its losses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The number by which [`Elsewhere::tell`] knows it, counted from 0 in the order in which tasks come up.
    pub id: u64,
    /// The formula that gave the ratios, as a script's text; `None` where no formula did.
    pub script: Option<String>,
    /// What is to be measured.
    pub task: LossTask,
}

/// Says why losses cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// No task has that number.
    #[error("no task has the number {id}; {asked} were asked for so far, from 0")]
    Unknown {
        /// The number.
        id: u64,
        /// How many tasks there are.
        asked: u64,
    },
    /// The task has its losses already.
    #[error("task {id} has its losses already; what was told first counts")]
    Twice {
        /// The task's number.
        id: u64,
    },
    /// There are not as many losses as windows.
    #[error("task {id} needs {wanted} losses, one for each window, and was told {told}")]
    Count {
        /// The task's number.
        id: u64,
        /// How many windows it has.
        wanted: usize,
        /// How many losses were told.
        told: usize,
    },
    /// A loss is not a number.
    #[error(
        "loss {place} of task {id} is not a number; a model that pruning has destroyed has the loss infinity"
    )]
    NotANumber {
        /// The task's number.
        id: u64,
        /// Which of its losses it is, from 0.
        place: usize,
    },
    /// The search has ended.
    #[error("the search is over, and takes no more losses")]
    Over,
}

/// What the two sides know of each other.
#[derive(Debug, Default)]
struct State {
    /// How many tasks came up.
    tasks: u64,
    /// Tasks that nobody has asked for yet.
    fresh: Vec<Asked>,
    /// The windows of the tasks that have no losses yet.
    open: BTreeMap<u64, Range<usize>>,
    /// Losses that the search has not taken yet.
    told: VecDeque<(u64, Vec<WindowLoss>)>,
    /// Whether the search waits for losses.
    waits: bool,
    /// Whether the search has ended.
    over: bool,
    /// Whether the search is to end, since nobody will measure any more.
    closed: bool,
}

/// Hands tasks out, and takes their losses.
#[derive(Debug)]
pub struct Elsewhere {
    here: Box<dyn Measurer>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Elsewhere {
    /// Takes what answers the tasks that are not handed out.
    pub fn new(here: Box<dyn Measurer>) -> Self {
        Self { here, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Returns the tasks that came up since this was called last, once the search can go no further without losses; none when losses
    /// of earlier tasks are waited for, or the search is [over](Self::is_over).
    pub fn ask(&self) -> Vec<Asked> {
        let busy = |state: &mut State| {
            let waits = state.waits && state.told.is_empty();
            !state.over && !waits
        };
        let mut state = self.changed.wait_while(self.state(), busy).unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.fresh)
    }

    /// Takes the losses of a task, one for each window; infinity is the loss of a model that pruning has destroyed.
    ///
    /// # Errors
    /// When there is no such task, it has its losses already, they are not as many as windows, one is not a number, or the search is
    /// over; then nothing changes.
    pub fn tell(&self, id: u64, losses: Vec<WindowLoss>) -> Result<(), AnswerError> {
        let mut state = self.state();
        if id >= state.tasks {
            return Err(AnswerError::Unknown { id, asked: state.tasks });
        }
        let Some(windows) = state.open.get(&id).cloned() else {
            return Err(if state.over { AnswerError::Over } else { AnswerError::Twice { id } });
        };
        if losses.len() != windows.len() {
            return Err(AnswerError::Count { id, wanted: windows.len(), told: losses.len() });
        }
        if let Some(place) = losses.iter().position(|it| it.kl.is_nan() || it.nll.is_nan()) {
            return Err(AnswerError::NotANumber { id, place });
        }
        if state.over || state.closed {
            return Err(AnswerError::Over);
        }
        state.open.remove(&id);
        state.told.push_back((id, losses));
        self.changed.notify_all();
        Ok(())
    }

    /// Returns whether the search has ended, so that there is nothing more to ask for.
    pub fn is_over(&self) -> bool {
        self.state().over
    }

    /// Says that nobody will measure any more; the search then ends as if it had been interrupted.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Says that the search has ended.
    pub fn end(&self) {
        let mut state = self.state();
        state.over = true;
        // Nobody would take their losses.
        state.fresh.clear();
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has losses measured, and hands them over in the order of their tasks.
    fn losses(&self, tasks: &[&LossTask], receive: &mut Receiver<'_>) -> Result<(), TrialError> {
        let numbered = tasks.iter().enumerate();
        let mut places: BTreeMap<u64, usize> =
            numbered.map(|(place, task)| (self.put((*task).clone(), None), place)).collect();
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        while next < tasks.len() {
            let (id, losses) = self.take()?;
            waiting.extend(places.remove(&id).map(|place| (place, losses)));
            while let Some(losses) = waiting.remove(&next) {
                receive(Answer::Losses(losses))?;
                next += 1;
            }
        }
        Ok(())
    }
}

impl Queue for Elsewhere {
    fn put(&self, task: LossTask, script: Option<String>) -> u64 {
        let mut state = self.state();
        let id = state.tasks;
        state.tasks += 1;
        state.open.insert(id, task.windows.clone());
        state.fresh.push(Asked { id, script, task });
        id
    }

    fn take(&self) -> Result<(u64, Vec<WindowLoss>), TrialError> {
        let mut state = self.state();
        loop {
            if state.closed {
                return Err(TrialError::Interrupted(Interrupted));
            }
            if let Some(told) = state.told.pop_front() {
                state.waits = false;
                return Ok(told);
            }
            state.waits = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Measurer for Arc<Elsewhere> {
    fn measure(&self, tasks: &[Task], receive: &mut Receiver<'_>) -> Result<(), TrialError> {
        let losses: Option<Vec<&LossTask>> = tasks
            .iter()
            .map(|task| match task {
                Task::Losses(task) => Some(task),
                Task::Marginals(_)
                | Task::Thresholds(_)
                | Task::Norms(_)
                | Task::Trim(_)
                | Task::Propagated(_) => None,
            })
            .collect();
        match losses {
            Some(losses) => self.losses(&losses, receive),
            None => self.here.measure(tasks, receive),
        }
    }

    fn windows_together(&self) -> usize {
        self.here.windows_together()
    }

    fn queue(&self) -> Option<&dyn Queue> {
        Some(&**self)
    }
}
