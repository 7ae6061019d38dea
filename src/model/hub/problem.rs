//! Why a download fails.

use std::path::PathBuf;

use thiserror::Error;

/// Why the hub's model cannot be downloaded.
#[derive(Debug, Error)]
pub enum DownloadProblem {
    /// The hub refuses: there is no such model for this user, or it is gated.
    #[error("the hub does not show it")]
    Refused,
    /// The hub has no model of that id.
    #[error("the hub has no such model")]
    NoSuchModel,
    /// The hub has the model, and no safetensors of it.
    #[error("the hub has no safetensors of it, and other forms of weights are not read")]
    NoSafetensors,
    /// A file of the model was replaced while it was downloaded.
    #[error("it was changed meanwhile")]
    Changed,
    /// The hub answers with an error.
    #[error("the hub answers with status {0}")]
    Status(u16),
    /// The hub cannot be reached.
    #[error("{cause}")]
    Unreachable {
        /// What the client says.
        cause: String,
        /// The folder of the cache.
        cache: PathBuf,
    },
    /// The cache cannot be written.
    #[error("cannot write to {}: {cause}", cache.display())]
    Cache {
        /// The folder of the cache.
        cache: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The connection broke.
    #[error("{0}")]
    Broken(std::io::Error),
    /// Another process downloads the same model.
    #[error("another process is downloading it, and holds {}", .0.display())]
    Locked(PathBuf),
    /// An answer of the hub's that the client cannot make sense of.
    #[error("the hub answers in a way that is not understood ({0})")]
    Answer(String),
}
