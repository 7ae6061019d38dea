//! Evolution: strongly typed genetic programming with overlapping generations, and one island per allocation
//! unit.
//!
//! A generation proposes formulas until enough of them are new, in text and in behaviour. These race against
//! one of the island's best formulas, and the best of old and new survive. Formulas that differ only in their
//! constants are of one kind; an island holds few of each kind, so that tuned formulas do not crowd out new
//! ones. Everything follows from the seed: each proposal draws from its own random stream.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::error::SearchError;
use super::prescreen::Prescreen;
use super::screen;
use super::skeleton::{Kinds, skeleton};
use super::space::{Space, Variation};
use super::surrogate::Surrogate;
use super::teacher::Teachers;
use super::variation_credit::VariationCredit;
use crate::lang::program::Script;
use crate::lang::types::UnitKind;
use crate::trial::archive::{Archive, Individual};
use crate::trial::behaviour::Behaviour;
use crate::trial::candidate::Candidate;
use crate::trial::contest::{Contest, ProposedFormula};
use crate::trial::entry::Entry;

/// How many formulas of different behaviour an island holds.
const ISLAND: usize = 32;

/// How many new behaviours a generation measures.
const OFFSPRING: usize = 24;

/// Penalty for each operator and constant when an island is ranked, as a share of uniform's loss.
const PARSIMONY: f64 = 2e-4;

/// Share of the budget after which the best formula's island gets [`FAVOURED`] of the [`OFFSPRING`]; until
/// then all islands get the same number.
const EQUAL: f64 = 0.25;
const FAVOURED: usize = 21;

/// How many times a generation proposes formulas to replace those that are not new.
const BATCHES: usize = 12;

/// Share of a generation's measurements that goes to the formulas nearest to the teachers, if there are any.
const TAUGHT: f64 = 0.67;

/// How many formulas are proposed for each one to be measured, if a surrogate chooses among them.
const SCREENED: usize = 16;

/// How many formulas are drawn to choose a parent; the best of them is taken.
const TOURNAMENT: usize = 4;

/// How often a parent comes from the Pareto front of all measured formulas instead of the population.
const FROM_FRONT: f64 = 0.2;

/// After how many generations without a new behaviour the space counts as exhausted.
pub(super) const EXHAUSTED: usize = 20;

/// The variation that made a formula, and the loss of its parent.
#[derive(Clone, Copy, Debug)]
struct Origin {
    variation: Variation,
    parent_loss: f64,
}

/// A proposed formula and its origin; a formula without a parent has none.
struct Offspring {
    formula: ProposedFormula,
    origin: Option<Origin>,
}

/// The state of an evolving population.
pub(super) struct Evolution<'c, 'r> {
    pub(super) contest: Contest<'c, 'r>,
    space: &'c Space,
    credit: VariationCredit,
    /// Chooses formulas by their distance from the teachers, if there are any.
    prescreen: Option<Prescreen<'c>>,
    /// Whether a surrogate chooses which variations are measured.
    screens: bool,
    /// The origins of candidates that wait to be measured.
    origins: BTreeMap<Behaviour, Origin>,
}

impl<'c, 'r> Evolution<'c, 'r> {
    /// Starts without a population.
    pub(super) fn new(contest: Contest<'c, 'r>, space: &'c Space) -> Self {
        Self {
            contest,
            space,
            credit: VariationCredit::new(),
            prescreen: None,
            screens: false,
            origins: BTreeMap::new(),
        }
    }

    /// Makes the search learn from teachers.
    pub(super) fn learn_from(&mut self, teachers: &'c Teachers) {
        self.prescreen = (!teachers.is_empty()).then(|| Prescreen::new(self.space, teachers));
    }

    /// Makes a surrogate choose which variations are measured.
    pub(super) fn screen(&mut self) {
        self.screens = true;
    }

    /// Returns the candidates that the population starts with.
    pub(super) fn seeds(&mut self, seeds: &[ProposedFormula]) -> Result<Vec<Candidate>, SearchError> {
        let fresh = self.contest.sort(seeds.to_vec())?;
        Ok(fresh.into_iter().map(|it| it.candidate).collect())
    }

