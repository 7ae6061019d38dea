//! Small spaces, whole: every formula, so that a search's distance from the true optimum is known.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::SearchError;
use super::space::{Space, SpaceKind};
use crate::lang::canonical;
use crate::lang::program::Script;
use crate::trial::archive::Archive;
use crate::trial::contest::Contest;
use crate::trial::race::Race;

/// How many formulas are allotted at a time, and so share reads of the weights.
const BATCH: usize = 256;

/// How many formulas an enumeration may have.
const MOST: usize = 200_000;

/// What an enumeration says beside its space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Grid {
    /// The constants that formulas of the full space may have.
    pub constants: Vec<f64>,
    /// The allocators' parameters: lambda, and epsilon.
    pub windows: Vec<f64>,
}

/// Returns every formula of a space, in a fixed order, no two of one canonical form.
///
/// The `dsa` space has at most one pre-process operator and one after the reduction here; the full space's formulas go up to its
/// greatest size, with the grid's constants.
///
/// # Errors
/// When there are more than 200 000.
pub fn formulas(space: &Space, grid: &Grid) -> Result<Vec<Script>, SearchError> {
    let all = match space.kind() {
        SpaceKind::Dsa => space.chains(&grid.windows),
        SpaceKind::Full => {
            space.trees(&grid.constants, &grid.windows, MOST).ok_or(SearchError::TooMany { most: MOST })?
        }
    };
    let mut seen = BTreeSet::new();
    Ok(all.into_iter().filter(|script| seen.insert(canonical::hash(script))).collect())
}

/// Measures every formula of a space, each behaviour once, on the whole fitness text.
///
/// # Errors
/// As [`formulas`] and [`Race::run`].
pub fn enumerate(race: &mut Race<'_>, space: &Space, grid: &Grid) -> Result<Archive, SearchError> {
    let formulas = formulas(space, grid)?;
    let mut contest = Contest::new(race, 0);
    for batch in formulas.chunks(BATCH) {
        contest.measure_new(batch.iter().cloned().map(Into::into).collect(), None)?;
    }
    Ok(contest.end())
}
