//! Models of the Hugging Face hub by their id: from its local cache, and into it.
//!
//! The cache is what `huggingface_hub` and the `hf` command fill: `models--OWNER--NAME/snapshots/REVISION`, with the
//! revision of each branch in `refs`. What it does not hold is downloaded, unless the feature `hub` was left out.

#[cfg(feature = "hub")]
mod download;
mod fetch;
mod problem;
mod progress;
mod wanted;

pub use fetch::{fetch, fetch_configuration, in_cache};
pub use problem::DownloadProblem;
pub use progress::Progress;
