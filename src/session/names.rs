//! The identification of a model and of a calibration text in an allocation file.

use crate::exchange::file::{CalibrationName, ModelName};
use crate::model::Checkpoint;
use crate::stats::Statistics;

/// Returns the name of a model. If its fingerprint is not known yet, computing it takes a pass over all
/// weights.
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
