//! What results depend on beside the numbers: models, method, calibration, and what was warned of; said in every document that is printed.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::terminal;
use crate::exchange::file::CalibrationName;
use crate::model::{Checkpoint, Identity};
use crate::search::settings::Settings;
use crate::session::calibration_name;
use crate::stats::Statistics;

/// What a document depends on.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Context {
    /// The version of allot.
    allot: &'static str,
    /// The models that were read, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<ModelUsed>,
    /// How weights are scored or chosen: a method's name, or a script with a metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// What statistics were collected on.
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<CalibrationName>,
    /// All that losses depend on, as pairs of a name and a value: weights, tokenizers, texts, windows, device.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_with: Option<Identity>,
    /// What was warned of or noted, a sentence or more each, whether or not it was printed.
    warnings: Vec<String>,
}

/// A model that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
struct ModelUsed {
    /// The folder.
    folder: PathBuf,
    /// The family's name for people.
    architecture: String,
    /// The fingerprint of its weights, as `allot inspect` shows it; absent where a command failed before the weights were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
}

/// What a process has used and said.
struct Used {
    /// Their fingerprints take a pass over all weights, and are asked for at the end only.
    models: Vec<Checkpoint>,
    method: Option<String>,
    calibration: Option<CalibrationName>,
    measured_with: Option<Identity>,
    warnings: Vec<String>,
}

/// A process runs one command.
static USED: Mutex<Used> = Mutex::new(Used {
    models: Vec::new(),
    method: None,
    calibration: None,
    measured_with: None,
    warnings: Vec::new(),
});

fn note(what: impl FnOnce(&mut Used)) {
    what(&mut USED.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Notes a model that a command reads.
pub(in crate::cli) fn model(checkpoint: &Checkpoint) {
    note(|used| {
        if !used.models.iter().any(|it| it.folder() == checkpoint.folder()) {
            used.models.push(checkpoint.clone());
        }
    });
}

/// Notes how weights are scored or chosen.
pub(in crate::cli) fn method(name: &str) {
    note(|used| used.method = Some(name.to_owned()));
}

/// Notes what statistics were collected on.
pub(in crate::cli) fn calibration(statistics: Option<&Statistics>) {
    let Some(name) = statistics.map(calibration_name) else { return };
    note(|used| used.calibration = Some(name));
}

/// Notes all that losses depend on.
pub(in crate::cli) fn measured_with(identity: &Identity) {
    note(|used| used.measured_with = Some(identity.clone()));
}

/// Notes what a search was told.
pub(in crate::cli) fn search(settings: &Settings) {
    method(&settings.trial.ranking.to_string());
    measured_with(&settings.identities);
}

/// Prints a warning or a note, unless `quiet`, and keeps it for the document.
pub(in crate::cli) fn warn(kind: &str, text: &str, quiet: bool) {
    if !quiet {
        terminal::message(&format!("{kind}: {text}\n"));
    }
    keep(text);
}

/// Keeps a warning that is printed in another form.
pub(in crate::cli) fn keep(text: &str) {
    note(|used| used.warnings.push(text.to_owned()));
}

/// Returns what is known at the end. Fingerprints of models that nobody has named yet are made here, by a pass over their weights.
pub(in crate::cli) fn taken() -> Context {
    context(|model| Some(model.fingerprint()))
}

/// Returns what is known so far, without reading anything for it.
pub(in crate::cli) fn known() -> Context {
    context(Checkpoint::known_fingerprint)
}

fn context(fingerprint: fn(&Checkpoint) -> Option<String>) -> Context {
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    Context {
        allot: env!("CARGO_PKG_VERSION"),
        models: used.models.iter().map(|model| used_model(model, fingerprint(model))).collect(),
        method: used.method.clone(),
        calibration: used.calibration.clone(),
        measured_with: used.measured_with.clone(),
        warnings: used.warnings.clone(),
    }
}

fn used_model(checkpoint: &Checkpoint, fingerprint: Option<String>) -> ModelUsed {
    let folder: &Path = checkpoint.folder();
    ModelUsed {
        folder: folder.to_owned(),
        architecture: checkpoint.config().architecture.title.to_owned(),
        fingerprint,
    }
}