    /// Returns the islands with the number of new behaviours for the next generation of each, after
    /// `proposed` candidates.
    pub(super) fn islands(&self, proposed: usize) -> Vec<(UnitKind, usize)> {
        let race = self.contest.race();
        let ranked = self.contest.archive().ranked();
        let best = ranked.first().and_then(|it| it.candidate.genome.script()).and_then(|script| script.unit);
        let units = self.space.units();
        let equal = (proposed as f64) < EQUAL * race.budget().evaluations as f64;
        let wanted = |unit: &UnitKind| match equal || units.len() == 1 {
            true => OFFSPRING / units.len(),
            false if best == Some(*unit) => FAVOURED,
            false => OFFSPRING - FAVOURED,
        };
        units.iter().map(|unit| (*unit, wanted(unit))).collect()
    }

    /// Makes one generation of an island: candidates whose behaviours are neither known nor `waiting` to be
    /// measured, and the behaviour that they race against.
    pub(super) fn generation(
        &mut self,
        unit: UnitKind,
        wanted: usize,
        waiting: &BTreeSet<&Behaviour>,
    ) -> Result<(Vec<Candidate>, Option<Behaviour>), SearchError> {
        let race = self.contest.race();
        let island = survivors(self.contest.archive(), unit, race.unit_of_loss());
        let surrogate = if self.screens { screen::fitted(&self.contest)? } else { None };
        let mut fresh: Vec<Candidate> = Vec::new();
        let mut taught = match &mut self.prescreen {
            Some(prescreen) => {
                prescreen.nearest(&mut self.contest, unit, (TAUGHT * wanted as f64).round() as usize)?
            }
            None => Vec::new(),
        };
        for _ in 0..BATCHES {
            let taught = std::mem::take(&mut taught).into_iter();
            let mut proposed: Vec<Offspring> =
                taught.map(|script| Offspring { formula: script.into(), origin: None }).collect();
            let more = (wanted - fresh.len()).saturating_sub(proposed.len());
            proposed.append(&mut match &surrogate {
                Some(surrogate) => {
                    let known = waiting.iter().copied().chain(fresh.iter().map(|it| &it.allotted.behaviour));
                    self.propose_promising(&island, unit, more, surrogate, &known.collect())?
                }
                None => self.propose(&island, unit, more),
            });
            for candidate in self.sort(proposed)? {
                let behaviour = &candidate.allotted.behaviour;
                let known =
                    waiting.contains(behaviour) || fresh.iter().any(|it| it.allotted.behaviour == *behaviour);
                match known {
                    true => self.contest.count_known_behaviour(),
                    false => fresh.push(candidate),
                }
            }
            if fresh.len() >= wanted {
                break;
            }
        }
        Ok((fresh, reference(self.contest.archive(), &island)))
    }

    /// Returns the proposals that a surrogate expects to be the best of many, with behaviours that are neither in
    /// the archive nor `known`.
    fn propose_promising(
        &mut self,
        island: &[Behaviour],
        unit: UnitKind,
        count: usize,
        surrogate: &Surrogate,
        known: &BTreeSet<&Behaviour>,
    ) -> Result<Vec<Offspring>, SearchError> {
        let proposed = self.propose(island, unit, SCREENED * count);
        let scripts: Vec<&Script> = proposed.iter().map(|it| &it.formula.script).collect();
        let chosen = screen::chosen(&mut self.contest, surrogate, &scripts, known, count)?;
        Ok(proposed.into_iter().enumerate().filter_map(|(i, it)| chosen.contains(&i).then_some(it)).collect())
    }

    /// Adds a measured candidate to the parents of the next generations.
    pub(super) fn add(&mut self, entry: Entry) {
        if let Some((behaviour, loss)) = self.contest.add(entry)
            && let Some(Origin { variation, parent_loss }) = self.origins.remove(&behaviour)
        {
            self.credit.add(variation, loss < parent_loss);
        }
    }

