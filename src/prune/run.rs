//! The entry points: prune to a folder, or to a decoder in memory.

use std::path::Path;

use super::blocks::{check_weights, prune_blocks, prune_checked};
use super::error::PruneError;
use super::linear::Pruned;
use super::options::PruneOptions;
use super::pattern::{check_rows, shares};
use super::report::{Report, ScriptSource};
use super::save::{PrunedFolder, check_target};
use crate::allocate::Allocation;
use crate::json::DocumentKind;
use crate::model::{Checkpoint, Decoder, Linear, ModelError, widen};

/// The target of a pruned model, and the provenance recorded with it.
#[derive(Clone, Debug)]
pub struct Output<'a> {
    /// The folder to be written.
    pub folder: &'a Path,
    /// Whether a folder that allot wrote earlier may be replaced.
    pub force: bool,
    /// The script that produced the ratios.
    pub script: Option<ScriptSource>,
}

/// Prunes a checkpoint into a new folder that transformers loads directly; `progress` is called with the
/// number of finished blocks.
///
/// If anything fails, nothing is left behind and existing files are unchanged.
///
/// # Errors
/// As [`prune_blocks`] and [`PrunedFolder::create`].
pub fn prune(
    checkpoint: &Checkpoint,
    allocation: &Allocation,
    options: &PruneOptions<'_>,
    output: Output<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Report, PruneError> {
    options.check()?;
    check_rows(allocation, options.method.per_with_rows(), options.rounding)?;
    let shares = shares(checkpoint.linears(), allocation, options.pattern)?;
    check_target(checkpoint, output.folder, output.force)?;
    check_weights(checkpoint, options)?;
    let go_on = || options.go_on();
    let mut folder = PrunedFolder::create(checkpoint, output.folder, output.force, &go_on)?;
    let mut keep = |linear: &Linear, pruned: Pruned| folder.write(&linear.weight, &pruned.weight);
    let linears = prune_checked(checkpoint, &shares, allocation.target, options, &mut keep, progress)?;
    let mut report = Report::new(checkpoint, allocation, options, output.script, linears);
    report.left_out = folder.left_out().to_vec();
    folder.finish(&DocumentKind::Pruning.of(&report))?;
    Ok(report)
}

/// Prunes a checkpoint in memory, for immediate measurement.
///
/// Its weights are rounded to the model's stored type, so that it equals the model that [`prune`] would save.
///
/// # Errors
/// As [`prune_blocks`], and when the device runs out of memory.
pub fn prune_in_memory(
    checkpoint: &Checkpoint,
    allocation: &Allocation,
    options: &PruneOptions<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<(Decoder, Report), PruneError> {
    let device = checkpoint.device();
    let mut decoder = Decoder::load(checkpoint, &device)?;
    let mut keep = |linear: &Linear, pruned: Pruned| {
        let linears = decoder.blocks[linear.block].linears_mut();
        if let Some(target) = linears.iter_mut().find(|it| it.linear.module == linear.module) {
            let shape = (linear.rows, linear.columns);
            let weight = checkpoint.working(widen(&pruned.weight), shape, &device);
            target.set_weight(weight.map_err(ModelError::at(&linear.module))?)?;
        }
        Ok(())
    };
    let linears = prune_blocks(checkpoint, allocation, options, &mut keep, progress)?;
    let report = Report::new(checkpoint, allocation, options, None, linears);
    Ok((decoder, report))
}
