//! Task documents that replace the fitness and selection texts; each document takes the place of a window.

use std::ops::Range;

use super::cancel::Cancel;
use super::error::TrialError;
use super::text::Split;
use crate::measure::WindowLoss;
use crate::model::{Checkpoint, Decoder, Identity, Tokenizer};
use crate::tasks::{Asked, Purpose, ScoredDocument, TaskError, TaskPlan, document_losses, scored_documents};

/// The tasks that decide, as read from their files.
#[derive(Clone, Debug)]
pub struct DecidingTasks {
    plan: TaskPlan,
    fitness: Vec<Asked>,
    selection: Vec<Asked>,
}

/// The documents of one model.
#[derive(Clone, Debug)]
pub struct Documents {
    fitness: Vec<ScoredDocument>,
    selection: Vec<ScoredDocument>,
}

impl DecidingTasks {
    /// Reads the documents reserved for fitness and selection.
    ///
    /// # Errors
    /// When a file cannot be read, or one of the purposes has no document.
    pub fn read(plan: &TaskPlan) -> Result<Self, TaskError> {
        let of = |purpose, name| {
            let asked = plan.read(purpose)?;
            match asked.iter().all(|asked| asked.documents() == 0) {
                false => Ok(asked),
                true => Err(TaskError::NoDocument { tasks: plan.tasks.clone(), purpose: name }),
            }
        };
        Ok(Self {
            plan: plan.clone(),
            fitness: of(Purpose::Fitness, "the fitness")?,
            selection: of(Purpose::Selection, "the selection")?,
        })
    }

    /// Returns all tasks with the documents that decide.
    pub fn asked(&self) -> Vec<Asked> {
        self.fitness.iter().chain(&self.selection).cloned().collect()
    }

    /// Records what losses depend on.
    pub(super) fn identify(&self, identity: &mut Identity) {
        identity.add("the protocol of the tasks", self.plan.protocol.name());
        for (purpose, asked) in [("fitness", &self.fitness), ("selection", &self.selection)] {
            for asked in asked {
                identity.add(
                    format!("the {purpose} documents of the task {}", asked.task.name),
                    asked.identity(),
                );
            }
        }
    }

    /// Tokenizes the documents for a model.
    pub(super) fn of(&self, checkpoint: &Checkpoint) -> Result<Documents, TrialError> {
        let of = |asked: &[Asked]| {
            let longest = checkpoint.config().positions;
            Ok::<_, TrialError>(scored_documents(
                Tokenizer::open(checkpoint)?,
                self.plan.protocol,
                longest,
                asked,
            )?)
        };
        Ok(Documents { fitness: of(&self.fitness)?, selection: of(&self.selection)? })
    }
}

impl Documents {
    /// Returns the documents that replace a text; `None` for the report text, which is not replaced.
    pub(super) fn of(&self, split: Split) -> Option<&[ScoredDocument]> {
        match split {
            Split::Fitness => Some(&self.fitness),
            Split::Selection => Some(&self.selection),
            Split::Report => None,
        }
    }

    /// Returns the losses of some documents that replace a text, one per document. There is no divergence, so
    /// the loss takes its place.
    pub(super) fn losses(
        &self,
        decoder: &Decoder,
        split: Split,
        documents: Range<usize>,
        cancel: &Cancel,
    ) -> Result<Vec<WindowLoss>, TrialError> {
        let of = self.of(split).unwrap_or_default();
        let of = of.get(documents.start.min(of.len())..documents.end.min(of.len())).unwrap_or_default();
        let losses = document_losses(decoder, of, &mut || Ok(cancel.check()?))?;
        Ok(losses.into_iter().map(|loss| WindowLoss { kl: loss, nll: loss }).collect())
    }
}
