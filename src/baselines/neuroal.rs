//! NeuroAL's block step: the depth ramp that disturbs activations least.
//!
//! The candidates are ramps over depth, mapped to ratios by the affine map (`scale`) with each lambda of a fixed grid. The one is
//! chosen that changes least how the norms of what linears read are shared out among channels, and not by the loss: a method that
//! needs no gradients, no labels and no search.

use std::ops::Range;

use rayon::prelude::*;

use crate::lang::ops::{Op, ParameterValue};
use crate::lang::program::{BuildError, Expr, Script};
use crate::lang::types::UnitKind;
use crate::measure::norm_divergence;
use crate::prune::Share;
use crate::search::error::SearchError;
use crate::trial::archive::Archive;
use crate::trial::candidate::{Candidate, canonical_form};
use crate::trial::evaluator::Evaluator;
use crate::trial::race::Lab;
use crate::trial::subject::{Split, Subject};

/// The lambdas that are tried; from a sparsity of 0.8 on the last one is left out.
pub const LAMBDAS: [f64; 14] =
    [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.15, 0.2, 0.25];

/// How many windows the model reads for each lambda.
pub const WINDOWS: usize = 8;

/// One lambda, and what it does.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The affine map's lambda.
    pub lambda: f64,
    /// The ramp.
    pub candidate: Candidate,
    /// The sum over blocks of [`norm_divergence`].
    pub divergence: f64,
}

/// Chooses the ramp of least divergence, and measures it.
///
/// The masks come from dense statistics, as everywhere in a search, where the published code takes them from the block's pruned
/// inputs; what the dense and the pruned block read is the same, and behind pruned blocks, as published. The windows are the first of
/// the fitness text. Each lambda's tokens count twice, since they go through the dense blocks as well.
///
/// # Errors
/// When there are several settings, no ramp has a divergence, a model cannot run, or something asked to stop.
///
/// # Source
/// NeuroAL (TMLR 2025, arXiv 2411.07066), block step, as coded.
pub fn search_neuroal(lab: &mut Lab<'_>) -> Result<Archive, SearchError> {
    let evaluator = lab.evaluator();
    let trials = trials(evaluator)?;
    lab.spent.proposals += trials.len();
    lab.spend(2 * trials.len() as u64 * evaluator.tokens(Split::Fitness, windows(evaluator).len()));
    let best = trials
        .into_iter()
        .filter(|trial| trial.divergence.is_finite())
        .min_by(|a, b| a.divergence.total_cmp(&b.divergence));
    match best {
        Some(best) => lab.conclude(best.candidate),
        None => Err(SearchError::Control { control: "neuroal", problem: "no ramp leaves activations" }),
    }
}

/// Tries each lambda, in order.
///
/// # Errors
/// As [`search_neuroal`].
pub fn trials(evaluator: &Evaluator) -> Result<Vec<Trial>, SearchError> {
    let setting = evaluator.only_setting("neuroal")?;
    let subject = &evaluator.subjects[setting.subject];
    let lambdas = &LAMBDAS[..LAMBDAS.len() - usize::from(setting.target >= 0.8)];
    let ramps: Vec<Script> =
        lambdas.iter().map(|lambda| ramp(*lambda)).collect::<Result<_, _>>().map_err(|_| {
            SearchError::Control { control: "neuroal", problem: "the language has no such ramp" }
        })?;
    let candidates = lambdas.iter().zip(evaluator.candidates(ramps)?);
    let candidates: Vec<(f64, Candidate)> =
        candidates.filter_map(|(lambda, candidate)| Some((*lambda, candidate?))).collect();
    let windows = windows(evaluator);
    candidates
        .into_par_iter()
        .map(|(lambda, candidate)| {
            evaluator.go_on()?;
            let shares = candidate.allotted.shares.first().map(Vec::as_slice).unwrap_or_default();
            let divergence = divergence(subject, shares, windows.clone())?;
            Ok(Trial { lambda, candidate, divergence })
        })
        .collect()
}

/// Returns the ramp along which blocks lose 2 lambda more from the first to the last.
fn ramp(lambda: f64) -> Result<Script, BuildError> {
    let depth = Expr::call(Op::Depth, Vec::new(), Vec::new())?;
    // The affine map keeps more of what matters more, and the first blocks do here.
    let importance = Expr::call(Op::Negate, vec![depth], Vec::new())?;
    let allocation = Expr::call(Op::Scale, vec![importance], vec![ParameterValue::Number(lambda)])?;
    let script = Script { metric: None, unit: Some(UnitKind::Block), allocation: Some(allocation) };
    Ok(canonical_form(&script).0)
}

fn windows(evaluator: &Evaluator) -> Range<usize> {
    0..evaluator.windows(Split::Fitness).min(WINDOWS)
}

/// Returns the sum of the blocks' divergences, each block behind those that are pruned.
fn divergence(subject: &Subject, shares: &[Share], windows: Range<usize>) -> Result<f64, SearchError> {
    let Some(reference) = subject.reference(Split::Fitness) else { return Ok(f64::NAN) };
    let mut hidden = reference.embedded(windows)?;
    let mut sum = 0.0;
    for (index, dense) in subject.blocks().iter().enumerate() {
        let pruned = subject.pruned_block(index, shares)?;
        sum += norm_divergence(dense, &pruned, &mut hidden, reference.angles())?;
    }
    Ok(sum)
}
