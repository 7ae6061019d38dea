//! Prunes block by block: collects the inputs of a block's linears, prunes them, and continues behind the
//! pruned block.

use super::error::PruneError;
use super::inputs::{Inputs, collected_bytes};
use super::linear::{LinearPruner, Pruned};
use super::method::Propagation;
use super::options::PruneOptions;
use super::pattern::{Share, check_rows, shares};
use super::report::LinearReport;
use super::scorer::{Scorer, metric_data};
use crate::allocate::Allocation;
use crate::model::{Block, Checkpoint, Linear, ModelError, no_tap, widen};
use crate::stats::{Activations, room};

/// A function that receives each linear as it is pruned, in the model's order.
pub type Keep<'a> = dyn FnMut(&Linear, Pruned) -> Result<(), PruneError> + 'a;

/// Refuses weights that are not finite.
///
/// # Errors
/// With the file, tensor and position of the first one.
pub(super) fn check_weights(checkpoint: &Checkpoint, options: &PruneOptions<'_>) -> Result<(), PruneError> {
    options.go_on()?;
    checkpoint.check_finite()?;
    options.go_on()
}

/// Prunes all linears of all blocks, in order, and passes each to `keep`; `progress` is called with the
/// number of finished blocks.
///
/// Only one block's weights are in memory, with the hidden states of all tokens if the method needs inputs.
/// Later blocks see the pruned weights of earlier ones, rounded to the model's stored type.
///
/// # Errors
/// When a weight is not finite, the allocation belongs to another model, the method lacks required inputs, or
/// a step fails.
pub fn prune_blocks(
    checkpoint: &Checkpoint,
    allocation: &Allocation,
    options: &PruneOptions<'_>,
    keep: &mut Keep<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<LinearReport>, PruneError> {
    options.check()?;
    check_rows(allocation, options.method.per_with_rows(), options.rounding)?;
    let shares = shares(checkpoint.linears(), allocation, options.pattern)?;
    check_weights(checkpoint, options)?;
    prune_checked(checkpoint, &shares, allocation.target, options, keep, progress)
}

/// Does the same as [`prune_blocks`], after all checks that can be made beforehand.
pub(super) fn prune_checked(
    checkpoint: &Checkpoint,
    shares: &[Share],
    target: f64,
    options: &PruneOptions<'_>,
    keep: &mut Keep<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<LinearReport>, PruneError> {
    let (blocks, device) = (checkpoint.config().blocks, checkpoint.device());
    let mut activations = match options.tokens.filter(|_| options.runs_model()) {
        Some(tokens) => {
            let room = room(checkpoint, tokens, options.memory, collected_bytes(checkpoint, options));
            Some(Activations::embed(checkpoint, tokens, &device, room)?)
        }
        None => None,
    };
    let mut shares = shares.iter();
    let mut reports = Vec::with_capacity(checkpoint.linears().len());
    let backend = checkpoint.engine().backend(&[]);
    for index in 0..blocks {
        options.go_on()?;
        let mut block = None;
        let mut inputs = Inputs::default();
        if let Some(activations) = &mut activations {
            let loaded = Block::load(checkpoint, index, &device)?;
            inputs = Inputs::collect(checkpoint, activations, &loaded, options)?;
            // No block reads the last block's output.
            let advances = options.propagation == Propagation::Pruned && index + 1 < blocks;
            block = Some(loaded).filter(|_| advances);
        }
        let linears = checkpoint.block_linears(index);
        let (data, first) = metric_data(checkpoint, index, &inputs, options)?;
        let named = linears.first().map_or("", |linear| linear.module.as_str());
        let scorer = Scorer::new(&options.method, &data, &*backend, options.unit, target, named)?;
        let pruner = LinearPruner { checkpoint, options, scorer: &scorer };
        for (position, linear) in linears.iter().enumerate() {
            options.go_on()?;
            let Some(share) = shares.next() else { break };
            // One linear's scores at a time: those of a block would take as much memory as the block.
            let pruned = pruner.prune(linear, first + position, share, &mut inputs)?;
            if let Some(target) = block.as_mut().and_then(|it| it.linears_mut().get_mut(position)) {
                let shape = (linear.rows, linear.columns);
                let weight = checkpoint.working(widen(&pruned.weight), shape, &device);
                target.set_weight(weight.map_err(ModelError::at(&linear.module))?)?;
            }
            reports.push(LinearReport::new(linear, share, &pruned));
            keep(linear, pruned)?;
            checkpoint.files().release(&linear.weight);
        }
        if let (Some(activations), Some(block)) = (&mut activations, &block) {
            activations.advance(block, &mut no_tap())?;
        }
        progress(index + 1);
    }
    Ok(reports)
}
