//! Errors of statistics files.

use std::path::PathBuf;

use thiserror::Error;

use crate::model::{Difference, ModelError};

/// Why statistics cannot be read or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// The file itself cannot be read or written.
    #[error(transparent)]
    File(#[from] ModelError),
    /// The file is a safetensors file of another kind.
    #[error("{} is not a statistics file ({problem})", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        problem: String,
    },
    /// An earlier version collected them, and recorded less of the model.
    #[error("{} was made by an earlier version, which recorded too little of the model to tell whether it is the same", path.display())]
    Old {
        /// The file.
        path: PathBuf,
    },
    /// The data differ from those that were written.
    #[error("{} is damaged: its data do not match their checksum", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The statistics were collected on another model, or the model has changed since.
    #[error("{} was not made from {} in its present state: {difference}", path.display(), model.display())]
    Stale {
        /// The file.
        path: PathBuf,
        /// The model's folder.
        model: PathBuf,
        /// What differs.
        difference: Box<Difference>,
    },
    /// The file has a statistic for a module that the model lacks.
    #[error("{}: `{tensor}` belongs to no linear of {}; the statistics belong to another model", path.display(), model.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The model's folder.
        model: PathBuf,
    },
    /// A linear of the model has no second moments.
    #[error("{} has no `{tensor}`; it is incomplete", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A statistic has an impossible value.
    #[error("{}: `{tensor}` holds {value} at {index}; values must be finite and, except in Hessians and marginals, not negative", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The position of the first such value, row-major.
        index: usize,
        /// The value.
        value: f32,
    },
}
