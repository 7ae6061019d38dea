//! EvoPress-style search of free levels, one for each unit: the control that no formula binds.
//!
//! A level moves a fixed number of weights; the levels of all units add up to 0, so the budget holds. Offspring of the best so
//! far raise some levels by one and lower as many, and the best of 16 takes its place when it is better (Sieberling et al.,
//! EvoPress, ICML 2025, algorithm 1: a (1 + lambda) strategy with selection in stages).

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::allocate::{Allocation, Bounds, Proposal, Unit, budget, units};
use crate::lang::types::UnitKind;
use crate::search::error::SearchError;
use crate::trial::archive::Archive;
use crate::trial::candidate::Candidate;
use crate::trial::formulas::Proposals;
use crate::trial::race::Lab;

/// How many offspring a generation has, and how many of them are measured on the whole text.
const OFFSPRING: usize = 16;
const SURVIVORS: usize = 4;

/// The most flips of an offspring.
const FLIPS: u64 = 3;

/// How often a generation tries to find new offspring before the search counts as stuck.
const ATTEMPTS: usize = 400;

/// How many weights one level is, as a share of a block's: with 1 % for blocks and half of it for projections, both have some
/// twenty levels on either side at the sparsities of interest.
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
    fn new(lab: &Lab<'_>, kind: UnitKind) -> Result<Self, SearchError> {
        let evaluator = lab.evaluator();
        let setting = evaluator.only_setting("evopress")?;
        let data = evaluator.subjects[setting.subject].data()?;
        let units = units(&data, kind);
        let parameters: Vec<u64> = units.iter().map(Unit::parameters).collect();
        let block = parameters.iter().sum::<u64>() as f64 / data.blocks.max(1) as f64;
        let share = match kind {
            UnitKind::Block => BLOCK_STEP,
            UnitKind::Projection => PROJECTION_STEP,
        };
        Ok(Self { step: (block * share).max(1.0), target: setting.target, units, parameters })
    }

    /// Returns the sparsity of a unit at a level.
    fn sparsity(&self, unit: usize, level: i64) -> f64 {
        self.target + level as f64 * self.step / self.parameters[unit] as f64
    }

    fn candidate(&self, lab: &Lab<'_>, levels: &[i64]) -> Result<Candidate, SearchError> {
        let proposed = levels.iter().enumerate().map(|(unit, level)| self.sparsity(unit, *level)).collect();
        let sparsity =
            budget(&Proposal::Sparsity(proposed), &self.parameters, self.target, Bounds::default())?;
        let allocation = Allocation::new(self.target, &self.units, None, &sparsity)?;
        lab.evaluator().free_candidate(allocation)
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

/// Searches levels for each unit of a kind, from uniform, until the budget is spent.
///
/// # Errors
/// When there are several settings; as [`Lab::race`].
pub fn search_levels(lab: &mut Lab<'_>, kind: UnitKind, seed: u64) -> Result<Archive, SearchError> {
    let space = Levels::new(lab, kind)?;
    let mut archive = Archive::default();
    let mut proposals = Proposals::new(seed);
    let mut parent = vec![0; space.units.len()];
    let mut best = space.candidate(lab, &parent)?;
    lab.spent.proposals += 1;
    lab.race(&[&best], None)?;
    let mut seen = BTreeSet::from([parent.clone()]);
    while lab.left() > 0 {
        let mut offspring: Vec<Candidate> = Vec::new();
        let mut levels_of: Vec<Vec<i64>> = Vec::new();
        for _ in 0..ATTEMPTS {
            let levels = space.flipped(&parent, &mut proposals.random());
            lab.spent.proposals += 1;
            if !seen.insert(levels.clone()) {
                lab.spent.known_formulas += 1;
                continue;
            }
            let candidate = space.candidate(lab, &levels)?;
            let behaviour = &candidate.allotted.behaviour;
            let known = lab.known(behaviour).is_some()
                || offspring.iter().any(|it| it.allotted.behaviour == *behaviour);
            match known {
                true => lab.spent.known_behaviours += 1,
                false => {
                    offspring.push(candidate);
                    levels_of.push(levels);
                }
            }
            if offspring.len() == OFFSPRING {
                break;
            }
        }
        if offspring.is_empty() {
            break;
        }
        let borrowed: Vec<&Candidate> = offspring.iter().collect();
        let count = lab.halve(&borrowed, SURVIVORS, Some(&best.allotted.behaviour.clone()))?;
        for (candidate, levels) in offspring.into_iter().zip(levels_of).take(count) {
            let loss =
                |it: &Candidate| lab.known(&it.allotted.behaviour).filter(|it| it.full).map(|it| it.loss);
            if let (Some(own), Some(so_far)) = (loss(&candidate), loss(&best))
                && own < so_far
            {
                parent = levels;
                best = candidate;
            }
        }
    }
    if let Some(measured) = lab.known(&best.allotted.behaviour) {
        archive.add(best, measured);
    }
    Ok(archive)
}
