//! NeuroAL's row step, after its block step: within each projection, rows keep more where pruning weakens the
//! activations that they feed.

use super::error::{BaselineError, Obstacle};
use super::neuroal::{LAMBDAS, Measured, best, measured, measured_ramps, windows};
use super::program::Baseline;
use crate::allocate::{Allocation, Bounds, Proposal, Rows, budget};
use crate::model::{Linear, Site};
use crate::prune::{Pattern, Share};
use crate::trial::archive::Archive;
use crate::trial::candidate::Candidate;
use crate::trial::error::TrialError;
use crate::trial::evaluator::Evaluator;
use crate::trial::measurer::{PrunedModel, ShiftTask, ask};
use crate::trial::race::Race;
use crate::trial::subject::Subject;
use crate::trial::text::Split;

/// Name in commands.
const NAME: &str = "neuroal-row";

/// Lowest and highest ratio of a row before the budget.
const CLAMP: [f64; 2] = [0.01, 0.99];

/// Chooses the block step's ramp, then the lambda of the rows with the lowest divergence, and measures it.
///
/// A row's output is an input channel of the next linear. Rows keep more where the channel's norm falls more
/// when the model is pruned by the ramp: they go through the affine map with each lambda of the grid and 0.
/// Rows of queries, keys and values follow the attention's output projection, those of that projection follow
/// the MLP's inputs, and those of gate and up follow the down projection. All rows of a projection keep its
/// ratio in the last block, in down projections, whose outputs the next block reads unchanged, and where rows
/// and channels differ in number, as with grouped queries.
///
/// Masks, windows and counted tokens are as in [`search_neuroal`](super::neuroal::search_neuroal). Clamping and
/// rounding leave the budget, so ratios are moved onto it before they are compared.
///
/// # Errors
/// When there are several targets, a pattern is requested, the metric compares weights over whole matrices, no
/// ramp has a divergence, a model cannot run, or the work was interrupted.
///
/// # Source
/// NeuroAL (TMLR 2025, arXiv 2411.07066), both steps, as coded.
pub fn search_neuroal_rows(race: &mut Race<'_>) -> Result<Archive, BaselineError> {
    let evaluator = race.evaluator();
    let ramps = measured_ramps(evaluator)?;
    let tried = ramps.len();
    let nothing = BaselineError::Control { control: NAME, obstacle: Obstacle::NoActivations };
    let Some(ramp) = best(ramps) else { return Err(nothing) };
    let rows = measured_rows(evaluator, &ramp.candidate)?;
    race.count_proposals(tried + rows.len());
    // The pass that compares norms reads as many tokens as that of a lambda.
    let passes = 2 * (tried + 1 + rows.len()) as u64;
    race.spend(passes * evaluator.tokens(Split::Fitness, windows(evaluator).len()));
    match best(rows) {
        Some(best) => Ok(race.conclude(best.candidate)?),
        None => Err(nothing),
    }
}

/// Measures the divergence of each lambda's rows around the ratios of a candidate, in order.
///
/// # Errors
/// As [`search_neuroal_rows`].
pub fn measured_rows(evaluator: &Evaluator, base: &Candidate) -> Result<Vec<Measured>, BaselineError> {
    let obstacle = |obstacle| BaselineError::Control { control: NAME, obstacle };
    let target = evaluator.only_target().ok_or(obstacle(Obstacle::SeveralTargets))?;
    if evaluator.pattern != Pattern::Unstructured {
        return Err(obstacle(Obstacle::Pattern));
    }
    if !Baseline::NeuroalRow.runs_within(evaluator.metric.per) {
        return Err(obstacle(Obstacle::Matrix));
    }
    let subject = evaluator.subject(target)?;
    let shares = base.allotted.shares.first().cloned().unwrap_or_default();
    let model = PrunedModel { subject: target.subject, shares: shares.clone() };
    let question = ShiftTask { model, split: Split::Fitness, windows: windows(evaluator) };
    let shifts = ask(evaluator.measurer.as_ref(), [question])?.pop().unwrap_or_default();
    let worth = worth(subject, &shifts);
    let rows = Rows::of(&subject.data()?);
    let at = |lambda: f64| -> Result<(f64, Candidate), BaselineError> {
        let allocation = allocation(&rows, (&shares, &worth), lambda, target.sparsity)?;
        Ok((lambda, evaluator.free_candidate(allocation)?))
    };
    let lambdas = std::iter::once(0.0).chain(LAMBDAS);
    measured(evaluator, lambdas.map(at).collect::<Result<_, BaselineError>>()?)
}

