//! Models of the Hugging Face hub that lie in its local cache, by their id.
//!
//! The cache is what `huggingface_hub` and the `hf` command fill: `models--OWNER--NAME/snapshots/REVISION`, with the
//! revision of each branch in `refs`. Nothing is downloaded here, so that allot needs no network and no TLS.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::ModelError;

/// Returns the folder of a model: `model` itself where it exists or is no id, else the cached snapshot of the id `OWNER/NAME`.
///
/// # Errors
/// When it is an id that the cache does not hold.
pub fn model_folder(model: &Path) -> Result<PathBuf, ModelError> {
    match (model.exists(), id(model)) {
        (false, Some((owner, name))) => in_cache(&cache_folder(), owner, name),
        _ => Ok(model.to_owned()),
    }
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
