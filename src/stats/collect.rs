//! Collects all statistics of a model on a text: the calibration pass, and squared gradients on request.

use super::calibrate::{CalibrationOptions, calibrate_with};
use super::gradients::gradients_within;
use super::statistics::Statistics;
use super::tokens::Tokens;
use crate::model::{Checkpoint, ModelError};

/// What is collected in addition to the known statistics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Collection {
    /// The calibration pass; `None` keeps the statistics collected before.
    pub calibration: Option<CalibrationOptions>,
    /// Whether squared gradients are collected, in a separate pass.
    pub gradients: bool,
    /// Bytes that collecting gradients may take before hidden states go to scratch files; `None` for all free
    /// memory.
    pub memory: Option<u64>,
}

/// A pass through the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Inputs' second moments, Hessians and reconstruction errors.
    Calibration,
    /// Squared gradients, forward and backward.
    Gradients,
}

impl Collection {
    /// Returns roughly the bytes that collecting takes in any case: a block's weights, and the collected
    /// statistics.
    pub fn needed_bytes(&self, checkpoint: &Checkpoint) -> u64 {
        let block = checkpoint.block_bytes();
        let weights = checkpoint.linears().iter().map(|it| 4 * (it.rows * it.columns) as u64).sum::<u64>();
        let gradients = if self.gradients { 2 * block + 2 * weights } else { 0 };
        block + self.calibration.map_or(0, |options| options.collected_bytes(checkpoint)) + gradients
    }
}

/// Returns statistics of a text: those that are `wanted`, in addition to those `known` of the same text.
///
/// `seed` is only recorded. `progress` is called at the start of each pass with a share of 0, where an error
/// stops the work, and then with the finished share of the pass.
///
/// # Errors
/// As [`calibrate_with`] and [`gradients_within`], and any error that `progress` returns at the start of a
/// pass.
pub fn collect<E: From<ModelError>>(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    seed: u64,
    known: Statistics,
    wanted: Collection,
    progress: &mut dyn FnMut(Pass, f64) -> Result<(), E>,
) -> Result<Statistics, E> {
    let blocks = checkpoint.config().blocks.max(1) as f64;
    let device = checkpoint.device();
    let mut statistics = known;
    if let Some(options) = wanted.calibration {
        progress(Pass::Calibration, 0.0)?;
        let mut done = |blocks_done| {
            let _ = progress(Pass::Calibration, blocks_done as f64 / blocks);
        };
        let calibrated = calibrate_with(checkpoint, tokens, seed, &device, options, &mut done)?;
        statistics = calibrated.with_other_passes_of(statistics);
    }
    if wanted.gradients {
        progress(Pass::Gradients, 0.0)?;
        let mut done = |blocks_done| {
            let _ = progress(Pass::Gradients, blocks_done as f64 / (2.0 * blocks));
        };
        let gradients = gradients_within(checkpoint, tokens, &device, wanted.memory, &mut done)?;
        statistics.add_gradients(gradients);
    }
    Ok(statistics)
}
