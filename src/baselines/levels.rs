//! EvoPress-style search of free levels, one per unit: a control that is not bound to formulas.
//!
//! A level moves a fixed number of weights; the levels of all units add up to 0, so the budget holds.
//! Offspring of the best allocation so far raise some levels by one and lower as many others; the best of 16
//! offspring replaces it if it is better (Sieberling et al., EvoPress, ICML 2025, algorithm 1: a (1 + lambda)
//! strategy with selection in stages).

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::error::BaselineError;
use crate::allocate::{Allocation, Bounds, Proposal, Unit, budget, units};
use crate::lang::types::UnitKind;
use crate::trial::archive::Archive;
use crate::trial::candidate::Candidate;
use crate::trial::race::Race;
use crate::trial::streams::Streams;

/// Number of offspring per generation, and how many of them are measured on the whole text.
const OFFSPRING: usize = 16;
const SURVIVORS: usize = 4;

/// Maximum number of flips per offspring.
const FLIPS: u64 = 3;

/// Number of attempts to find new offspring before the search counts as stuck.
const ATTEMPTS: usize = 400;

/// Number of weights per level, as a share of a block's: with 1 % for blocks and half of it for projections,
/// both have about twenty levels in each direction at the sparsities of interest.
const BLOCK_STEP: f64 = 0.01;
const PROJECTION_STEP: f64 = 0.005;

/// The units whose levels are searched.
struct Levels {
    units: Vec<Unit>,
    parameters: Vec<u64>,
    step: f64,
    target: f64,
}

impl Levels {
    fn new(race: &Race<'_>, kind: UnitKind) -> Result<Self, BaselineError> {
        let evaluator = race.evaluator();
        let target = evaluator.only_target().ok_or(BaselineError::several_targets("evopress"))?;
        let data = evaluator.subject(target)?.data()?;
        let units = units(&data, kind);
        let parameters: Vec<u64> = units.iter().map(Unit::parameters).collect();
        let block = parameters.iter().sum::<u64>() as f64 / data.blocks.max(1) as f64;
        let share = match kind {
            UnitKind::Block => BLOCK_STEP,
            // For rows, the units are projections.
            UnitKind::Projection | UnitKind::Row => PROJECTION_STEP,
        };
        Ok(Self { step: (block * share).max(1.0), target: target.sparsity, units, parameters })
    }

    /// Returns the sparsity of a unit at a level.
    fn sparsity(&self, unit: usize, level: i64) -> f64 {
        self.target + level as f64 * self.step / self.parameters[unit] as f64
    }

    fn candidate(&self, race: &Race<'_>, levels: &[i64]) -> Result<Candidate, BaselineError> {
        let proposed = levels.iter().enumerate().map(|(unit, level)| self.sparsity(unit, *level)).collect();
        let sparsity =
            budget(&Proposal::Sparsity(proposed), &self.parameters, self.target, Bounds::default())?;
        let allocation = Allocation::new(self.target, &self.units, None, &sparsity)?;
        Ok(race.evaluator().free_candidate(allocation)?)
    }

    /// Returns levels with up to three flips, each of which raises one unit and lowers another.
    fn flipped(&self, levels: &[i64], random: &mut ChaCha8Rng) -> Vec<i64> {
        let mut levels = levels.to_vec();
        let mut draw = |below: u64| random.random_range(0..below);
        let flips = 1 + draw(FLIPS).min(draw(FLIPS));
        for _ in 0..flips {
            let (up, down) = (draw(levels.len() as u64) as usize, draw(levels.len() as u64) as usize);
            let fits =
                self.sparsity(up, levels[up] + 1) <= 1.0 && self.sparsity(down, levels[down] - 1) >= 0.0;
            if up != down && fits {
                levels[up] += 1;
                levels[down] -= 1;
            }
        }
        levels
    }
}

/// New offspring, with their levels.
struct Offspring {
    candidates: Vec<Candidate>,
    levels: Vec<Vec<i64>>,
}

/// The state of the search: the best levels so far, and those already tried.
struct Climb {
    space: Levels,
    streams: Streams,
    seen: BTreeSet<Vec<i64>>,
    parent: Vec<i64>,
    best: Candidate,
}

/// Searches levels for each unit of a kind, starting from uniform, until the budget is spent.
///
/// # Errors
/// When there are several targets; as [`Race::run`].
pub fn search_levels(race: &mut Race<'_>, kind: UnitKind, seed: u64) -> Result<Archive, BaselineError> {
    let mut climb = Climb::begin(race, kind, seed)?;
    while race.left() > 0 && climb.generation(race)? {}
    let mut archive = Archive::default();
    if let Some(measured) = race.known(&climb.best.allotted.behaviour) {
        archive.add(climb.best, measured.loss, measured.full);
    }
    Ok(archive)
}

impl Climb {
    /// Measures uniform sparsity.
    fn begin(race: &mut Race<'_>, kind: UnitKind, seed: u64) -> Result<Self, BaselineError> {
        let space = Levels::new(race, kind)?;
        let parent = vec![0; space.units.len()];
        let best = space.candidate(race, &parent)?;
        race.count_proposals(1);
        race.run(&[&best], None)?;
        let seen = BTreeSet::from([parent.clone()]);
        Ok(Self { space, streams: Streams::new(seed), seen, parent, best })
    }

    /// Makes and measures one generation; returns whether there were any new offspring.
    fn generation(&mut self, race: &mut Race<'_>) -> Result<bool, BaselineError> {
        let offspring = self.offspring(race)?;
        if offspring.candidates.is_empty() {
            return Ok(false);
        }
        let borrowed: Vec<&Candidate> = offspring.candidates.iter().collect();
        let count = race.halve(&borrowed, SURVIVORS, Some(&self.best.allotted.behaviour))?;
        for (candidate, levels) in offspring.candidates.into_iter().zip(offspring.levels).take(count) {
            let loss =
                |it: &Candidate| race.known(&it.allotted.behaviour).filter(|it| it.full).map(|it| it.loss);
            if let (Some(own), Some(so_far)) = (loss(&candidate), loss(&self.best))
                && own < so_far
            {
                self.parent = levels;
                self.best = candidate;
            }
        }
        Ok(true)
    }

    /// Returns new offspring of the best so far.
    fn offspring(&mut self, race: &mut Race<'_>) -> Result<Offspring, BaselineError> {
        let mut offspring = Offspring { candidates: Vec::new(), levels: Vec::new() };
        for _ in 0..ATTEMPTS {
            let levels = self.space.flipped(&self.parent, &mut self.streams.next_stream());
            race.count_proposals(1);
            if !self.seen.insert(levels.clone()) {
                race.count_known_formula();
                continue;
            }
            let candidate = self.space.candidate(race, &levels)?;
            let behaviour = &candidate.allotted.behaviour;
            let known = race.known(behaviour).is_some()
                || offspring.candidates.iter().any(|it| it.allotted.behaviour == *behaviour);
            if known {
                race.count_known_behaviour();
            } else {
                offspring.candidates.push(candidate);
                offspring.levels.push(levels);
            }
            if offspring.candidates.len() == OFFSPRING {
                break;
            }
        }
        Ok(offspring)
    }
}
