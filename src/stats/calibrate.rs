//! The calibration pass: one sweep through the model, block by block.

use candle_core::Device;

use super::file::{LinearStatistics, Provenance, Statistics};
use super::moments::SecondMoments;
use super::stream::Activations;
use super::tokens::Tokens;
use crate::model::{Block, Checkpoint, ModelError};

/// Collects the second moments of every block linear's input on the dense model.
///
/// Only one block's weights are held at a time. `seed` is written down, it chooses nothing here. After each block
/// `progress` is called with how many are done.
///
/// # Errors
/// When the tokens do not fit the model, a tensor cannot be read, or the device has no room.
pub fn calibrate(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    seed: u64,
    device: &Device,
    progress: &mut dyn FnMut(usize),
) -> Result<Statistics, ModelError> {
    let mut statistics = Statistics {
        provenance: Provenance {
            samples: tokens.samples(),
            length: tokens.length(),
            tokens: tokens.ids().len(),
            seed,
            source: tokens.hash().to_owned(),
            model: checkpoint.fingerprint(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        ..Statistics::default()
    };
    let mut activations = Activations::embed(checkpoint, tokens, device)?;
    for index in 0..checkpoint.config().blocks {
        let block = Block::stream(checkpoint, index, device)?;
        let mut moments = SecondMoments::default();
        activations.advance(&block, &mut |site, input| moments.add(site, input))?;
        for linear in checkpoint.block_linears(index) {
            statistics.linears.insert(
                linear.module.clone(),
                LinearStatistics { second_moment: moments.mean(linear.site), ..LinearStatistics::default() },
            );
        }
        progress(index + 1);
    }
    Ok(statistics)
}
