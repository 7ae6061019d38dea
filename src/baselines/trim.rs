//! TRIM: within each projection, whose ratio is given, rows whose outputs survive pruning well lose more.

use super::error::{BaselineError, Obstacle};
use super::program::Baseline;
use crate::allocate::{Allocation, Bounds, Proposal, Rows, RowsOf, budget};
use crate::prune::{Pattern, Share, shares};
use crate::trial::archive::Archive;
use crate::trial::error::TrialError;
use crate::trial::measurer::{PrunedModel, TrimTask, ask};
use crate::trial::race::Race;
use crate::trial::text::Split;

/// Name in commands.
const NAME: &str = "trim";

/// Number of windows that the model reads.
const WINDOWS: usize = 16;

/// Gives each row a ratio around its projection's, which is uniform or that of `base`, and measures the result.
///
/// The windows are the first of the fitness text, where the published code reads the calibration text; the
/// linears' inputs are those in the dense model. Clipping and rounding leave the budget, so ratios are
/// finally moved onto it exactly.
///
/// # Errors
/// When there are several targets, a pattern is requested, the metric compares weights over whole matrices,
/// `base` is of another model, a model cannot run, or the work was interrupted.
///
/// # Source
/// TRIM (arXiv 2505.16743), with cosine similarity for both levels; as there, on uniform projections or on those
/// of another method.
pub fn search_trim(race: &mut Race<'_>, base: Option<&Allocation>) -> Result<Archive, BaselineError> {
    let obstacle = |obstacle| BaselineError::Control { control: NAME, obstacle };
    let evaluator = race.evaluator();
    let target = evaluator.only_target().ok_or(obstacle(Obstacle::SeveralTargets))?;
    if evaluator.pattern != Pattern::Unstructured {
        return Err(obstacle(Obstacle::Pattern));
    }
    if !Baseline::Trim.runs_within(evaluator.metric.per) {
        return Err(obstacle(Obstacle::Matrix));
    }
    let windows = 0..evaluator.windows(Split::Fitness).min(WINDOWS);
    if windows.is_empty() {
        return Err(obstacle(Obstacle::NoFitnessText));
    }
    let subject = evaluator.subject(target)?;
    let rows = Rows::of(&subject.data().map_err(TrialError::from)?);
    let even = |it: &RowsOf| {
        let weights = it.rows as f64 * it.columns as f64;
        Share::new(target.sparsity, (target.sparsity * weights).round() as u64)
    };
    let shares = match base {
        Some(base) => {
            shares(subject.checkpoint().linears(), base, evaluator.pattern).map_err(TrialError::from)?
        }
        None => rows.projections().iter().map(even).collect(),
    };
    let model = PrunedModel { subject: target.subject, shares };
    let question = TrimTask { model, split: Split::Fitness, windows: windows.clone() };
    let found = ask(evaluator.measurer.as_ref(), [question])?.pop().unwrap_or_default();
    race.count_proposals(1);
    race.spend(evaluator.tokens(Split::Fitness, windows.len()));
    let proposal = Proposal::Sparsity(found.concat());
    let ratios = budget(&proposal, &rows.parameters(), target.sparsity, Bounds::default())?;
    let allocation = rows.allocation(target.sparsity, None, &ratios)?;
    Ok(race.conclude(evaluator.free_candidate(allocation)?)?)
}
