//! Finds models of the Hugging Face hub by id in its local cache, and downloads them into it.
//!
//! `huggingface_hub` and the `hf` command fill the cache: `models--OWNER--NAME/snapshots/REVISION`, with the
//! revision of each branch in `refs`. Models that it does not hold are downloaded, unless allot was built
//! without the feature `hub`.

#[cfg(feature = "hub")]
mod download;
mod fetch;
mod problem;
mod progress;
mod wanted;

pub use fetch::{fetch, fetch_configuration, fetch_snapshot, in_cache};
pub use problem::DownloadProblem;
pub use progress::Progress;
