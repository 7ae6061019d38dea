//! The models of a trial: one, or several.

use super::error::TrialError;
use super::measurer::LossTask;
use super::subject::Subject;
use crate::measure::WindowLoss;

/// One or more models, by index.
#[derive(Debug)]
pub struct Subjects {
    first: Subject,
    others: Vec<Subject>,
}

impl Subjects {
    /// Collects the main model and the others.
    pub const fn new(first: Subject, others: Vec<Subject>) -> Self {
        Self { first, others }
    }

    /// Returns the main model.
    pub const fn first(&self) -> &Subject {
        &self.first
    }

    /// Returns all models, the main one first.
    pub fn iter(&self) -> impl Iterator<Item = &Subject> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns the model at an index.
    ///
    /// # Errors
    /// When no model has this index.
    pub fn get(&self, place: usize) -> Result<&Subject, TrialError> {
        let missing = TrialError::NoSubject { subject: place, models: 1 + self.others.len() };
        self.iter().nth(place).ok_or(missing)
    }

    /// Returns the losses of some windows under a pruned model, `[windows]`. Several threads may call this at
    /// a time.
    ///
    /// # Errors
    /// When no model has this index, or it cannot run.
    pub fn losses(&self, task: &LossTask) -> Result<Vec<WindowLoss>, TrialError> {
        self.get(task.model.subject)?.losses(task.split, &task.model.shares, task.windows.clone())
    }
}

impl From<Subject> for Subjects {
    fn from(first: Subject) -> Self {
        Self::new(first, Vec::new())
    }
}
