//! The calibration pass: one sweep through the model, block by block.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::Hessian;
use super::block_change::ChangeSums;
use super::kurtosis::InputKurtosis;
use super::moments::SecondMoments;
use super::reconstruction::{Reconstruction, reconstruction_error};
use super::statistics::{LinearStatistics, Provenance, Statistics};
use super::stream::{Activations, room};
use super::tokens::Tokens;
use crate::data::Values;
use crate::model::{Block, Checkpoint, ModelError, Site, first_not_finite, widen};

/// What a calibration pass collects, and within how much memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct CalibrationOptions {
    /// Whether the Hessian of every linear's output error is collected in the same sweep.
    ///
    /// Linears that read the same input share one Hessian, kept by the first of them ([`Statistics::hessian`]
    /// finds it). Each site of each block takes `4 * columns * columns` bytes.
    pub hessians: bool,
    /// How each linear's [reconstruction error](super::reconstruction_error) is collected in the same sweep;
    /// `None` if it is not. It takes memory for the Hessians of one block.
    pub reconstruction: Option<Reconstruction>,
    /// Whether the kurtosis of each linear's input is collected in the same sweep.
    pub input_kurtosis: bool,
    /// Whether it is collected in the same sweep how each block changes the residual stream.
    pub block_changes: bool,
    /// Bytes that the work may take before hidden states go to a scratch file; `None` for all free memory.
    pub memory: Option<u64>,
}

impl CalibrationOptions {
    /// Returns roughly the bytes that the collected statistics take, including their copy for the file.
    pub fn collected_bytes(&self, checkpoint: &Checkpoint) -> u64 {
        let mut sites: Vec<_> =
            checkpoint.linears().iter().map(|it| (it.block, it.site, it.columns as u64)).collect();
        sites.sort_unstable();
        sites.dedup();
        let bytes = |(_, _, columns): &(usize, Site, u64)| 4 * columns * columns;
        if self.hessians {
            return 2 * sites.iter().map(bytes).sum::<u64>();
        }
        match self.reconstruction {
            // The Hessians of one block; its weights are also widened.
            Some(_) => {
                let of_block = |block| sites.iter().filter(move |it| it.0 == block).map(bytes).sum::<u64>();
                let most = (0..checkpoint.config().blocks).map(of_block).max().unwrap_or(0);
                most + checkpoint.block_bytes()
            }
            None => 0,
        }
    }
}

/// Collects the second moments of every block linear's input on the dense model.
///
/// Only one block's weights are held at a time. `seed` is only recorded. `progress` is called after each
/// block with the number of finished blocks.
///
/// # Errors
/// When the tokens do not fit the model, a tensor cannot be read, or the device runs out of memory.
pub fn calibrate(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    seed: u64,
    device: &Device,
    progress: &mut dyn FnMut(usize),
) -> Result<Statistics, ModelError> {
    calibrate_with(checkpoint, tokens, seed, device, CalibrationOptions::default(), progress)
}

/// Collects the same as [`calibrate`], and what `options` request.
///
/// # Errors
/// As [`calibrate`], and when hidden states have to go to a scratch file and the disk is full.
pub fn calibrate_with(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    seed: u64,
    device: &Device,
    options: CalibrationOptions,
    progress: &mut dyn FnMut(usize),
) -> Result<Statistics, ModelError> {
    let mut statistics =
        Statistics { provenance: Provenance::new(checkpoint, tokens, seed)?, ..Statistics::default() };
    let room = room(checkpoint, tokens, options.memory, options.collected_bytes(checkpoint));
    let mut activations = Activations::embed(checkpoint, tokens, device, room)?;
    for index in 0..checkpoint.config().blocks {
        let block = Block::load(checkpoint, index, device)?;
        statistics.linears.extend(calibrate_block(checkpoint, &mut activations, &block, options)?);
        progress(index + 1);
    }
    Ok(statistics)
}

