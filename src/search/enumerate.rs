//! Enumeration of small spaces, which shows how far a search is from the true optimum.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::SearchError;
use super::space::{Space, SpaceKind};
use crate::lang::canonical;
use crate::lang::program::Script;
use crate::trial::archive::Archive;
use crate::trial::contest::Contest;
use crate::trial::race::Race;

/// How many formulas are allocated at a time, and so share one read of the weights.
const BATCH: usize = 256;

/// Maximum number of formulas of an enumeration.
const MOST: usize = 200_000;

/// The values that an enumeration uses for constants and parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Grid {
    /// Constants of formulas in the full space.
    pub constants: Vec<f64>,
    /// Parameters of the allocators: lambda and epsilon.
    pub windows: Vec<f64>,
}

/// Returns every formula of a space, in a fixed order and without duplicates in canonical form.
///
/// In the `dsa` space, chains have at most one pre-process operator and one operator after the reduction
/// here. In the full space, formulas go up to its maximum size, with the grid's constants.
///
/// # Errors
/// When there are more than 200 000 formulas.
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

/// Measures every formula of a space, once per behaviour, on the whole fitness text.
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
