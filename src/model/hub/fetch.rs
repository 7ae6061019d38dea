//! Finds a model's folder: as given, in the cache, or after a download.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

#[cfg(feature = "hub")]
use super::download;
use super::progress::Progress;
use super::wanted::Wanted;
use crate::model::error::ModelError;
use crate::model::files::{INDEX, SINGLE, shards};

/// Returns the folder of a model: `model` itself if it exists or is not an id, else the snapshot of the id
/// `OWNER/NAME` in the hub's cache. Downloads the snapshot if it is missing, and calls `progress` meanwhile.
///
/// Only files that allot reads or copies are downloaded: config, tokenizer, safetensors and their index. A
/// file enters the snapshot when it is complete. The cache keeps the part of an interrupted download, and the
/// next download resumes it.
///
/// # Errors
/// When `model` is an id that the cache does not hold and that cannot be downloaded.
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

/// Returns a folder with the configuration and the tokenizer of a model, as [`fetch`] does, without
/// downloading weights.
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

/// Returns the folder here of a model that another machine has at `model`: `model` itself if it exists or is
/// not a snapshot in a hub's cache, else the same snapshot in this machine's cache. Downloads the model's current
/// revision if the cache does not hold the snapshot, so the caller compares the weights' fingerprints.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_snapshot(model: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<PathBuf, ModelError> {
    let (false, Some((owner, name, revision))) = (model.exists(), snapshot(model)) else {
        return Ok(model.to_owned());
    };
    let here = cache_folder().join(format!("models--{owner}--{name}/snapshots/{revision}"));
    if is_complete(&here) { Ok(here) } else { fetch(Path::new(&format!("{owner}/{name}")), progress) }
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
        // Opening an incomplete snapshot reports what is missing.
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
/// When there is no such snapshot.
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

/// Returns the cache's folder as `huggingface_hub` finds it: `HF_HUB_CACHE`, `HF_HOME/hub`, or a folder in
/// the user's cache folder.
fn cache_folder() -> PathBuf {
    let folder = |name: &str| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    folder("HF_HUB_CACHE")
        .or_else(|| Some(folder("HF_HOME")?.join("hub")))
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface/hub")))
        .or_else(|| Some(env::home_dir()?.join(".cache/huggingface/hub")))
        .unwrap_or_default()
}

/// Returns owner, name and revision if a path ends like a snapshot's in a hub's cache.
fn snapshot(model: &Path) -> Option<(&str, &str, &str)> {
    let revision = model.file_name()?.to_str()?;
    let snapshots = model.parent()?;
    let of_model = snapshots.parent()?.file_name()?.to_str()?;
    let (owner, name) = of_model.strip_prefix("models--")?.split_once("--")?;
    (snapshots.file_name()? == "snapshots").then_some((owner, name, revision))
}

/// Returns owner and name if a path has the form of an id.
fn id(model: &Path) -> Option<(&str, &str)> {
    let (owner, name) = model.to_str()?.split_once('/')?;
    let plain = |part: &str| {
        let known = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
    };
    (plain(owner) && plain(name)).then_some((owner, name))
}
