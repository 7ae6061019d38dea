//! Errors of tasks, with file and line.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::interrupt::Interrupted;
use crate::model::ModelError;
use crate::stats::TextError;

/// Why a model cannot be evaluated on a task.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A task is neither built in nor a file.
    #[error("there is no task `{name}`, and no file with that name")]
    Unknown {
        /// The requested name.
        name: String,
        /// Tasks of similar names.
        similar: Vec<String>,
    },
    /// A task is requested twice.
    #[error("the task `{name}` is requested twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// The description of a task is invalid.
    #[error("{place}: `{key}` {problem}")]
    Description {
        /// The file, or the built-in task.
        place: String,
        /// The key in it, or `$` for the whole file.
        key: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A folder has none of the files of a task.
    #[error("{} has no file of the task `{task}`: {}", folder.display(), files.join(", "))]
    NoFile {
        /// The task.
        task: String,
        /// The folder.
        folder: PathBuf,
        /// The expected names.
        files: Vec<String>,
    },
    /// Examples are requested, but their file does not exist.
    #[error("`{task}` with {shots} examples in each prompt reads them from {}, but {} has no such file", files.join(" or "), folder.display())]
    NoShots {
        /// The task.
        task: String,
        /// The requested number.
        shots: usize,
        /// The folder.
        folder: PathBuf,
        /// The expected names.
        files: Vec<String>,
    },
    /// More examples are requested than exist.
    #[error("`{task}` has {found} documents to draw examples from, but {shots} are requested")]
    FewShots {
        /// The task, and the subject if the task has subjects.
        task: String,
        /// The requested number.
        shots: usize,
        /// The available number.
        found: usize,
    },
    /// Examples would be drawn from documents that have to be kept apart.
    #[error("the examples of `{task}` would be drawn from its own documents, including the reported ones")]
    OwnShots {
        /// The task.
        task: String,
    },
    /// A reported document also guides the search.
    #[error("{}:{line}: this document is reported, but the search uses the same document in other words", path.display())]
    Leak {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A task whose answers the model generates is requested for a search.
    #[error("the model generates the answers of `{task}`, but a search compares likelihoods")]
    Written {
        /// The task.
        task: String,
    },
    /// No document serves the purpose.
    #[error("no document of {} is assigned to {purpose}", tasks.join(", "))]
    NoDocument {
        /// The tasks.
        tasks: Vec<String>,
        /// The purpose.
        purpose: &'static str,
    },
    /// A file has no documents.
    #[error("{} has no documents", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A parquet file cannot be read, or is compressed with something other than Snappy.
    #[error("cannot read the parquet file {}: {problem}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reader's error.
        problem: String,
    },
    /// A file's first document does not have the fields of any of a task's forms.
    #[error("{}:{line}: the document has the fields {}, but the task `{task}` reads {}", path.display(), found.join(", "), forms.join("; or "))]
    Form {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The task.
        task: String,
        /// The document's fields.
        found: Vec<String>,
        /// The fields of each form.
        forms: Vec<String>,
    },
    /// A document is invalid.
    #[error("{}:{line}: {problem}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The problem.
        problem: DocumentProblem,
    },
    /// The requested sequences are longer than the model's context.
    #[error("sequences of {asked} tokens are requested, but the model's context has {longest}")]
    Length {
        /// The requested length.
        asked: usize,
        /// The context.
        longest: usize,
    },
    /// Generated answers leave no space for a prompt.
    #[error("answers of up to {answer} tokens leave no space for a prompt in a context of {longest}")]
    NoRoom {
        /// The longest answer.
        answer: usize,
        /// The context.
        longest: usize,
    },
    /// Two measurements cannot be compared document by document.
    #[error("{}: {problem}", path.display())]
    Other {
        /// The file of the earlier measurement.
        path: PathBuf,
        /// The reason.
        problem: String,
    },
    /// A file is not a readable text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The model cannot be run, or its tokenizer cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The work was asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Problems of a document.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DocumentProblem {
    /// A line is not a JSON object.
    #[error("the line is not a JSON object: {0}")]
    Json(String),
    /// A table's line does not match its header.
    #[error("{0}")]
    Table(String),
    /// A field is missing.
    #[error("the document has no field `{0}`")]
    Field(String),
    /// A field has another type than the task reads.
    #[error("the field `{field}` is {found}, but the task reads {wanted}")]
    Type {
        /// The field.
        field: String,
        /// Its type.
        found: &'static str,
        /// The expected type.
        wanted: &'static str,
    },
    /// A field lacks the mark that splits it.
    #[error("the field `{field}` has no \"{mark}\" in it")]
    Mark {
        /// The field.
        field: String,
        /// The mark.
        mark: String,
    },
    /// The right answer is not among the choices.
    #[error("the label {label} is none of {choices}")]
    Label {
        /// The label.
        label: String,
        /// The valid labels.
        choices: String,
    },
    /// There are fewer than two choices.
    #[error("the document needs at least two choices; number found: {0}")]
    Choices(usize),
    /// A continuation has no tokens.
    #[error("the continuation {0:?} has no tokens of its own")]
    EmptyContinuation(String),
    /// A context has no tokens, and the tokenizer defines no first token.
    #[error("the context is empty, and the tokenizer defines no token to begin a text with")]
    EmptyContext,
    /// A continuation does not fit into the context.
    #[error("a continuation has {tokens} tokens, but the longest sequence has {longest}")]
    Long {
        /// Its number of tokens.
        tokens: usize,
        /// The number that fits.
        longest: usize,
    },
}
