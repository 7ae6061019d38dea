//! Random formulas of a space.

use rand::rngs::ChaCha8Rng;

use super::definition::Space;
use super::options::SpaceKind;
use super::tidy::tidy;
use crate::lang::program::Script;
use crate::lang::types::UnitKind;

/// How many attempts are made before the fallback.
pub(super) const ATTEMPTS: usize = 10;

impl Space {
    /// Draws a formula of any unit, like [`Space::random_of`].
    pub fn random(&self, random: &mut ChaCha8Rng) -> Script {
        let unit = self.draw_unit(random);
        self.random_of(random, unit)
    }

    /// Draws a formula of a unit: ramped half-and-half in the full space, a chain of random length in the `dsa` space.
    ///
    /// Falls back to one of the smallest formulas, if the maximum size leaves hardly any others.
    pub fn random_of(&self, random: &mut ChaCha8Rng, unit: UnitKind) -> Script {
        for _ in 0..ATTEMPTS {
            let drawn = match self.kind() {
                SpaceKind::Full => self.grow(random, unit),
                SpaceKind::Dsa => self.chain(random, unit),
            };
            if let Some(script) = drawn.map(tidy).filter(|script| self.holds(script)) {
                return script;
            }
        }
        let allocation = match self.kind() {
            SpaceKind::Full => self.smallest(random, unit),
            SpaceKind::Dsa => self.smallest_chain(random),
        };
        tidy(Script { metric: None, unit: Some(unit), allocation })
    }
}
