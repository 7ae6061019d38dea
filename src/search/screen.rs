//! Screening: of many proposals, those are measured that a surrogate expects to be the best.
//!
//! The surrogate learns from exactly the candidates that a generation is made from, so it depends neither on
//! the order of answers nor on the number of measurements running at a time.

use std::collections::BTreeSet;

use super::error::SearchError;
use super::skeleton::skeleton;
use super::surrogate::Surrogate;
use crate::lang::program::Script;
use crate::trial::behaviour::{Allotted, Behaviour};
use crate::trial::candidate::canonical_form;
use crate::trial::contest::Contest;
use crate::trial::evaluator::Evaluator;

/// How many of the best candidates the surrogate learns from.
const MOST: usize = 256;

/// Losses above this multiple of uniform sparsity's count as this multiple: how bad a bad allocation is says
/// little about good ones.
const WORST: f64 = 4.0;

/// Losses below this multiple of uniform sparsity's count as this multiple.
const BEST: f64 = 1e-6;

/// How many formulas are allocated together.
const BATCH: usize = 64;

/// Fits a surrogate to the measured candidates; `None` if they are too few.
///
/// # Errors
/// When a target names a model that is not there.
pub(super) fn fitted(contest: &Contest<'_, '_>) -> Result<Option<Surrogate>, SearchError> {
    let race = contest.race();
    let (evaluator, objective) = (race.evaluator(), race.objective());
    let ranked = contest.archive().ranked().into_iter().take(MOST);
    let (mut points, mut values) = (Vec::new(), Vec::new());
    for individual in ranked {
        points.push(point(evaluator, &individual.candidate.allotted)?);
        let value = objective.logarithm(individual.loss);
        // A destroyed model counts as the worst. A loss of 0 has no logarithm.
        values.push(if value.is_nan() { WORST.ln() } else { value.clamp(BEST.ln(), WORST.ln()) });
    }
    Ok(Surrogate::fit(&points, &values))
}

/// Returns the ratios of an allocation, of all linears at all targets, each times the root of the linear's
/// share of the weights. Two such points are as far apart as the root mean square of the differences between
/// ratios, over weights.
fn point(evaluator: &Evaluator, allotted: &Allotted) -> Result<Vec<f64>, SearchError> {
    let mut point = Vec::new();
    for (target, shares) in evaluator.targets.iter().zip(&allotted.shares) {
        let linears = evaluator.subject(*target)?.checkpoint().linears();
        let weights: Vec<f64> = linears.iter().map(|it| it.rows as f64 * it.columns as f64).collect();
        let all: f64 = weights.iter().sum();
        point
            .extend(shares.iter().zip(&weights).map(|(share, own)| share.pruned as f64 / (own * all).sqrt()));
    }
    Ok(point)
}

/// A screened proposal.
struct Screened<'a> {
    place: usize,
    hash: &'a str,
    kind: String,
    /// The expected logarithm of the loss, minus its deviation: what the loss may well be (lower confidence
    /// bound).
    bound: f64,
}

/// Returns the indices of up to `wanted` proposals with the lowest bounds, in their order: of those whose
/// formula and behaviour are new, no two of which differ in constants alone.
///
/// # Errors
/// When a model cannot be read, or the work was interrupted.
pub(super) fn chosen(
    contest: &mut Contest<'_, '_>,
    surrogate: &Surrogate,
    proposed: &[&Script],
    known: &BTreeSet<&Behaviour>,
    wanted: usize,
) -> Result<Vec<usize>, SearchError> {
    let forms: Vec<(Script, String)> = proposed.iter().map(|script| canonical_form(script)).collect();
    let mut hashes = BTreeSet::new();
    let new = |place: &usize| {
        let hash = &forms[*place].1;
        !contest.knows(hash) && hashes.insert(hash)
    };
    let new: Vec<usize> = (0..forms.len()).filter(new).collect();
    let evaluator = contest.race().evaluator();
    let mut behaviours = BTreeSet::new();
    let mut screened = Vec::new();
    for batch in new.chunks(BATCH) {
        evaluator.cancel.check().map_err(SearchError::Interrupted)?;
        let scripts: Vec<&Script> = batch.iter().map(|place| &forms[*place].0).collect();
        for (place, allotted) in batch.iter().zip(evaluator.allot(&scripts)?) {
            let Ok(allotted) = allotted else { continue };
            let behaviour = &allotted.behaviour;
            let known = known.contains(behaviour) || contest.archive().get(behaviour).is_some();
            if known || !behaviours.insert(behaviour.clone()) {
                continue;
            }
            let predicted = surrogate.predict(&point(evaluator, &allotted)?);
            let (script, hash) = &forms[*place];
            let (kind, bound) = (skeleton(script), predicted.mean - predicted.deviation);
            screened.push(Screened { place: *place, hash, kind, bound });
        }
    }
    contest.race_mut().count_screened(new.len());
    screened.sort_by(|a, b| a.bound.total_cmp(&b.bound).then_with(|| a.hash.cmp(b.hash)));
    let mut kinds = BTreeSet::new();
    let best = screened.into_iter().filter(|it| kinds.insert(it.kind.clone())).take(wanted);
    let mut places: Vec<usize> = best.map(|it| it.place).collect();
    places.sort_unstable();
    Ok(places)
}
