//! Running a program.

use super::besa::search_besa;
use super::error::BaselineError;
use super::levels::search_levels;
use super::neuroal::search_neuroal;
use super::program::Program;
use super::ramp::search_ramps;
use crate::trial::archive::Archive;
use crate::trial::race::Race;

/// Runs a program in a race, and returns what it found; `seed` is for those with chance.
///
/// # Errors
/// When the program cannot run on these targets; as [`Race::run`].
pub fn run(program: Program, race: &mut Race<'_>, seed: u64) -> Result<Archive, BaselineError> {
    match program {
        Program::Ramp => search_ramps(race),
        Program::Neuroal => search_neuroal(race),
        Program::Besa => search_besa(race),
        Program::EvopressBlock | Program::EvopressProjection => search_levels(race, program.unit(), seed),
    }
}
