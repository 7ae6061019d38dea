//! Why a session cannot do what it was asked for.

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

/// Says why a session cannot do what it was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A script has errors.
    #[error("{}", render(diagnostics, name, text, false).trim_end())]
    Diagnosed {
        /// The script's file or name.
        name: String,
        /// Its text.
        text: String,
        /// What is wrong, with places in the text.
        diagnostics: Vec<Diagnostic>,
    },
    /// A script has no value on the model.
    #[error("{}", render(&[cause.diagnostic()], name, text, false).trim_end())]
    NoValue {
        /// The script's file or name.
        name: String,
        /// Its text.
        text: String,
        /// Why, with places in the text.
        cause: Box<InterpretError>,
    },
    /// A script that is neither a file nor a published one.
    #[error("there is no file `{name}` and no published script of that name")]
    NoScript {
        /// What was asked for.
        name: String,
        /// Published scripts of similar names.
        similar: Vec<String>,
    },
    /// A pruning method is a script with a metric, and this one has none.
    #[error("`{name}` has no `metric`, so it cannot say how weights are scored")]
    NoMetric {
        /// The script's name.
        name: String,
    },
    /// An allocation file has another sparsity than is asked for.
    #[error("{name} has a sparsity of {target}, and not {asked}")]
    DecidedSparsity {
        /// The file.
        name: String,
        /// Its sparsity.
        target: f64,
        /// The one asked for.
        asked: f64,
    },
    /// Statistics were collected on another model, or the model has changed since.
    #[error("the statistics were not collected on {} as it is: {difference}", model.display())]
    OtherModel {
        /// The model's folder.
        model: PathBuf,
        /// What differs.
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
    /// A script has no allocation on the model, for a reason that is not in its text.
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
