//! Evolution: strongly typed genetic programming with overlapping generations, and an island for each allocation unit.
//!
//! A generation proposes formulas until enough of them are new, in formula and in behaviour; these race against a formula of
//! the best of the island, and the best of old and new go on. Formulas that differ in their constants alone are of one kind,
//! and an island holds few of a kind, so that what is tuned already does not crowd out what is young. Everything follows from
//! the seed: each proposal draws from a stream of its own.

use std::collections::BTreeMap;

use rand::RngExt;

use super::error::SearchError;
use super::space::Space;
use crate::lang::ops::Op;
use crate::lang::program::{Expr, Script};
use crate::lang::types::UnitKind;
use crate::trial::archive::{Archive, Individual};
use crate::trial::candidate::{Behaviour, Candidate};
use crate::trial::formulas::{Proposal, Proposals, begin, race};
use crate::trial::race::Lab;

/// How many formulas of different behaviour an island holds, and how many of them may differ in constants alone.
const ISLAND: usize = 32;
const OF_A_KIND: usize = 3;

/// How many new behaviours a generation measures.
const OFFSPRING: usize = 24;

/// What an operator or a constant costs in the ranking of an island, in units of uniform's loss.
const PARSIMONY: f64 = 2e-4;

/// After which share of the budget the island of the best gets most of a generation, and how much: until then all islands get the
/// same.
const EQUAL: f64 = 0.25;
const FAVOURED: usize = 21;

/// How often a generation proposes formulas in the place of those that are not new.
const BATCHES: usize = 12;

/// How many are drawn to choose a parent, of whom the best is taken.
const TOURNAMENT: usize = 4;

/// How often a parent comes from the Pareto front of all that was measured, not from the population.
const FROM_FRONT: f64 = 0.2;

/// After how many generations without a new behaviour the space counts as exhausted.
const EXHAUSTED: usize = 20;