/// Collects what `options` request for one block, and moves the hidden states through it.
fn calibrate_block(
    checkpoint: &Checkpoint,
    activations: &mut Activations,
    block: &Block,
    options: CalibrationOptions,
) -> Result<Vec<(String, LinearStatistics)>, ModelError> {
    let linears = checkpoint.block_linears(block.index());
    let mut moments = SecondMoments::default();
    let mut kurtosis = options.input_kurtosis.then(InputKurtosis::default);
    let mut changes = options.block_changes.then(ChangeSums::default);
    let mut hessians = BTreeMap::new();
    let needed = options.hessians || options.reconstruction.is_some();
    for linear in linears.iter().filter(|_| needed) {
        hessians.entry(linear.site).or_insert_with(|| Hessian::new(linear.columns));
    }
    let mut tap = |site: Site, input: &Tensor| {
        if let Some(hessian) = hessians.get_mut(&site) {
            hessian.add(input)?;
        }
        if let Some(kurtosis) = &mut kurtosis {
            kurtosis.add(site, input)?;
        }
        moments.add(site, input)
    };
    activations.advance_seen(block, &mut tap, &mut |before, after| match &mut changes {
        Some(changes) => changes.add(before, after),
        None => Ok(()),
    })?;
    let mut hessians: BTreeMap<Site, Vec<f32>> = hessians
        .into_iter()
        .map(|(site, hessian)| Ok((site, hessian.finish()?)))
        .collect::<Result<_, ModelError>>()?;
    let mut errors = BTreeMap::new();
    if let Some(how) = options.reconstruction {
        for linear in linears {
            let Some(hessian) = hessians.get(&linear.site) else { continue };
            let weights = widen(&checkpoint.weight(linear)?);
            let error = reconstruction_error(&weights, linear.columns, hessian, how);
            errors.insert(&linear.module, error as f32);
        }
    }
    let collected = linears.iter().map(|linear| {
        let collected = LinearStatistics {
            second_moment: moments.mean(linear.site),
            // The first of several linears that read the same input keeps it.
            hessian: hessians.remove(&linear.site).filter(|_| options.hessians),
            reconstruction_error: errors.get(&linear.module).copied(),
            input_kurtosis: kurtosis.as_ref().and_then(|it| it.of(linear.site)),
            block_change: changes.map(ChangeSums::mean),
            ..LinearStatistics::default()
        };
        check(&linear.module, &collected)?;
        Ok((linear.module.clone(), collected))
    });
    collected.collect()
}

/// Refuses statistics that are not finite: decisions based on them would be meaningless, even where they can
/// be computed.
fn check(module: &str, collected: &LinearStatistics) -> Result<(), ModelError> {
    let LinearStatistics { second_moment, hessian, reconstruction_error, .. } = collected;
    let error = reconstruction_error.as_ref().map(std::slice::from_ref);
    let change = collected.block_change.map_or([0.0; 2], |it| [it.similarity, it.relative]);
    let others = [collected.input_kurtosis.unwrap_or_default(), change[0], change[1]];
    for (what, values) in [
        ("inputs", second_moment.as_deref()),
        ("inputs", hessian.as_deref()),
        ("reconstruction errors", error),
    ] {
        finite(what, module, values.unwrap_or_default())?;
    }
    let places = ["kurtosis of inputs", "change of the block", "change of the block"];
    match others.iter().zip(places).find(|(value, _)| !value.is_finite()) {
        None => Ok(()),
        Some((_, what)) => Err(ModelError::Overflow { what, module: module.to_owned() }),
    }
}

/// Fails if one of the values collected for a linear is not finite.
pub(super) fn finite(what: &'static str, module: &str, values: &[f32]) -> Result<(), ModelError> {
    match first_not_finite(&Values::F32(values.into())) {
        None => Ok(()),
        Some(_) => Err(ModelError::Overflow { what, module: module.to_owned() }),
    }
}
