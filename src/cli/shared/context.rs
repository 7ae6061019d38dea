//! The context of a result: models, method, calibration and warnings. Every printed JSON document includes it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::terminal;
use crate::exchange::file::CalibrationName;
use crate::model::{Checkpoint, Identity};
use crate::search::settings::Settings;
use crate::session::calibration_name;
use crate::stats::Statistics;

/// The inputs that a document depends on.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Context {
    /// The version of allot.
    allot: &'static str,
    /// The models that were read, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<ModelUsed>,
    /// The method that scores or chooses weights: a method's name, or a script with a metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// The text that statistics were collected on.
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<CalibrationName>,
    /// Everything that losses depend on, as pairs of a name and a value: weights, tokenizers, texts, windows, device.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_with: Option<Identity>,
    /// The warnings and notes, whether or not they were printed.
    warnings: Vec<String>,
}

/// A model that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
struct ModelUsed {
    /// The folder.
    folder: PathBuf,
    /// The display name of the model's family.
    architecture: String,
    /// The fingerprint of its weights, as `allot inspect` shows it; absent where a command failed before the weights were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
}

/// The inputs and warnings of this process so far.
struct Used {
    /// A fingerprint takes a pass over all weights, so fingerprints are computed only at the end.
    models: Vec<Checkpoint>,
    method: Option<String>,
    calibration: Option<CalibrationName>,
    measured_with: Option<Identity>,
    warnings: Vec<String>,
}

/// Static, as a process runs only one command.
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

/// Records a model that the command reads.
pub(in crate::cli) fn model(checkpoint: &Checkpoint) {
    note(|used| {
        if !used.models.iter().any(|it| it.folder() == checkpoint.folder()) {
            used.models.push(checkpoint.clone());
        }
    });
}

/// Records the method that scores or chooses weights.
pub(in crate::cli) fn method(name: &str) {
    note(|used| used.method = Some(name.to_owned()));
}

/// Records the text that statistics were collected on.
pub(in crate::cli) fn calibration(statistics: Option<&Statistics>) {
    let Some(name) = statistics.map(calibration_name) else { return };
    note(|used| used.calibration = Some(name));
}

/// Records everything that losses depend on.
pub(in crate::cli) fn measured_with(identity: &Identity) {
    note(|used| used.measured_with = Some(identity.clone()));
}

/// Records the method and identities of a search.
pub(in crate::cli) fn search(settings: &Settings) {
    method(&settings.trial.ranking.to_string());
    measured_with(&settings.identities);
}

/// Prints a warning or a note, unless `quiet`, and records it for the document.
pub(in crate::cli) fn warn(kind: &str, text: &str, quiet: bool) {
    if !quiet {
        terminal::message(&format!("{kind}: {text}\n"));
    }
    keep(text);
}

/// Records a warning that is printed in another form.
pub(in crate::cli) fn keep(text: &str) {
    note(|used| used.warnings.push(text.to_owned()));
}

/// Returns the context at the end. Missing fingerprints of models are computed here, by a pass over the weights.
pub(in crate::cli) fn taken() -> Context {
    context(|model| Some(model.fingerprint()))
}

/// Returns the context known so far, without reading anything for it.
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