/// Evolves formulas of a space from published seeds and random ones, until the budget is spent or nothing new is found.
///
/// # Errors
/// As [`Lab::race`].
pub fn evolve(
    lab: &mut Lab<'_>,
    space: &Space,
    seeds: &[(Script, Option<&'static str>)],
    seed: u64,
) -> Result<Archive, SearchError> {
    let (mut proposals, mut archive) = begin(lab, seeds, seed)?;
    let mut idle = 0;
    while lab.left() > 0 && idle < EXHAUSTED {
        let before = lab.spent.evaluations;
        let ranked = archive.ranked();
        let best = ranked.first().and_then(|it| it.candidate.genome.script()).and_then(|script| script.unit);
        let islands = space.units().len();
        let equal = (lab.spent.evaluations as f64) < EQUAL * lab.budget().evaluations as f64;
        for unit in space.units() {
            let share = match equal || islands == 1 {
                true => OFFSPRING / islands,
                false if best == Some(*unit) => FAVOURED,
                false => OFFSPRING - FAVOURED,
            };
            generation(lab, &mut proposals, space, &mut archive, *unit, share)?;
        }
        idle = if lab.spent.evaluations == before { idle + 1 } else { 0 };
    }
    Ok(archive)
}

/// Makes and measures one generation of an island.
fn generation(
    lab: &mut Lab<'_>,
    proposals: &mut Proposals,
    space: &Space,
    archive: &mut Archive,
    unit: UnitKind,
    wanted: usize,
) -> Result<(), SearchError> {
    let wanted = wanted.min(lab.left());
    let island = survivors(archive, unit, lab.unit_of_loss());
    let mut fresh: Vec<Candidate> = Vec::new();
    for _ in 0..BATCHES {
        let proposed = propose(proposals, space, archive, &island, unit, wanted - fresh.len());
        for candidate in proposals.sort(lab, archive, proposed)? {
            let behaviour = &candidate.allotted.behaviour;
            match fresh.iter().any(|it| it.allotted.behaviour == *behaviour) {
                true => lab.spent.known_behaviours += 1,
                false => fresh.push(candidate),
            }
        }
        if fresh.len() >= wanted {
            break;
        }
    }
    let reference = reference(archive, &island);
    race(lab, proposals, archive, fresh, reference.as_ref())
}

/// Returns one batch of proposals for an island: random formulas while it is small, else variations of its members.
fn propose(
    proposals: &mut Proposals,
    space: &Space,
    archive: &Archive,
    island: &[Behaviour],
    unit: UnitKind,
    count: usize,
) -> Vec<Proposal> {
    let of = |behaviour: &Behaviour| {
        let parent = archive.get(behaviour)?;
        Some((parent.candidate.genome.script()?, parent.loss))
    };
    let factors = proposals.factors();
    let front: Vec<(&Script, f64)> =
        archive.front().into_iter().filter_map(|it| Some((it.candidate.genome.script()?, it.loss))).collect();
    let young = island.len() < ISLAND;
    (0..count)
        .map(|_| {
            let mut random = proposals.random();
            if island.is_empty() || (young && random.random_bool(0.5)) {
                return Proposal::new(space.random_of(&mut random, unit));
            }
            let mut parent = |from_front: f64| {
                if !front.is_empty() && random.random_bool(from_front) {
                    return Some(front[random.random_range(0..front.len() as u64) as usize]);
                }
                // The island is ranked, so the least place drawn is the best.
                let draws = (0..TOURNAMENT).map(|_| random.random_range(0..island.len() as u64) as usize);
                draws.min().and_then(|place| of(&island[place]))
            };
            match (parent(0.0), parent(FROM_FRONT)) {
                (Some((parent, loss)), Some((mate, _))) => {
                    let (script, variation) = space.vary(&mut random, parent, mate, &factors);
                    Proposal { script, published: None, origin: variation.map(|it| (it, loss)) }
                }
                _ => Proposal::new(space.random_of(&mut random, unit)),
            }
        })
        .collect()
}

/// Returns the behaviours of a unit that go on, the best first.
///
/// Of two that lose almost the same, the smaller goes first (parametric parsimony): what a formula carries along for nothing
/// only takes room from what is to be varied.
fn survivors(archive: &Archive, unit: UnitKind, uniform: f64) -> Vec<Behaviour> {
    let mut of_a_kind: BTreeMap<String, usize> = BTreeMap::new();
    let mut island = Vec::with_capacity(ISLAND);
    let price = |it: &Individual| it.loss + PARSIMONY * uniform * it.candidate.genome.size() as f64;
    let mut ranked = archive.ranked();
    ranked.sort_by(|a, b| price(a).total_cmp(&price(b)));
    for individual in ranked {
        let Some(script) = individual.candidate.genome.script() else { continue };
        if script.unit != Some(unit) || !individual.loss.is_finite() {
            continue;
        }
        let count = of_a_kind.entry(skeleton(script)).or_default();
        *count += 1;
        if *count <= OF_A_KIND {
            island.push(individual.candidate.allotted.behaviour.clone());
        }
        if island.len() == ISLAND {
            break;
        }
    }
    island
}

/// Returns what a formula is but for its constants.
fn skeleton(script: &Script) -> String {
    fn write(expr: &Expr, text: &mut String) {
        text.push_str(expr.op().map_or("0", Op::name));
        text.push('(');
        expr.operands().iter().for_each(|operand| write(operand, text));
        text.push(')');
    }
    let mut text = String::new();
    if let Some(allocation) = &script.allocation {
        write(allocation, &mut text);
    }
    text
}

/// Returns whom new candidates have to match: the last fully measured one of the island's best eighth.
fn reference(archive: &Archive, island: &[Behaviour]) -> Option<Behaviour> {
    let full = |it: &&Behaviour| archive.get(it).is_some_and(|it| it.full);
    let eighth = island.iter().take(island.len().div_ceil(8)).rev();
    eighth.chain(island).find(full).cloned()
}
