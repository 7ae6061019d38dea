//! Errors of a session.

use std::path::PathBuf;

use thiserror::Error;

use crate::allocate::script::ScriptError;
use crate::descent::error::DescentError;
use crate::interpret::error::InterpretError;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::render::render;
use crate::model::{Difference, ModelError};
use crate::prune::PruneError;
use crate::stats::{StatisticsError, TextError};
use crate::tasks::TaskError;

/// The reason why a session fails.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: std::io::Error,
    },
    /// A script has errors.
    #[error("{}", render(diagnostics, name, text, false).trim_end())]
    Diagnosed {
        /// The script's file or name.
        name: String,
        /// Its text.
        text: String,
        /// The errors, with their places in the text.
        diagnostics: Vec<Diagnostic>,
    },
    /// A script has no value on the model.
    #[error("{}", render(&[cause.diagnostic()], name, text, false).trim_end())]
    NoValue {
        /// The script's file or name.
        name: String,
        /// Its text.
        text: String,
        /// The cause, with its place in the text.
        cause: Box<InterpretError>,
    },
    /// The name is neither a file nor a published script.
    #[error("there is no file `{name}` and no published script of that name")]
    NoScript {
        /// The name that was asked for.
        name: String,
        /// Published scripts with similar names.
        similar: Vec<String>,
    },
    /// A script without a metric is used as a pruning method.
    #[error("`{name}` has no `metric`, so it cannot say how weights are scored")]
    NoMetric {
        /// The script's name.
        name: String,
    },
    /// The sparsity of an allocation file differs from the requested one.
    #[error("{name} has a sparsity of {target}, and not {asked}")]
    DecidedSparsity {
        /// The file.
        name: String,
        /// Its sparsity.
        target: f64,
        /// The requested sparsity.
        asked: f64,
    },
    /// The statistics were collected on another model, or the model has changed since.
    #[error("the statistics were not collected on {} as it is: {difference}", model.display())]
    OtherModel {
        /// The model's folder.
        model: PathBuf,
        /// The difference.
        difference: Box<Difference>,
    },
    /// A model cannot be read or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A text cannot be read, or does not fit the model.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A statistics file cannot be used.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// Tasks cannot be read.
    #[error(transparent)]
    Task(Box<TaskError>),
    /// A script has no allocation on the model, for a reason outside its text.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The model cannot be pruned.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// Marginals cannot be measured.
    #[error(transparent)]
    Descent(Box<DescentError>),
}

impl From<TaskError> for SessionError {
    fn from(error: TaskError) -> Self {
        Self::Task(Box::new(error))
    }
}
