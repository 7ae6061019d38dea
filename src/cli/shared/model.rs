//! Opens a command's models, by folder or by id.

use std::path::{Path, PathBuf};

use super::common::Common;
use super::context;
use super::error::CliError;
use super::interrupt::Resumable;
use super::progress::Progress;
use crate::model::{Checkpoint, SpecialTokens, hub};
use crate::session::Note;

/// Opens a model: a folder, or the hub's model of that id, which is downloaded first if it is not in the cache.
///
/// # Errors
/// Fails when there is no such model, it is malformed, or the command's device cannot be used.
pub(in crate::cli) fn open(model: &Path, common: Common) -> Result<Checkpoint, CliError> {
    let checkpoint = Checkpoint::open(folder(model, common.quiet)?)?;
    warn(&checkpoint, common.quiet);
    let checkpoint = common.device.place(checkpoint)?;
    context::model(&checkpoint);
    Ok(checkpoint)
}

/// Prints the warnings about a model's folder, one line each, unless `quiet`.
pub(in crate::cli) fn warn(checkpoint: &Checkpoint, quiet: bool) {
    for warning in checkpoint.warnings() {
        context::warn("warning", &warning.to_string(), quiet);
    }
}

/// Warns, unless `quiet`, if the tokenizer's two files disagree about the tokens at the start of a text.
pub(in crate::cli) fn warn_of_texts(special: Option<&SpecialTokens>, quiet: bool) {
    if let Some(said) = special.and_then(SpecialTokens::contradiction) {
        context::warn("warning", &Note::OtherBeginning(said).to_string(), quiet);
    }
}

/// Returns a model's folder; for an id, the folder in the hub's cache.
///
/// # Errors
/// Fails when there is no such model, or it cannot be downloaded.
pub(in crate::cli) fn folder(model: &Path, quiet: bool) -> Result<PathBuf, CliError> {
    let mut shown: Option<(String, Progress, Resumable)> = None;
    let folder = hub::fetch(model, &mut |at| {
        let share = at.done as f64 / at.bytes.max(1) as f64;
        match &shown {
            Some((file, bar, _)) if file == at.file => bar.at(share),
            _ => {
                let bar = Progress::new(at.file, quiet);
                bar.at(share);
                shown = Some((at.file.to_owned(), bar, Resumable::begin()));
            }
        }
    })?;
    if let Some((_, bar, _)) = shown {
        bar.done();
    }
    Ok(folder)
}
