//! What can be wrong with tasks: which file, which line.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::interrupt::Interrupted;
use crate::model::ModelError;
use crate::stats::TextError;

/// Says why a model cannot be measured by a task.
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
    #[error("there is no task `{name}`, and no file of that name")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Tasks of similar names.
        similar: Vec<String>,
    },
    /// A task is asked for twice.
    #[error("the task `{name}` is asked for twice")]
    Twice {
        /// Its name.
        name: String,
    },
    /// The description of a task is not as it must be.
    #[error("{place}: `{key}` {problem}")]
    Description {
        /// The file, or the built-in task.
        place: String,
        /// The key in it, or `$` for the whole file.
        key: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A folder has none of the files that a task reads.
    #[error("{} has no file of the task `{task}`: {}", folder.display(), files.join(", "))]
    NoFile {
        /// The task.
        task: String,
        /// The folder.
        folder: PathBuf,
        /// The names that are looked for.
        files: Vec<String>,
    },
    /// Examples are asked for, and there is no file of them.
    #[error("`{task}` with {shots} examples a prompt reads them from {}, and {} has no such file", files.join(" or "), folder.display())]
    NoShots {
        /// The task.
        task: String,
        /// How many are asked for.
        shots: usize,
        /// The folder.
        folder: PathBuf,
        /// The names that are looked for.
        files: Vec<String>,
    },
    /// More examples are asked for than there are.
    #[error("`{task}` has {found} documents to draw examples from, and {shots} are asked for")]
    FewShots {
        /// The task, and the subject where it has some.
        task: String,
        /// How many are asked for.
        shots: usize,
        /// How many there are.
        found: usize,
    },
    /// Examples would be drawn from documents that are to be set apart from each other.
    #[error("the examples of `{task}` would be drawn from its own documents, the reported ones among them")]
    OwnShots {
        /// The task.
        task: String,
    },
    /// A reported document decides as well.
    #[error("{}:{line}: the document is to be reported, and the search goes by it in other words", path.display())]
    Leak {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A task whose answers the model writes is to decide.
    #[error("the answers of `{task}` are written by the model, and a search goes by likelihoods")]
    Written {
        /// The task.
        task: String,
    },
    /// No document is asked.
    #[error("no document of {} is set apart for {purpose}", tasks.join(", "))]
    NoDocument {
        /// The tasks.
        tasks: Vec<String>,
        /// What for.
        purpose: &'static str,
    },
    /// A file has no documents.
    #[error("{} has no documents", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A parquet file cannot be read, or is packed in another way than by Snappy.
    #[error("cannot read the parquet file {}: {problem}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What its reader says.
        problem: String,
    },
    /// A file's first document has the fields of none of a task's forms.
    #[error("{}:{line}: the document has the fields {}, and the task `{task}` reads {}", path.display(), found.join(", "), forms.join("; or "))]
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
    /// A document is not as it must be.
    #[error("{}:{line}: {problem}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: DocumentProblem,
    },
    /// A sequence is to be longer than the model's context.
    #[error("sequences of {asked} tokens are asked for, and the model's context has {longest}")]
    Length {
        /// What was asked for.
        asked: usize,
        /// The context.
        longest: usize,
    },
    /// Generated answers leave no room for a prompt.
    #[error("answers of up to {answer} tokens leave no room for a prompt in a context of {longest}")]
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
        /// Why.
        problem: String,
    },
    /// A file is no text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The model cannot be run, or its tokenizer not be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It was asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What is wrong with a document.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DocumentProblem {
    /// A line is not a JSON object.
    #[error("the line is not a JSON object: {0}")]
    Json(String),
    /// A table's line is not as its head says.
    #[error("{0}")]
    Table(String),
    /// A field is missing.
    #[error("the document has no field `{0}`")]
    Field(String),
    /// A field is of another type than the task reads.
    #[error("the field `{field}` is {found}, and the task reads {wanted}")]
    Type {
        /// The field.
        field: String,
        /// What it is.
        found: &'static str,
        /// What it is to be.
        wanted: &'static str,
    },
    /// A field lacks the mark at which it is split.
    #[error("the field `{field}` has no \"{mark}\" in it")]
    Mark {
        /// The field.
        field: String,
        /// The mark.
        mark: String,
    },
    /// The right answer is none of the choices.
    #[error("the label {label} is none of {choices}")]
    Label {
        /// The label.
        label: String,
        /// The labels that there are.
        choices: String,
    },
    /// There is one choice or none.
    #[error("the document has {0} choices, and a choice is between two at least")]
    Choices(usize),
    /// A continuation has no tokens.
    #[error("the continuation {0:?} has no tokens of its own")]
    EmptyContinuation(String),
    /// A context has no tokens, and the tokenizer no token to begin with.
    #[error("the context is empty, and the tokenizer names no token that a text could begin with")]
    EmptyContext,
    /// A continuation does not fit in the context.
    #[error("a continuation has {tokens} tokens, and the longest sequence {longest}")]
    Long {
        /// Its tokens.
        tokens: usize,
        /// What fits.
        longest: usize,
    },
}
