//! The control of a search: random formulas of the same space, with the same budget.

use super::error::SearchError;
use super::space::Space;
use crate::trial::archive::Archive;
use crate::trial::contest::{Contest, ProposedFormula};
use crate::trial::race::Race;

/// How many random formulas are proposed at a time, and after how many batches without a new one the search
/// ends.
const BATCH: usize = 32;
const EXHAUSTED: usize = 50;

/// Measures random formulas of a space, along with the same published seeds, until the budget is spent.
///
/// They race as in evolution, against the best so far.
///
/// # Errors
/// As [`Race::run`].
pub fn search_randomly(
    race: &mut Race<'_>,
    space: &Space,
    seeds: &[ProposedFormula],
    seed: u64,
) -> Result<Archive, SearchError> {
    let mut contest = Contest::with_seeds(race, seeds, seed)?;
    let mut idle = 0;
    while contest.race().left() > 0 && idle < EXHAUSTED {
        let proposed = (0..BATCH).map(|_| space.random(&mut contest.random()).into()).collect();
        let best = contest.archive().ranked().into_iter().find(|it| it.full);
        let best = best.map(|it| it.candidate.allotted.behaviour.clone());
        let fresh = contest.measure_new(proposed, best.as_ref())?;
        idle = if fresh == 0 { idle + 1 } else { 0 };
    }
    Ok(contest.end())
}
