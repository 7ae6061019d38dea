//! Evolution on the models of this process.

use super::ask::Asking;
use super::error::SearchError;
use super::space::Space;
use super::teacher::Teachers;
use crate::trial::archive::Archive;
use crate::trial::contest::ProposedFormula;
use crate::trial::race::Race;

/// Evolves formulas of a space from published seeds and random ones, until the budget is spent or nothing new is found. What is measured
/// is what [`Asking`] asks for; `lag` is its lag. It learns from the teachers, where there are any.
///
/// # Errors
/// As [`Race::run`].
pub fn evolve(
    race: &mut Race<'_>,
    space: &Space,
    seeds: &[ProposedFormula],
    seed: u64,
    lag: usize,
    teachers: &Teachers,
) -> Result<Archive, SearchError> {
    let mut asking = Asking::new(race, space, seeds, seed, lag)?.learning_from(teachers);
    while asking.measure()? {}
    Ok(asking.end())
}