    /// Returns the candidates of new behaviour among some offspring, and records their origins.
    fn sort(&mut self, proposed: Vec<Offspring>) -> Result<Vec<Candidate>, SearchError> {
        let (formulas, origins): (Vec<_>, Vec<_>) =
            proposed.into_iter().map(|it| (it.formula, it.origin)).unzip();
        let mut candidates = Vec::new();
        for fresh in self.contest.sort(formulas)? {
            if let Some(origin) = origins[fresh.proposal] {
                self.origins.insert(fresh.candidate.allotted.behaviour.clone(), origin);
            }
            candidates.push(fresh.candidate);
        }
        Ok(candidates)
    }

    /// Returns one batch of proposals for an island: random formulas while it is small, otherwise variations
    /// of its members.
    fn propose(&mut self, island: &[Behaviour], unit: UnitKind, count: usize) -> Vec<Offspring> {
        let streams: Vec<ChaCha8Rng> = (0..count).map(|_| self.contest.random()).collect();
        let archive = self.contest.archive();
        let front: Vec<(&Script, f64)> = archive.front().into_iter().filter_map(parent).collect();
        let of_island = |behaviour: &Behaviour| parent(archive.get(behaviour)?);
        let factors = self.credit.factors();
        let young = island.len() < ISLAND;
        let random_of = |random: &mut ChaCha8Rng| Offspring {
            formula: self.space.random_of(random, unit).into(),
            origin: None,
        };
        let offspring = |mut random: ChaCha8Rng| {
            if island.is_empty() || (young && random.random_bool(0.5)) {
                return random_of(&mut random);
            }
            let mut parent = |from_front: f64| {
                if !front.is_empty() && random.random_bool(from_front) {
                    return Some(front[random.random_range(0..front.len() as u64) as usize]);
                }
                // The island is ranked, so the lowest index drawn is the best.
                let draws = (0..TOURNAMENT).map(|_| random.random_range(0..island.len() as u64) as usize);
                draws.min().and_then(|place| of_island(&island[place]))
            };
            match (parent(0.0), parent(FROM_FRONT)) {
                (Some((parent, parent_loss)), Some((mate, _))) => {
                    let (script, variation) = self.space.vary(&mut random, parent, mate, &factors);
                    let origin = variation.map(|variation| Origin { variation, parent_loss });
                    Offspring { formula: script.into(), origin }
                }
                _ => random_of(&mut random),
            }
        };
        streams.into_iter().map(offspring).collect()
    }
}

/// Returns an individual's formula and loss, if it can be a parent.
fn parent(individual: &Individual) -> Option<(&Script, f64)> {
    Some((individual.candidate.genome.script()?, individual.loss))
}

/// Returns the surviving behaviours of a unit, the best first.
///
/// Of two formulas with almost the same loss, the smaller ranks first (parametric parsimony): parts without
/// effect only take room from parts worth varying.
fn survivors(archive: &Archive, unit: UnitKind, uniform: f64) -> Vec<Behaviour> {
    let mut kinds = Kinds::default();
    let mut island = Vec::with_capacity(ISLAND);
    let price = |it: &Individual| it.loss + PARSIMONY * uniform * it.candidate.genome.size() as f64;
    let mut ranked = archive.ranked();
    ranked.sort_by(|a, b| price(a).total_cmp(&price(b)));
    for individual in ranked {
        let Some(script) = individual.candidate.genome.script() else { continue };
        if script.unit != Some(unit) || !individual.loss.is_finite() {
            continue;
        }
        if kinds.admits(skeleton(script)) {
            island.push(individual.candidate.allotted.behaviour.clone());
        }
        if island.len() == ISLAND {
            break;
        }
    }
    island
}

/// Returns the behaviour that new candidates race against: the last fully measured one of the island's best
/// eighth.
fn reference(archive: &Archive, island: &[Behaviour]) -> Option<Behaviour> {
    let full = |it: &&Behaviour| archive.get(it).is_some_and(|it| it.full);
    let eighth = island.iter().take(island.len().div_ceil(8)).rev();
    eighth.chain(island).find(full).cloned()
}
