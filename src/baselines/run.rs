//! Running a program.

use super::besa::search_besa;
use super::descent::search_descent;
use super::error::{BaselineError, Obstacle};
use super::levels::search_levels;
use super::neuroal::search_neuroal;
use super::neuroal_rows::search_neuroal_rows;
use super::program::Baseline;
use super::ramp::search_ramps;
use super::trim::search_trim;
use crate::prune::Pattern;
use crate::trial::archive::Archive;
use crate::trial::race::Race;
use crate::trial::target::Target;

/// Checks that a program can run on some targets, before any work begins.
///
/// # Errors
/// When it supports no pattern but one is given, or a target leaves it nothing to share out.
pub fn check(program: Baseline, pattern: Pattern, targets: &[Target]) -> Result<(), BaselineError> {
    if !program.moves_thresholds() {
        return Ok(());
    }
    let refused = |obstacle| Err(BaselineError::Control { control: program.key(), obstacle });
    if pattern != Pattern::Unstructured {
        return refused(Obstacle::Pattern);
    }
    match targets.iter().find(|it| !(it.sparsity > 0.0 && it.sparsity < 1.0)) {
        Some(target) => refused(Obstacle::Target(target.sparsity)),
        None => Ok(()),
    }
}

/// Runs a program in a race, and returns its results; `seed` is only used by programs with randomness.
///
/// # Errors
/// When the program cannot run on these targets; otherwise as [`Race::run`].
pub fn run(program: Baseline, race: &mut Race<'_>, seed: u64) -> Result<Archive, BaselineError> {
    match program {
        Baseline::Ramp => search_ramps(race),
        Baseline::Neuroal => search_neuroal(race),
        Baseline::NeuroalRow => search_neuroal_rows(race),
        Baseline::Besa | Baseline::BesaRow => search_besa(race, program.unit()),
        Baseline::Trim => search_trim(race, None),
        Baseline::EvopressBlock | Baseline::EvopressProjection => search_levels(race, program.unit(), seed),
        Baseline::DescentBlock | Baseline::Descent | Baseline::DescentRow => {
            search_descent(race, program.unit())
        }
    }
}
