//! Controls that spend a search's budget on formulas without evolving them, and the programs that stand beside scripts.

use super::error::SearchError;
use super::space::Space;
use super::summary::Searcher;
use crate::baselines::besa::search_besa;
use crate::baselines::levels::search_levels;
use crate::baselines::neuroal::search_neuroal;
use crate::lang::ops::{Op, ParameterValue};
use crate::lang::program::{Expr, Script};
use crate::lang::types::UnitKind;
use crate::trial::archive::Archive;
use crate::trial::formulas::{Proposal, Proposals, begin, measure_new};
use crate::trial::race::Lab;

/// How many random formulas are proposed at a time, and after how many batches without a new one the search ends.
const BATCH: usize = 32;
const EXHAUSTED: usize = 50;

/// How many slopes a ramp is tried with.
const SLOPES: i64 = 40;

/// Runs a searcher that needs no space of formulas: a program.
///
/// # Errors
/// As [`Lab::race`]; also when the searcher is no program.
pub fn search_by(searcher: Searcher, lab: &mut Lab<'_>, seed: u64) -> Result<Archive, SearchError> {
    match searcher {
        Searcher::Ramp => search_ramps(lab),
        Searcher::Neuroal => search_neuroal(lab),
        Searcher::Besa => search_besa(lab),
        Searcher::EvopressBlock | Searcher::EvopressProjection => search_levels(lab, searcher.unit(), seed),
        Searcher::Evolution | Searcher::Enumeration | Searcher::Random => {
            Err(SearchError::Control { control: searcher.key(), problem: "it needs a space of formulas" })
        }
    }
}

/// Measures random formulas of a space, beside the same published seeds, until the budget is spent.
///
/// They race as in evolution, against the best so far.
///
/// # Errors
/// As [`Lab::race`].
pub fn search_randomly(
    lab: &mut Lab<'_>,
    space: &Space,
    seeds: &[(Script, Option<&'static str>)],
    seed: u64,
) -> Result<Archive, SearchError> {
    let (mut proposals, mut archive) = begin(lab, seeds, seed)?;
    let mut idle = 0;
    while lab.left() > 0 && idle < EXHAUSTED {
        let proposed = (0..BATCH).map(|_| Proposal::new(space.random(&mut proposals.random()))).collect();
        let best = archive.ranked().into_iter().find(|it| it.full);
        let best = best.map(|it| it.candidate.allotted.behaviour.clone());
        let fresh = measure_new(lab, &mut proposals, &mut archive, proposed, best.as_ref())?;
        idle = if fresh == 0 { idle + 1 } else { 0 };
    }
    Ok(archive)
}

/// Measures depth ramps of all slopes that the target allows, falling and rising: ATP with its best slope.
///
/// # Source
/// ATP (ICML 2025, arXiv 2502.14770), whose slope is at most min(2 S / (L - 1), 2 (1 - S) / (L - 1)).
///
/// # Errors
/// As [`Lab::race`].
pub fn search_ramps(lab: &mut Lab<'_>) -> Result<Archive, SearchError> {
    let evaluator = lab.evaluator();
    let steepest = evaluator.settings.iter().map(|setting| {
        let blocks = evaluator.subjects[setting.subject].checkpoint().config().blocks;
        2.0 * setting.target.min(1.0 - setting.target) / blocks.saturating_sub(1).max(1) as f64
    });
    let steepest = steepest.fold(f64::INFINITY, f64::min);
    let ramps = (-SLOPES / 2..=SLOPES / 2).filter_map(|step| {
        // Four digits are enough to tell slopes apart, and read well.
        let beta = (steepest * step as f64 / (SLOPES / 2) as f64 * 1e4).trunc() / 1e4;
        let ramp = Expr::call(Op::Ramp, Vec::new(), vec![ParameterValue::Number(beta)]).ok()?;
        Some(Proposal::new(Script { metric: None, unit: Some(UnitKind::Block), allocation: Some(ramp) }))
    });
    let mut proposals = Proposals::new(0);
    let mut archive = Archive::default();
    measure_new(lab, &mut proposals, &mut archive, ramps.collect(), None)?;
    Ok(archive)
}
