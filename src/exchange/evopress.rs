//! EvoPress's level files: a line `MODULE: LEVEL` for each linear, without a header.
//!
//! A level stands for a matrix in a database of matrices pruned in advance to
//! `s = S + level * weights_diff / parameters` (EvoPress, ICML 2025, arXiv 2410.14649, released code). Levels
//! that add up to 0 prune exactly the share S of all weights.

use std::fmt::Write as _;

use super::modules::{Ratios, by_name, linear_ratios, linears};
use super::{ExchangeError, Format};
use crate::allocate::{Allocation, Projection, Unit};

/// The default number of levels that a database has above its sparsity, and below it, as in the released
/// code.
pub const LEVELS: u32 = 8;

/// Levels, and the number of weights in one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Each linear's name and its level, in the model's order.
    pub levels: Vec<(String, i64)>,
    /// `weights_diff`: the number of additional weights that the next level prunes.
    pub step: u64,
}

impl Levels {
    /// Returns the file's text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, level) in &self.levels {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: {level}");
        }
        text
    }
}

/// Returns the levels nearest to an allocation's ratios that add up to 0.
///
/// They lie between `-most` and `most`, and prune between none and all weights of each linear. Without
/// `step`, the smallest step that makes them fit is used; the database must have been made with the same
/// step.
///
/// # Errors
/// When a linear needs a level beyond `most` with the given step, or no levels add up to 0.
pub fn levels(allocation: &Allocation, step: Option<u64>, most: u32) -> Result<Levels, ExchangeError> {
    let ratios = linear_ratios(allocation)?;
    // The number of weights that each linear loses beyond its share of the target.
    let more: Vec<f64> = ratios
        .iter()
        .map(|linear| (linear.sparsity - allocation.target) * linear.parameters as f64)
        .collect();
    let widest = more.iter().fold(0.0, |widest: f64, more| widest.max(more.abs()));
    let least = ((widest / f64::from(most.max(1))).ceil() as u64).max(1);
    let step = step.unwrap_or(least).max(1);
    let quotas: Vec<f64> = more.iter().map(|more| more / step as f64).collect();
    let beyond = quotas.iter().position(|quota| quota.abs().round() > f64::from(most));
    if let Some(index) = beyond {
        let level = quotas[index].round() as i64;
        let module = ratios[index].name.clone();
        return Err(ExchangeError::Level { module, level, most, least });
    }
    let bounds: Vec<(i64, i64)> = ratios
        .iter()
        .map(|linear| {
            let each = linear.parameters as f64 / step as f64;
            let down = (allocation.target * each).floor() as i64;
            let up = ((1.0 - allocation.target) * each).floor() as i64;
            ((-down).max(-i64::from(most)), up.min(i64::from(most)))
        })
        .collect();
    let levels = balanced(&quotas, &bounds).ok_or(ExchangeError::NoLevels { step })?;
    let names = ratios.into_iter().map(|linear| linear.name);
    Ok(Levels { levels: names.zip(levels).collect(), step })
}

/// Returns whole numbers that add up to 0, each within its bounds: the quotas rounded down, or up for the
/// largest remainders.
fn balanced(quotas: &[f64], bounds: &[(i64, i64)]) -> Option<Vec<i64>> {
    let rounded = |(quota, (low, high)): (&f64, &(i64, i64))| (quota.floor() as i64).clamp(*low, *high);
    let mut levels: Vec<i64> = quotas.iter().zip(bounds).map(rounded).collect();
    let remainder = |levels: &[i64], index: usize| quotas[index] - levels[index] as f64;
    let mut sum: i64 = levels.iter().sum();
    while sum != 0 {
        // Among equal remainders, the first is raised and the last is lowered.
        let places = 0..levels.len();
        let place = if sum < 0 {
            let room = places.rev().filter(|index| levels[*index] < bounds[*index].1);
            room.max_by(|a, b| remainder(&levels, *a).total_cmp(&remainder(&levels, *b)))?
        } else {
            let room = places.rev().filter(|index| levels[*index] > bounds[*index].0);
            room.min_by(|a, b| remainder(&levels, *a).total_cmp(&remainder(&levels, *b)))?
        };
        let change = -sum.signum();
        levels[place] += change;
        sum += change;
    }
    Some(levels)
}

/// Returns whether a line has the form of a level file's line.
pub(super) fn is_level(line: &str) -> bool {
    level(line).is_some()
}

fn level(line: &str) -> Option<(&str, i64)> {
    let (name, level) = line.split_once(':')?;
    Some((name.trim(), level.trim().parse().ok()?))
}

/// Reads a level file of a database at sparsity `target`, in which one level is `step` weights.
///
/// # Errors
/// When a line does not have this form, the modules are not the model's, the levels do not add up to 0, or a
/// level would prune fewer than no or more than all weights.
pub fn read(text: &str, target: f64, step: u64, blocks: &[Unit]) -> Result<Ratios, ExchangeError> {
    let mut named = Vec::new();
    let mut sum = 0_i64;
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (name, level) = level(line).ok_or_else(|| {
            let problem = format!("line {} is not `MODULE: LEVEL`: `{line}`", index + 1);
            ExchangeError::malformed(Format::EvoPress, problem)
        })?;
        sum = sum.saturating_add(level);
        named.push((name.to_owned(), level as f64));
    }
    let levels = by_name(named, blocks)?;
    if sum != 0 {
        return Err(ExchangeError::LevelSum { sum });
    }
    let Ratios::Linears(levels) = levels else { return Ok(levels) };
    let ratio =
        |(level, linear): (&f64, &Projection)| target + level * step as f64 / linear.parameters as f64;
    Ok(Ratios::Linears(levels.iter().zip(linears(blocks)).map(ratio).collect()))
}
