//! What an allocation file calls a model, and the text that statistics were collected on.

use crate::exchange::file::{CalibrationName, ModelName};
use crate::model::Checkpoint;
use crate::stats::Statistics;

/// Returns the name of a model; its fingerprint takes a pass over all weights where it is not known yet.
pub fn model_name(checkpoint: &Checkpoint) -> ModelName {
    ModelName {
        architecture: checkpoint.config().architecture.title.to_owned(),
        fingerprint: checkpoint.fingerprint(),
    }
}

/// Returns the name of the text that statistics were collected on.
pub fn calibration_name(statistics: &Statistics) -> CalibrationName {
    let provenance = &statistics.provenance;
    CalibrationName {
        source: provenance.source.clone(),
        samples: provenance.samples,
        length: provenance.length,
        seed: provenance.seed,
    }
}
