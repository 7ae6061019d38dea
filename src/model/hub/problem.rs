//! Errors of a download.

use std::path::PathBuf;

use thiserror::Error;

/// Why a model cannot be downloaded from the hub.
#[derive(Debug, Error)]
pub enum DownloadProblem {
    /// The hub refuses access: the model does not exist for this user, or it is gated.
    #[error("the hub refuses access to it")]
    Refused,
    /// The hub has no model with that id.
    #[error("the hub has no such model")]
    NoSuchModel,
    /// The hub has the model, but no safetensors for it.
    #[error("the hub has no safetensors for it, and other weight formats are not supported")]
    NoSafetensors,
    /// A file of the model was replaced while it was downloaded.
    #[error("it changed during the download")]
    Changed,
    /// The hub answers with an error status.
    #[error("the hub answers with status {0}")]
    Status(u16),
    /// The hub cannot be reached.
    #[error("{cause}")]
    Unreachable {
        /// The client's error.
        cause: String,
        /// The folder of the cache.
        cache: PathBuf,
    },
    /// The cache cannot be written.
    #[error("cannot write to {}: {cause}", cache.display())]
    Cache {
        /// The folder of the cache.
        cache: PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// The connection broke.
    #[error("{0}")]
    Broken(std::io::Error),
    /// Another process downloads the same model.
    #[error("another process is downloading it, and holds {}", .0.display())]
    Locked(PathBuf),
    /// The client cannot interpret the hub's answer.
    #[error("the hub's answer cannot be interpreted ({0})")]
    Answer(String),
}
