//! The effect of pruning a block on the norms of its linears' inputs.

use candle_core::Tensor;

use super::cancel::Cancel;
use super::error::TrialError;
use super::measurer::{NormTask, ShiftTask};
use super::subject::Subject;
use crate::model::{Angles, Block, ModelError, Site};
use crate::stats::SecondMoments;

/// Returns the divergence of each block, `[blocks]`, given that the blocks before it are pruned.
///
/// # Errors
/// When a linear has no share, a tensor operation fails, or the work was interrupted.
pub(super) fn divergences(
    subject: &Subject,
    task: &NormTask,
    cancel: &Cancel,
) -> Result<Vec<f64>, TrialError> {
    let Some(reference) = subject.reference(task.split) else { return Ok(Vec::new()) };
    let mut hidden = reference.embedded(task.windows.clone())?;
    let mut divergences = Vec::with_capacity(subject.blocks().len());
    for (index, dense) in subject.blocks().iter().enumerate() {
        cancel.check()?;
        let pruned = subject.pruned_block(index, &task.model.shares)?;
        divergences.push(norm_divergence(dense, &pruned, &mut hidden, reference.angles())?);
    }
    Ok(divergences)
}

/// Returns by how much pruning lowers the norm of each input channel of each linear, `[linears][columns]`:
/// the norm in the dense block minus that in the pruned one, both on the outputs of the pruned blocks before.
///
/// # Errors
/// As [`divergences`].
pub(super) fn shifts(
    subject: &Subject,
    task: &ShiftTask,
    cancel: &Cancel,
) -> Result<Vec<Vec<f64>>, TrialError> {
    let Some(reference) = subject.reference(task.split) else { return Ok(Vec::new()) };
    let mut hidden = reference.embedded(task.windows.clone())?;
    let mut shifts = Vec::new();
    for (index, dense) in subject.blocks().iter().enumerate() {
        cancel.check()?;
        let pruned = subject.pruned_block(index, &task.model.shares)?;
        let [before, after] = both_moments(dense, &pruned, &mut hidden, reference.angles())?;
        for linear in dense.linears() {
            let [before, after] = [&before, &after].map(|it| norms(it, linear.linear.site));
            shifts.push(before.iter().zip(&after).map(|(before, after)| before - after).collect());
        }
    }
    Ok(shifts)
}

fn norms(moments: &SecondMoments, site: Site) -> Vec<f64> {
    moments.mean(site).unwrap_or_default().iter().map(|it| f64::from(*it).sqrt()).collect()
}

/// Returns the second moments of the inputs of a dense and a pruned block's linears on the same inputs, and
/// replaces those by the pruned block's outputs.
fn both_moments(
    dense: &Block,
    pruned: &Block,
    hidden: &mut [Tensor],
    angles: &Angles,
) -> Result<[SecondMoments; 2], ModelError> {
    let (mut before, mut after) = (SecondMoments::default(), SecondMoments::default());
    for batch in hidden {
        dense.forward(batch, angles, &mut |site, input| before.add(site, input))?;
        *batch = pruned.forward(batch, angles, &mut |site, input| after.add(site, input))?;
    }
    Ok([before, after])
}

/// Returns the divergence between the input norms of a pruned block's linears and the dense block's, and
/// replaces the inputs by the pruned block's outputs.
///
/// `hidden` holds the block's inputs, one tensor `[samples, length, hidden]` per batch. A linear's divergence
/// is || d / sum d - s / sum s || / n, where d and s, `[n]`, are the norms of its n input channels in the
/// dense and in the pruned block, both on the same inputs; the result is the sum over the block's linears. It
/// is NaN if a linear's inputs are all zero.
///
/// # Errors
/// When a tensor operation fails.
///
/// # Source
/// NeuroAL (TMLR 2025, arXiv 2411.07066), as coded: the norm is the root of the mean over samples of the sum
/// over tokens of x squared. Queries, keys and values have the same inputs in both blocks, so they contribute
/// 0.
pub fn norm_divergence(
    dense: &Block,
    pruned: &Block,
    hidden: &mut [Tensor],
    angles: &Angles,
) -> Result<f64, ModelError> {
    let [before, after] = both_moments(dense, pruned, hidden, angles)?;
    let sites = dense.linears().iter().map(|linear| linear.linear.site);
    let divergence = |site: Site| match (before.mean(site), after.mean(site)) {
        (Some(before), Some(after)) => distance(&before, &after),
        _ => 0.0,
    };
    Ok(sites.map(divergence).sum())
}

/// Returns the Euclidean distance between the roots of second moments, each normalised to a sum of 1, divided
/// by their number.
fn distance(before: &[f32], after: &[f32]) -> f64 {
    let shares = |moments: &[f32]| -> Vec<f64> {
        let norms = || moments.iter().map(|it| f64::from(*it).sqrt());
        let sum: f64 = norms().sum();
        norms().map(|norm| norm / sum).collect()
    };
    let pairs = shares(before).into_iter().zip(shares(after));
    pairs.map(|(before, after)| (before - after).powi(2)).sum::<f64>().sqrt() / before.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shares_of_channels_count() {
        assert_eq!(distance(&[4.0, 9.0], &[16.0, 36.0]), 0.0);
        // Shares of 2/5 and 3/5 against 1/2 and 1/2.
        assert!((distance(&[4.0, 9.0], &[1.0, 1.0]) - 0.02f64.sqrt() / 2.0).abs() < 1e-15);
        assert!(distance(&[4.0, 9.0], &[0.0, 0.0]).is_nan());
    }
}
