//! The calibration pass: one sweep through the model, block by block.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::Hessian;
use super::file::{LinearStatistics, Provenance, Statistics};
use super::moments::SecondMoments;
use super::stream::Activations;
use super::tokens::Tokens;
use crate::model::{Block, Checkpoint, ModelError, Site};

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
    sweep(checkpoint, tokens, seed, device, false, progress)
}

/// Collects what [`calibrate`] does, and the Hessian of every linear's output error in the same sweep.
///
/// Linears that read the same input share one, kept by the first of them ([`Statistics::hessian`] finds it): in all it is
/// `4 * columns * columns` bytes for each site of each block.
///
/// # Errors
/// As [`calibrate`].
pub fn calibrate_with_hessians(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    seed: u64,
    device: &Device,
    progress: &mut dyn FnMut(usize),
) -> Result<Statistics, ModelError> {
    sweep(checkpoint, tokens, seed, device, true, progress)
}

fn sweep(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    seed: u64,
    device: &Device,
    with_hessians: bool,
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
            reductions: None,
        },
        ..Statistics::default()
    };
    let mut activations = Activations::embed(checkpoint, tokens, device)?;
    for index in 0..checkpoint.config().blocks {
        let block = Block::stream(checkpoint, index, device)?;
        let mut moments = SecondMoments::default();
        let mut hessians = BTreeMap::new();
        for linear in checkpoint.block_linears(index).iter().filter(|_| with_hessians) {
            hessians.entry(linear.site).or_insert_with(|| Hessian::new(linear.columns));
        }
        activations.advance(&block, &mut |site: Site, input: &Tensor| {
            if let Some(hessian) = hessians.get_mut(&site) {
                hessian.add(input)?;
            }
            moments.add(site, input)
        })?;
        for linear in checkpoint.block_linears(index) {
            let collected = LinearStatistics {
                second_moment: moments.mean(linear.site),
                hessian: hessians.remove(&linear.site).map(Hessian::finish),
                ..LinearStatistics::default()
            };
            statistics.linears.insert(linear.module.clone(), collected);
        }
        progress(index + 1);
    }
    Ok(statistics)
}