/// Returns the ratios of all rows around those of their projections at one lambda.
fn allocation(
    rows: &Rows,
    (shares, worth): (&[Share], &[Option<&[f64]>]),
    lambda: f64,
    target: f64,
) -> Result<Allocation, TrialError> {
    let projections = rows.projections().iter().zip(shares).zip(worth);
    let ratios = projections.flat_map(|((projection, share), worth)| match worth {
        Some(worth) => spread(worth, share.sparsity, lambda),
        None => vec![share.sparsity; projection.rows],
    });
    let proposal = Proposal::Sparsity(ratios.collect());
    let ratios = budget(&proposal, &rows.parameters(), target, Bounds::default())?;
    Ok(rows.allocation(target, None, &ratios)?)
}

/// Returns the ratios of rows around that of their projection, by the affine map on what they are worth.
fn spread(worth: &[f64], sparsity: f64, lambda: f64) -> Vec<f64> {
    let low = worth.iter().copied().fold(f64::INFINITY, f64::min);
    let high = worth.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if high - low == 0.0 {
        return vec![sparsity; worth.len()];
    }
    let places = || worth.iter().map(|it| (it - low) / (high - low));
    let middle = places().sum::<f64>() / worth.len() as f64;
    let [least, most] = CLAMP;
    places().map(|it| (sparsity - 2.0 * lambda * (it - middle)).clamp(least, most)).collect()
}

/// Returns for each linear by how much pruning weakens each of its outputs, `[rows]`; `None` where all rows keep
/// the linear's ratio. `shifts` is `[linears][columns]`.
fn worth<'a>(subject: &Subject, shifts: &'a [Vec<f64>]) -> Vec<Option<&'a [f64]>> {
    let linears = subject.checkpoint().linears();
    let last = subject.blocks().len().saturating_sub(1);
    let reader = |linear: &Linear| -> Option<&'a [f64]> {
        let next = match linear.site {
            Site::AttentionInput => Site::AttentionOutput,
            Site::AttentionOutput => Site::MlpInput,
            Site::MlpInput => Site::MlpMiddle,
            Site::MlpMiddle => return None,
        };
        let place = linears.iter().position(|it| it.block == linear.block && it.site == next)?;
        shifts.get(place).map(Vec::as_slice)
    };
    let fits = |linear: &Linear| reader(linear).is_some_and(|it| it.len() == linear.rows);
    let of_linear = |linear: &Linear| {
        // Queries, keys and values keep their ratios together, as in the published code.
        let mut together = linears.iter().filter(|it| it.block == linear.block && it.site == linear.site);
        if linear.block == last || !together.all(fits) {
            return None;
        }
        reader(linear).filter(|it| it.iter().all(|shift| shift.is_finite()) && it.iter().sum::<f64>() != 0.0)
    };
    linears.iter().map(of_linear).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_more_where_activations_fall_more_and_their_mean_stays() {
        let found = spread(&[0.0, 2.0, 1.0], 0.5, 0.1);
        assert!((found[0] - 0.6).abs() < 1e-12 && (found[1] - 0.4).abs() < 1e-12, "{found:?}");
        assert!((found[2] - 0.5).abs() < 1e-12);
        assert_eq!(spread(&[3.0; 4], 0.7, 0.25), [0.7; 4]);
        assert_eq!(spread(&[0.0, 1.0], 0.7, 0.0), [0.7; 2]);
        // Clamped at both ends.
        assert_eq!(spread(&[0.0, 1.0], 0.9, 0.25), [0.99, 0.65]);
    }
}
