//! The file of results for every document: JSON lines, where the first line describes the measurement.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::TaskError;
use super::results::{DocumentResult, TaskResult};

/// A line for one document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line<R> {
    /// The task.
    pub task: String,
    /// The subject, if the task has subjects.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<String>,
    /// The document's result.
    #[serde(flatten)]
    pub result: R,
}

impl Line<DocumentResult> {
    /// Returns the lines of a task.
    pub fn of_task(task: &TaskResult) -> impl Iterator<Item = Self> {
        task.results().map(|(subject, result)| Self {
            task: task.task.clone(),
            subject: subject.map(str::to_owned),
            result: result.clone(),
        })
    }
}

/// Returns the file's text: a line `about` the measurement, and one line for each document of each task.
///
/// # Errors
/// When a value cannot be represented in JSON.
pub fn write(about: &impl Serialize, tasks: &[TaskResult]) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(&BTreeMap::from([("about", about)]))?;
    for task in tasks {
        for (subject, result) in task.results() {
            text.push('\n');
            let line = Line { task: task.task.clone(), subject: subject.map(str::to_owned), result };
            text.push_str(&serde_json::to_string(&line)?);
        }
    }
    text.push('\n');
    Ok(text)
}

/// An earlier measurement.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// The first line's description of the measurement.
    pub(super) about: Value,
    /// The documents, by task.
    documents: BTreeMap<String, Vec<(Option<String>, DocumentResult)>>,
}

impl Earlier {
    /// Reads a file that [`write()`] made.
    ///
    /// # Errors
    /// When it cannot be read, or a line does not belong in such a file.
    pub fn read(path: &Path) -> Result<Self, TaskError> {
        let text =
            fs::read_to_string(path).map_err(|source| TaskError::Read { path: path.to_owned(), source })?;
        let wrong = |problem: String| TaskError::Other { path: path.to_owned(), problem };
        let mut lines = text.lines();
        let first: Option<Value> = lines.next().and_then(|line| serde_json::from_str(line).ok());
        let Some(about) = first.and_then(|mut line| line.get_mut("about").map(Value::take)) else {
            return Err(wrong("the file does not begin like a file that `--out` writes".to_owned()));
        };
        let mut documents: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (index, line) in lines.enumerate() {
            let line: Line<DocumentResult> = serde_json::from_str(line).map_err(|error| {
                wrong(format!("line {} does not describe a document: {error}", index + 2))
            })?;
            documents.entry(line.task).or_default().push((line.subject, line.result));
        }
        Ok(Self { about, documents })
    }

    /// Returns the earlier results of a task, document by document; `None` if it was not measured.
    ///
    /// # Errors
    /// When the documents or their prompts differ.
    pub fn of(&self, path: &Path, now: &TaskResult) -> Result<Option<Vec<&DocumentResult>>, TaskError> {
        let Some(before) = self.documents.get(&now.task) else { return Ok(None) };
        let wrong = |problem: String| TaskError::Other { path: path.to_owned(), problem };
        let task = &now.task;
        let count = now.results().count();
        if before.len() != count {
            return Err(wrong(format!("`{task}` has {} documents there, but {count} here", before.len())));
        }
        for ((subject, earlier), (now_subject, result)) in before.iter().zip(now.results()) {
            let same = subject.as_deref() == now_subject
                && earlier.prompt == result.prompt
                && earlier.right_hash == result.right_hash;
            if !same {
                let line = result.line;
                return Err(wrong(format!(
                    "`{task}` has a different prompt there for the document of line {line}"
                )));
            }
        }
        Ok(Some(before.iter().map(|(_, result)| result).collect()))
    }
}
