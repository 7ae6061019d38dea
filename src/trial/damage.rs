//! The damage of each unit when it alone is pruned, with the dense hidden states before its block shared by all
//! units of the block.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;

use super::error::TrialError;
use super::measuring::Work;
use super::subject::Subject;
use super::text::Split;
use crate::allocate::{Allocation, Unit, units};
use crate::lang::types::UnitKind;
use crate::measure::Reference;
use crate::model::{Block, Checkpoint, ModelError, no_tap};
use crate::prune::{Pattern, Share, shares};
use crate::stats::batch_samples;

/// Returns the number of passes through a block that each window takes, including the head as one block.
pub(super) fn passes(checkpoint: &Checkpoint, kind: UnitKind) -> u64 {
    let blocks = checkpoint.config().blocks;
    let of_block = |index: usize| match kind {
        UnitKind::Block => 1,
        UnitKind::Projection | UnitKind::Row => checkpoint.block_linears(index).len(),
    };
    (0..blocks).map(|index| (of_block(index) * (blocks - index + 1)) as u64).sum()
}

/// Returns the divergence from the dense model on each window of the fitness text when only one unit is pruned
/// to a sparsity, by the names of the unit's linears, `[windows]`.
///
/// The hidden states before a block, and after it, are in memory for all windows.
///
/// # Errors
/// When the model cannot run, a divergence is not finite, or the work was interrupted.
pub(super) fn damages(
    work: &mut Work<'_, '_>,
    sparsity: f64,
    kind: UnitKind,
) -> Result<BTreeMap<String, Vec<f64>>, TrialError> {
    let subjects = work.subjects();
    let subject = subjects.first();
    let mut all = BTreeMap::new();
    let Some(reference) = subject.reference(Split::Fitness) else { return Ok(all) };
    let mut states = groups(subject, reference)?;
    let named = units(&subject.data()?, kind);
    let mut named = named.iter().peekable();
    for (index, dense) in subject.blocks().iter().enumerate() {
        let linears = subject.linears_of(index);
        let modules: Vec<&str> =
            subject.checkpoint().linears()[linears.clone()].iter().map(|it| it.module.as_str()).collect();
        let is_own = |unit: &&Unit| unit.projections.iter().all(|it| modules.contains(&it.name.as_str()));
        while let Some(unit) = named.next_if(is_own) {
            work.cancel.check()?;
            let shares = alone(subject, linears.clone(), unit, sparsity)?;
            let windows = if shares.iter().all(|share| share.pruned == 0) {
                // The same model; otherwise rounding would show.
                vec![0.0; reference.windows()]
            } else {
                let pruned = subject.pruned_block(index, &shares)?;
                let later = &subject.blocks()[index + 1..];
                let of_group = |group: &Group| group.divergences(subject, reference, &pruned, later);
                let groups = states.par_iter().map(of_group).collect::<Result<Vec<_>, TrialError>>()?;
                groups.concat()
            };
            if windows.iter().any(|it| !it.is_finite()) {
                return Err(ModelError::Overflow { what: "damage", module: unit.name.clone() }.into());
            }
            all.extend(unit.projections.iter().map(|it| (it.name.clone(), windows.clone())));
            let passes = subject.blocks().len() - index + 1;
            work.advance((passes * reference.windows()) as u64)?;
        }
        let advanced = states.par_iter_mut().map(|group| group.advance(reference, dense));
        advanced.collect::<Result<(), TrialError>>()?;
    }
    Ok(all)
}

/// Returns the shares of the model's linears when only one unit of a block is pruned.
fn alone(
    subject: &Subject,
    linears: Range<usize>,
    unit: &Unit,
    sparsity: f64,
) -> Result<Vec<Share>, TrialError> {
    let of_unit = Allocation::new(sparsity, std::slice::from_ref(unit), None, &[sparsity])?;
    let all = subject.checkpoint().linears();
    let own: Vec<usize> =
        linears.filter(|place| unit.projections.iter().any(|it| it.name == all[*place].module)).collect();
    let named: Vec<_> = own.iter().map(|place| all[*place].clone()).collect();
    let mut every = vec![Share::new(0.0, 0); all.len()];
    for (place, share) in own.into_iter().zip(shares(&named, &of_unit, Pattern::Unstructured)?) {
        every[place] = share;
    }
    Ok(every)
}

/// Consecutive windows with their hidden states before a block, in batches.
struct Group {
    windows: Range<usize>,
    hidden: Vec<Tensor>,
}

/// Returns the embedded windows in groups. On the CPU, each window is a group, and all cores work on different
/// ones; a GPU takes whole batches. So results do not depend on the number of threads.
fn groups(subject: &Subject, reference: &Reference) -> Result<Vec<Group>, TrialError> {
    let device = subject.checkpoint().device();
    let step = if device.is_cpu() { 1 } else { batch_samples(reference.tokens().length(), &device) };
    let all = reference.windows();
    let group = |from: usize| {
        let windows = from..all.min(from + step);
        Ok(Group { hidden: reference.embedded(windows.clone())?, windows })
    };
    (0..all).step_by(step).map(group).collect()
}

impl Group {
    /// Moves the hidden states through a block.
    fn advance(&mut self, reference: &Reference, block: &Block) -> Result<(), TrialError> {
        for batch in &mut self.hidden {
            *batch = block.forward(batch, reference.angles(), &mut no_tap())?;
        }
        Ok(())
    }

    /// Returns the divergence on each window if a pruned block takes the place of the next one.
    fn divergences(
        &self,
        subject: &Subject,
        reference: &Reference,
        pruned: &Block,
        later: &[Block],
    ) -> Result<Vec<f64>, TrialError> {
        let mut own = Self { windows: self.windows.clone(), hidden: self.hidden.clone() };
        for block in std::iter::once(pruned).chain(later) {
            own.advance(reference, block)?;
        }
        let losses = reference.losses(subject.head(), own.windows, &own.hidden)?;
        Ok(losses.into_iter().map(|loss| loss.kl).collect())
    }
}
