//! Descent as a control: even marginal damage, found by gradients on the fitness text, within a race's budget.

use super::error::BaselineError;
use crate::descent::run::{Start, descend};
use crate::descent::settings::DescentSettings;
use crate::descent::steps::Memory;
use crate::lang::types::UnitKind;
use crate::trial::archive::Archive;
use crate::trial::race::Race;
use crate::trial::text::Split;

/// Descends from uniform sparsity with the default settings, and measures what the selection text chose.
///
/// Where the budget of tokens has room for fewer steps, there are as many as it has room for; a pass back counts as two forward, and
/// so does the selection text whenever it is read.
///
/// # Errors
/// When there are several targets, a pattern is asked for, a model cannot run, or something asked to stop.
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
