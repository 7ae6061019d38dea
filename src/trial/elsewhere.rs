//! A measurer that lets other processes measure losses: it hands tasks out, and takes their losses in any
//! order.
//!
//! The search runs on its own thread and waits here; other threads call [`Elsewhere::ask`] and
//! [`Elsewhere::tell`]. Tasks other than losses of pruned models, such as the gradients of a control, are
//! answered in this process.

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
    /// Identifies the task in [`Elsewhere::tell`]; counted from 0 in the order of creation.
    pub id: u64,
    /// Text of the script that produced the ratios; `None` if no formula did.
    pub script: Option<String>,
    /// The measurement to make.
    pub task: LossTask,
}

/// The reason why losses are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// No task has this number.
    #[error("no task has the number {id}; {asked} were asked for so far, counted from 0")]
    Unknown {
        /// The number.
        id: u64,
        /// How many tasks there are.
        asked: u64,
    },
    /// The task already has its losses.
    #[error("task {id} has its losses already; the first losses count")]
    Twice {
        /// The task's number.
        id: u64,
    },
    /// The number of losses differs from the number of windows.
    #[error("task {id} needs {wanted} losses, one for each window, but was told {told}")]
    Count {
        /// The task's number.
        id: u64,
        /// Number of its windows.
        wanted: usize,
        /// Number of losses told.
        told: usize,
    },
    /// A loss is NaN.
    #[error("loss {place} of task {id} is not a number; use infinity for a model that pruning has destroyed")]
    NotANumber {
        /// The task's number.
        id: u64,
        /// Index of the loss, counted from 0.
        place: usize,
    },
    /// The search has ended.
    #[error("the search is over and takes no more losses")]
    Over,
}

/// State shared by the two sides.
#[derive(Debug, Default)]
struct State {
    /// Number of tasks created so far.
    tasks: u64,
    /// Tasks that were not asked for yet.
    fresh: Vec<Asked>,
    /// Windows of the tasks that have no losses yet.
    open: BTreeMap<u64, Range<usize>>,
    /// Losses that the search has not taken yet.
    told: VecDeque<(u64, Vec<WindowLoss>)>,
    /// Whether the search waits for losses.
    waits: bool,
    /// Whether the search has ended.
    over: bool,
    /// Whether the search has to end because nothing more will be measured.
    closed: bool,
}

/// Hands out tasks and takes their losses.
#[derive(Debug)]
pub struct Elsewhere {
    here: Box<dyn Measurer>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Elsewhere {
    /// Takes the measurer for tasks that are not handed out.
    pub fn new(here: Box<dyn Measurer>) -> Self {
        Self { here, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Returns the tasks created since the last call, once the search cannot continue without losses. Returns
    /// none while losses of earlier tasks are missing, and when the search is [over](Self::is_over).
    pub fn ask(&self) -> Vec<Asked> {
        let busy = |state: &mut State| {
            let waits = state.waits && state.told.is_empty();
            !state.over && !waits
        };
        let mut state = self.changed.wait_while(self.state(), busy).unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.fresh)
    }

    /// Takes the losses of a task, one per window; use infinity for a model that pruning has destroyed.
    ///
    /// # Errors
    /// When there is no such task, it already has its losses, their number differs from that of the windows,
    /// one is NaN, or the search is over; nothing changes then.
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

    /// Returns whether the search has ended, so that no more tasks will follow.
    pub fn is_over(&self) -> bool {
        self.state().over
    }

    /// Declares that nothing more will be measured; the search then ends as if interrupted.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Marks the search as ended.
    pub fn end(&self) {
        let mut state = self.state();
        state.over = true;
        // Nothing would take their losses.
        state.fresh.clear();
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out tasks for losses, and passes the losses on in the order of their tasks.
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
                | Task::Shifts(_)
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
