//! NeuroAL's block step: the depth ramp that changes activations the least.
//!
//! The candidates are ramps over depth, mapped to ratios by the affine map (`scale`) with each lambda of a
//! fixed grid. The method takes the one that changes the distribution of the linears' input norms over
//! channels the least. It does not use the loss, so it needs no gradients, no labels and no search.

use std::ops::Range;

use super::error::{BaselineError, Obstacle};
use crate::lang::ops::{Op, ParameterValue};
use crate::lang::program::{BuildError, Expr, Script};
use crate::lang::types::UnitKind;
use crate::trial::archive::Archive;
use crate::trial::candidate::{Candidate, canonical_form};
use crate::trial::evaluator::Evaluator;
use crate::trial::measurer::{NormTask, PrunedModel, ask};
use crate::trial::race::Race;
use crate::trial::text::Split;

/// Name in commands.
const NAME: &str = "neuroal";

/// The lambdas to try; the last one is left out at sparsities of 0.8 and above.
pub const LAMBDAS: [f64; 14] =
    [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.15, 0.2, 0.25];

/// Number of windows that the model reads for each lambda.
pub const WINDOWS: usize = 8;

/// The ratios of one lambda, and their divergence.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The affine map's lambda; 0 gives all units the same ratio.
    pub lambda: f64,
    /// The ramp, or in the row step the rows' ratios.
    pub candidate: Candidate,
    /// The sum over blocks of [`norm_divergence`](crate::trial::norms::norm_divergence).
    pub divergence: f64,
}

/// Chooses the ramp with the lowest divergence, and measures it.
///
/// The masks use dense statistics, as everywhere in a search; the published code takes them from the block's
/// pruned inputs. As published, the dense and the pruned block get the same inputs, which are the outputs of
/// pruned blocks. The windows are the first of the fitness text. Each lambda's tokens count twice, because
/// they also go through the dense blocks.
///
/// # Errors
/// When there are several targets, no ramp has a divergence, a model cannot run, or the work was interrupted.
///
/// # Source
/// NeuroAL (TMLR 2025, arXiv 2411.07066), block step, as coded.
pub fn search_neuroal(race: &mut Race<'_>) -> Result<Archive, BaselineError> {
    let evaluator = race.evaluator();
    let ramps = measured_ramps(evaluator)?;
    race.count_proposals(ramps.len());
    race.spend(2 * ramps.len() as u64 * evaluator.tokens(Split::Fitness, windows(evaluator).len()));
    match best(ramps) {
        Some(best) => Ok(race.conclude(best.candidate)?),
        None => Err(BaselineError::Control { control: NAME, obstacle: Obstacle::NoActivations }),
    }
}

/// Returns the ratios with the lowest divergence; `None` if none have one.
pub(super) fn best(measured: Vec<Measured>) -> Option<Measured> {
    let finite = measured.into_iter().filter(|it| it.divergence.is_finite());
    finite.min_by(|a, b| a.divergence.total_cmp(&b.divergence))
}

/// Measures the divergence of each lambda's ramp, in order.
///
/// # Errors
/// As [`search_neuroal`].
pub fn measured_ramps(evaluator: &Evaluator) -> Result<Vec<Measured>, BaselineError> {
    let obstacle = |obstacle| BaselineError::Control { control: NAME, obstacle };
    let target = evaluator.only_target().ok_or(obstacle(Obstacle::SeveralTargets))?;
    let lambdas = &LAMBDAS[..LAMBDAS.len() - usize::from(target.sparsity >= 0.8)];
    let ramps = lambdas.iter().map(|lambda| ramp(*lambda)).collect::<Result<Vec<Script>, _>>();
    let ramps = ramps.map_err(|_| obstacle(Obstacle::NoFormula))?;
    let candidates = lambdas.iter().zip(evaluator.candidates(ramps)?);
    measured(evaluator, candidates.filter_map(|(lambda, candidate)| Some((*lambda, candidate?))).collect())
}

/// Measures the divergence of the candidate of each lambda, in order.
///
/// # Errors
/// When there are several targets, a model cannot run, or the work was interrupted.
pub(super) fn measured(
    evaluator: &Evaluator,
    candidates: Vec<(f64, Candidate)>,
) -> Result<Vec<Measured>, BaselineError> {
    let several = BaselineError::Control { control: NAME, obstacle: Obstacle::SeveralTargets };
    let target = evaluator.only_target().ok_or(several)?;
    let windows = windows(evaluator);
    let questions = candidates.iter().map(|(_, candidate)| NormTask {
        model: PrunedModel {
            subject: target.subject,
            shares: candidate.allotted.shares.first().cloned().unwrap_or_default(),
        },
        split: Split::Fitness,
        windows: windows.clone(),
    });
    let divergences = ask(evaluator.measurer.as_ref(), questions)?;
    let all = candidates.into_iter().zip(divergences);
    Ok(all
        .map(|((lambda, candidate), of_blocks)| Measured {
            lambda,
            candidate,
            divergence: of_blocks.iter().sum(),
        })
        .collect())
}

/// Returns the ramp with a lambda; the last block loses 2 lambda more than the first.
fn ramp(lambda: f64) -> Result<Script, BuildError> {
    let depth = Expr::call(Op::Depth, Vec::new(), Vec::new())?;
    // The affine map keeps more where importance is higher, which must be the first blocks here.
    let importance = Expr::call(Op::Negate, vec![depth], Vec::new())?;
    let allocation = Expr::call(Op::Scale, vec![importance], vec![ParameterValue::Number(lambda)])?;
    let script = Script { metric: None, unit: Some(UnitKind::Block), allocation: Some(allocation) };
    Ok(canonical_form(&script).0)
}

/// Returns the windows that are read for each lambda.
pub(super) fn windows(evaluator: &Evaluator) -> Range<usize> {
    0..evaluator.windows(Split::Fitness).min(WINDOWS)
}
