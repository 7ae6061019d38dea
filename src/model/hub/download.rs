//! Downloads into the hub's cache with the hub's own client.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo};

use super::problem::DownloadProblem;
use super::progress::Progress;
use super::wanted::Wanted;
use crate::model::error::ModelError;
use crate::model::files::{INDEX, SINGLE, shards};

/// Files downloaded in addition to the weights, if the model has them. `config.json` comes last: without it,
/// a folder does not count as a model.
const CARRIED: [&str; 13] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.json",
    "chat_template.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "config.json",
];

/// Downloads the missing files of a model's current revision, and returns its snapshot.
///
/// # Errors
/// When the hub cannot be reached, does not provide the model or has no safetensors for it, or the cache
/// cannot be written.
pub(super) fn download(
    cache: &Path,
    id: &str,
    wanted: Wanted,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, ModelError> {
    let failed = |problem| ModelError::Download { id: id.to_owned(), problem };
    let api = |error| failed(explain(error, cache));
    // The client needs an absolute path.
    let path = std::path::absolute(cache)
        .map_err(|cause| failed(DownloadProblem::Cache { cache: cache.to_owned(), cause }))?;
    let (cache, repo) = (Cache::new(path), Repo::model(id.to_owned()));
    let mut builder =
        ApiBuilder::from_cache(cache.clone()).with_user_agent("allot", env!("CARGO_PKG_VERSION"));
    if let Some(endpoint) = set("HF_ENDPOINT") {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    if let Some(token) = set("HF_TOKEN") {
        builder = builder.with_token(Some(token));
    }
    let hub = builder.build().map_err(api)?.repo(repo.clone());
    let info = hub.info().map_err(api)?;
    let has = |name: &str| info.siblings.iter().any(|file| file.rfilename == name);
    let snapshot = cache.repo(repo).pointer_path(&info.sha);
    let mut get = |name: &str| -> Result<PathBuf, ModelError> {
        let path = snapshot.join(name);
        if !path.is_file() {
            get_file(&hub, name, progress).map_err(api)?;
        }
        match path.is_file() {
            true => Ok(path),
            false => Err(failed(DownloadProblem::Changed)),
        }
    };
    // In the order in which a folder is read: the single file before the index.
    if wanted == Wanted::Configuration {
        // The first command that reads the weights downloads them.
    } else if has(SINGLE) {
        get(SINGLE)?;
    } else if has(INDEX) {
        let index = get(INDEX)?;
        let mut names: Vec<String> = shards(&index)?.into_values().collect();
        names.sort_unstable();
        names.dedup();
        for shard in names {
            get(&shard)?;
        }
    } else {
        return Err(failed(DownloadProblem::NoSafetensors));
    }
    for name in CARRIED {
        if has(name) {
            get(name)?;
        }
    }
    Ok(snapshot)
}

fn get_file(hub: &ApiRepo, name: &str, report: &mut dyn FnMut(Progress<'_>)) -> Result<(), ApiError> {
    let watch = Watch { file: name.to_owned(), done: 0, bytes: 0, report };
    hub.download_with_progress(name, watch).map(|_| ())
}

/// Passes the client's progress reports on.
struct Watch<'a> {
    file: String,
    done: u64,
    bytes: u64,
    report: &'a mut dyn FnMut(Progress<'_>),
}

impl hf_hub::api::Progress for Watch<'_> {
    fn init(&mut self, size: usize, _: &str) {
        (self.done, self.bytes) = (0, size as u64);
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        (self.report)(Progress { file: &self.file, done: self.done, bytes: self.bytes });
    }

    fn finish(&mut self) {}
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Translates the client's error.
fn explain(error: ApiError, cache: &Path) -> DownloadProblem {
    match error {
        ApiError::RequestError(cause) => match &*cause {
            ureq::Error::StatusCode(401 | 403) => DownloadProblem::Refused,
            ureq::Error::StatusCode(404) => DownloadProblem::NoSuchModel,
            ureq::Error::StatusCode(status) => DownloadProblem::Status(*status),
            cause => DownloadProblem::Unreachable { cause: cause.to_string(), cache: cache.to_owned() },
        },
        ApiError::IoError(cause) if is_of_disk(&cause) => {
            DownloadProblem::Cache { cache: cache.to_owned(), cause }
        }
        ApiError::IoError(cause) => DownloadProblem::Broken(cause),
        ApiError::LockAcquisition(path) => DownloadProblem::Locked(path),
        other => DownloadProblem::Answer(other.to_string()),
    }
}

fn is_of_disk(cause: &io::Error) -> bool {
    use io::ErrorKind::{
        FileTooLarge, NotADirectory, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    matches!(
        cause.kind(),
        FileTooLarge
            | NotADirectory
            | NotFound
            | PermissionDenied
            | QuotaExceeded
            | ReadOnlyFilesystem
            | StorageFull
    )
}
