//! A selection of tasks, as data.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::builtin;
use super::encode::Protocol;
use super::error::TaskError;
use super::named::named;
use super::prompts::{Asked, Prompt, Selection};
use super::purpose::Purpose;
use crate::model::hexadecimal;

/// The tasks to measure, the rules of their prompts, and their documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskPlan {
    /// The tasks: names, or files that describe one.
    pub tasks: Vec<String>,
    /// The rules that prompts follow.
    pub protocol: Protocol,
    /// The location of the files, and the number of documents.
    #[serde(flatten)]
    pub selection: Selection,
}

impl TaskPlan {
    /// Reads the files, and makes the prompts of the documents that serve a purpose.
    ///
    /// # Errors
    /// As [`named`] and [`Asked::read`].
    pub fn read(&self, purpose: Purpose) -> Result<Vec<Asked>, TaskError> {
        let selection = Selection { purpose, ..self.selection.clone() };
        named(&self.tasks)?.into_iter().map(|task| Asked::read(task, &selection)).collect()
    }

    /// Returns the plan with absolute paths.
    ///
    /// # Errors
    /// When a file does not exist.
    pub fn from_anywhere(mut self) -> Result<Self, TaskError> {
        let absolute = |path: &Path| {
            let failed = |source| TaskError::Read { path: path.to_owned(), source };
            path.canonicalize().map_err(failed)
        };
        self.selection.data = absolute(&self.selection.data)?;
        for path in self.selection.shot_files.values_mut() {
            *path = absolute(path)?;
        }
        for name in self.tasks.iter_mut().filter(|name| builtin::names(name).is_none()) {
            if Path::new(name).is_file() {
                *name = absolute(&PathBuf::from(&*name))?.to_string_lossy().into_owned();
            }
        }
        Ok(self)
    }
}

impl Asked {
    /// Returns everything that a measurement with the task depends on: the version, the number of examples,
    /// and a hash of all prompts.
    pub fn identity(&self) -> String {
        let mut hash = Sha256::new();
        for prompt in self.parts.iter().flat_map(|part| &part.prompts) {
            for text in prompt.question.texts(&prompt.before) {
                hash.update(text.as_bytes());
                hash.update([0]);
            }
            hash.update(prompt.question.right_text().as_bytes());
            hash.update([1]);
        }
        let hash = hexadecimal(&hash.finalize()[..16]);
        let (version, shots, documents) = (&self.task.version, self.shots, self.documents());
        format!("version {version}, {shots} examples, {documents} documents {hash}")
    }
}

/// Refuses reported documents that also guide the search, in whatever words: documents with the same fields.
///
/// # Errors
/// With the first reported document that guides the search.
pub fn refuse_leaks(deciding: &[Asked], reported: &[Asked]) -> Result<(), TaskError> {
    // A file provides its name as the subject of a document without one.
    let fields = |prompt: &Prompt| -> Vec<(String, Value)> {
        let fields = prompt.document.row.iter().filter(|(name, _)| *name != "subject");
        fields.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let text = |prompt: &Prompt| format!("{:?}", fields(prompt));
    let known: BTreeSet<String> = prompts(deciding).map(text).collect();
    match prompts(reported).find(|prompt| known.contains(&text(prompt))) {
        None => Ok(()),
        Some(prompt) => {
            Err(TaskError::Leak { path: prompt.document.path.to_path_buf(), line: prompt.document.line })
        }
    }
}

fn prompts(tasks: &[Asked]) -> impl Iterator<Item = &Prompt> {
    tasks.iter().flat_map(|asked| &asked.parts).flat_map(|part| &part.prompts)
}
