//! Depth ramps with many slopes: ATP with its best slope.

use super::error::BaselineError;
use crate::lang::ops::{Op, ParameterValue};
use crate::lang::program::{Expr, Script};
use crate::lang::types::UnitKind;
use crate::trial::archive::Archive;
use crate::trial::contest::Contest;
use crate::trial::race::Race;

/// Number of slopes to try.
const SLOPES: i64 = 40;

/// Measures depth ramps over the range of slopes that the target allows, falling and rising: ATP with its
/// best slope.
///
/// # Source
/// ATP (ICML 2025, arXiv 2502.14770), whose slope is at most min(2 S / (L - 1), 2 (1 - S) / (L - 1)).
///
/// # Errors
/// As [`Race::run`].
pub fn search_ramps(race: &mut Race<'_>) -> Result<Archive, BaselineError> {
    let evaluator = race.evaluator();
    let mut steepest = f64::INFINITY;
    for target in &evaluator.targets {
        let blocks = evaluator.subject(*target)?.checkpoint().config().blocks;
        let most = 2.0 * target.sparsity.min(1.0 - target.sparsity);
        steepest = steepest.min(most / blocks.saturating_sub(1).max(1) as f64);
    }
    let ramps = (-SLOPES / 2..=SLOPES / 2).filter_map(|step| {
        // Four digits tell slopes apart, and are easy to read.
        let beta = (steepest * step as f64 / (SLOPES / 2) as f64 * 1e4).trunc() / 1e4;
        let ramp = Expr::call(Op::Ramp, Vec::new(), vec![ParameterValue::Number(beta)]).ok()?;
        Some(Script { metric: None, unit: Some(UnitKind::Block), allocation: Some(ramp) }.into())
    });
    let mut contest = Contest::new(race, 0);
    contest.measure_new(ramps.collect(), None)?;
    Ok(contest.end())
}
