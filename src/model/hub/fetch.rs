//! Finds a model's folder: where it is given, in the cache, or by a download.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

#[cfg(feature = "hub")]
use super::download;
use super::progress::Progress;
use super::wanted::Wanted;
use crate::model::error::ModelError;
use crate::model::files::{INDEX, SINGLE, shards};

/// Returns the folder of a model: `model` itself where it exists or is no id, else the snapshot of the id `OWNER/NAME` in the
/// hub's cache, into which it is downloaded first where it is not there; calls `progress` while a file is downloaded.
///
/// Only what allot reads or carries along is downloaded: config, tokenizer, safetensors and their index. A file is in the snapshot
/// when it is whole; what an interrupted download has got is kept in the cache, and the next one goes on from there.
///
/// # Errors
/// When it is an id that the cache does not hold, and it cannot be downloaded.
pub fn fetch(model: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<PathBuf, ModelError> {
    let (false, Some((owner, name))) = (model.exists(), id(model)) else {
        return Ok(model.to_owned());
    };
    let cache = cache_folder();
    match in_cache(&cache, owner, name) {
        Ok(snapshot) if is_complete(&snapshot) => Ok(snapshot),
        found => download(&cache, owner, name, Wanted::All, found, progress),
    }
}

/// Returns a folder that has the configuration and the tokenizer of a model, as [`fetch`] does; weights are not downloaded.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_configuration(
    model: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, ModelError> {
    let (false, Some((owner, name))) = (model.exists(), id(model)) else {
        return Ok(model.to_owned());
    };
    let cache = cache_folder();
    match in_cache(&cache, owner, name) {
        Ok(snapshot) if snapshot.join("config.json").is_file() => Ok(snapshot),
        found => download(&cache, owner, name, Wanted::Configuration, found, progress),
    }
}

#[cfg(feature = "hub")]
fn download(
    cache: &Path,
    owner: &str,
    name: &str,
    wanted: Wanted,
    found: Result<PathBuf, ModelError>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, ModelError> {
    let offline = env::var("HF_HUB_OFFLINE").unwrap_or_default().to_lowercase();
    match offline.as_str() {
        // What is missing of an incomplete one is said when it is opened.
        "1" | "on" | "yes" | "true" => found,
        _ => download::download(cache, &format!("{owner}/{name}"), wanted, progress),
    }
}

#[cfg(not(feature = "hub"))]
fn download(
    _: &Path,
    _: &str,
    _: &str,
    _: Wanted,
    found: Result<PathBuf, ModelError>,
    _: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, ModelError> {
    found
}

/// Returns whether a snapshot has a configuration and all weights.
fn is_complete(snapshot: &Path) -> bool {
    let has = |name: &str| snapshot.join(name).is_file();
    let sharded = || shards(&snapshot.join(INDEX)).is_ok_and(|index| index.values().all(|shard| has(shard)));
    has("config.json") && (has(SINGLE) || sharded())
}

/// Returns the snapshot of a model in a cache folder: the main branch's, else the only one.
///
/// # Errors
/// When there is none.
pub fn in_cache(cache: &Path, owner: &str, name: &str) -> Result<PathBuf, ModelError> {
    let folder = cache.join(format!("models--{owner}--{name}"));
    let snapshots = folder.join("snapshots");
    let main = fs::read_to_string(folder.join("refs/main")).ok();
    let named = main.map(|revision| snapshots.join(revision.trim())).filter(|it| it.is_dir());
    if let Some(snapshot) = named {
        return Ok(snapshot);
    }
    let entries = fs::read_dir(&snapshots).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|it| it.path()).filter(|it| it.is_dir()).collect();
    match (found.pop(), found.pop()) {
        (Some(only), None) => Ok(only),
        _ => Err(ModelError::NotCached { id: format!("{owner}/{name}"), cache: cache.to_owned() }),
    }
}

/// Returns the cache's folder as `huggingface_hub` finds it: `HF_HUB_CACHE`, `HF_HOME/hub`, or below the user's cache folder.
fn cache_folder() -> PathBuf {
    let folder = |name: &str| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    folder("HF_HUB_CACHE")
        .or_else(|| Some(folder("HF_HOME")?.join("hub")))
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface/hub")))
        .or_else(|| Some(env::home_dir()?.join(".cache/huggingface/hub")))
        .unwrap_or_default()
}

/// Returns the owner and the name when a path has the form of an id.
fn id(model: &Path) -> Option<(&str, &str)> {
    let (owner, name) = model.to_str()?.split_once('/')?;
    let plain = |part: &str| {
        let known = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
    };
    (plain(owner) && plain(name)).then_some((owner, name))
}
