//! Descent as a control: evens out marginal damage by gradients on the fitness text, within a race's budget.

use super::error::BaselineError;
use crate::descent::run::{Start, descend};
use crate::descent::settings::DescentSettings;
use crate::descent::steps::Memory;
use crate::lang::types::UnitKind;
use crate::trial::archive::Archive;
use crate::trial::race::Race;
use crate::trial::text::Split;

/// Descends from uniform sparsity with the default settings, and measures the allocation that the selection
/// text chose.
///
/// The number of steps is reduced to fit the budget of tokens; a backward pass counts as two forward passes,
/// and each measurement on the selection text counts too.
///
/// # Errors
/// When there are several targets, a pattern is requested, a model cannot run, or the work was interrupted.
pub fn search_descent(race: &mut Race<'_>, unit: UnitKind) -> Result<Archive, BaselineError> {
    let evaluator = race.evaluator();
    let mut settings = DescentSettings::of(unit);
    let windows = settings.windows.min(evaluator.windows(Split::Fitness));
    let read = evaluator.tokens(Split::Selection, evaluator.windows(Split::Selection));
    let step = 3 * evaluator.tokens(Split::Fitness, windows) + read / settings.check as u64;
    let fitting = race.budget().tokens.saturating_sub(2 * read) / step.max(1);
    settings.steps = settings.steps.min(usize::try_from(fitting).unwrap_or(usize::MAX)).max(1);
    let start = Start { tokens: Some(race.budget().tokens), ..Start::default() };
    let found = descend(evaluator, &settings, start, &mut Memory::default(), &mut |_| {})?;
    race.count_proposals(found.steps);
    race.spend(found.tokens);
    Ok(race.conclude(evaluator.free_candidate(found.allocation)?)?)
}
