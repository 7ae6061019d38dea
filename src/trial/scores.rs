//! Task results of pruned models, in addition to their losses on texts.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cancel::Cancel;
use super::error::TrialError;
use super::lines::Lines;
use crate::model::{Decoder, ModelError, Tokenizer};
use crate::tasks::log::Line;
use crate::tasks::{Asked, Asking, DocumentResult, Protocol, TaskError, TaskResult, ask};

/// The tasks for scoring pruned models, with the results known so far.
#[derive(Debug)]
pub struct Examination {
    asked: Vec<Asked>,
    protocol: Protocol,
    known: BTreeMap<String, Vec<Line<DocumentResult>>>,
    lines: Option<Lines>,
}

/// A line of the file: a pruned model and its result on each document; empty if its logits are not finite.
#[derive(Serialize, Deserialize)]
struct Kept {
    pruned: String,
    documents: Vec<Line<DocumentResult>>,
}

impl Examination {
    /// Takes the tasks; results are kept in memory only.
    pub const fn new(asked: Vec<Asked>, protocol: Protocol) -> Self {
        Self { asked, protocol, known: BTreeMap::new(), lines: None }
    }

    /// Also keeps results in a file, and reads those already in it.
    ///
    /// # Errors
    /// When the file cannot be read or written, another process has it open, or a line cannot be parsed.
    pub fn kept(mut self, path: &Path) -> Result<Self, TrialError> {
        self.lines = Some(Lines::open(path, |line| {
            let kept: Kept = serde_json::from_slice(line).map_err(|error| error.to_string())?;
            self.known.insert(kept.pruned, kept.documents);
            Ok(())
        })?);
        Ok(self)
    }

    /// Returns the tasks.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Returns the protocol that prompts follow.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns what each task depends on, by its name.
    pub fn identity(&self) -> Vec<(String, String)> {
        let protocol = self.protocol.name();
        let task =
            |asked: &Asked| (asked.task.name.clone(), format!("protocol {protocol}, {}", asked.identity()));
        self.asked.iter().map(task).collect()
    }

    /// Returns the results of a pruned model by its name, task by task: `None` if it was not scored, and an
    /// empty list if its logits are not finite.
    pub fn find(&self, pruned: &str) -> Option<Vec<TaskResult>> {
        let documents = self.known.get(pruned)?;
        if documents.is_empty() {
            return Some(Vec::new());
        }
        let of = |asked: &Asked| {
            let own = documents.iter().filter(|line| line.task == asked.task.name);
            TaskResult::of_documents(asked, own.map(|line| (line.subject.clone(), line.result.clone())))
        };
        Some(self.asked.iter().map(of).collect())
    }

    /// Returns the task results of a pruned model by its name. If there are none yet, the model is made and
    /// scored, and the results are kept.
    ///
    /// # Errors
    /// When the model cannot be made or run, the results cannot be kept, or the work was interrupted.
    pub fn of<D: Borrow<Decoder>>(
        &mut self,
        pruned: &str,
        cancel: &Cancel,
        decoder: impl FnOnce() -> Result<D, TrialError>,
    ) -> Result<Vec<TaskResult>, TrialError> {
        match self.find(pruned) {
            Some(known) => Ok(known),
            None => self.ask(pruned, decoder()?.borrow(), cancel),
        }
    }

    /// Scores a pruned model, and keeps the results under its name.
    fn ask(
        &mut self,
        pruned: &str,
        decoder: &Decoder,
        cancel: &Cancel,
    ) -> Result<Vec<TaskResult>, TrialError> {
        let tokenizer = Tokenizer::open(decoder.checkpoint())?;
        let asking = Asking { protocol: self.protocol, interrupt: cancel.flag(), ..Asking::default() };
        let found = match ask(decoder, tokenizer, &self.asked, asking, &mut |_| {}) {
            // A model that pruning destroyed has no accuracy; the others are still scored.
            Err(TaskError::Model(ModelError::Destroyed)) => Vec::new(),
            found => found?,
        };
        let documents = found.iter().flat_map(Line::of_task).collect();
        let kept = Kept { pruned: pruned.to_owned(), documents };
        if let Some(lines) = &mut self.lines {
            lines.add(&kept)?;
        }
        self.known.insert(kept.pruned, kept.documents);
        Ok(self.find(pruned).unwrap_or_default())
    }
}
