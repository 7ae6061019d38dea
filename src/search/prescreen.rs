//! Prescreening: many formulas are judged by their distance from the teachers, and only the nearest are
//! measured.
//!
//! A formula is evaluated on cached reductions, so it costs no forward pass, and usually no read of the
//! weights either. Formulas with reductions that are not cached are evaluated in batches that share their
//! reads. Each island keeps the nearest formulas; their variations are judged next, and the constants of the
//! best are tuned by a Nelder-Mead simplex search. The choice follows from the seed and from earlier
//! measurements, like everything in a generation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::error::SearchError;
use super::nelder_mead::NelderMead;
use super::skeleton::{Kinds, skeleton};
use super::space::{Space, tunable_constants, with_constants};
use super::teacher::Teachers;
use crate::lang::program::Script;
use crate::lang::types::UnitKind;
use crate::trial::behaviour::Behaviour;
use crate::trial::candidate::canonical_form;
use crate::trial::contest::Contest;
use crate::trial::spent::Judged;

/// How many formulas are drawn for each one to be measured, and how many are judged together.
const DRAWN: usize = 40;
const BATCH: usize = 64;

/// How many formulas an island keeps.
const KEPT: usize = 64;

/// Penalty for each operator and constant in the ranking, where uniform sparsity has a distance of 1.
const PARSIMONY: f64 = 5e-4;

/// How often a formula is drawn at random instead of varying a kept one.
const ANEW: f64 = 0.1;

/// How many formulas are drawn to choose a parent; the nearest of them is taken.
const TOURNAMENT: usize = 4;

/// How many formulas have their constants tuned in a generation, in about how many trials each, and with how
/// many constants at most.
const TUNED: usize = 6;
const TRIALS: usize = 60;
const MOST_CONSTANTS: usize = 8;

/// A judged formula.
#[derive(Clone, Debug)]
struct Screened {
    script: Script,
    hash: String,
    kind: String,
    behaviour: Behaviour,
    /// The distance from the teachers plus the penalty for the size.
    price: f64,
    /// Whether its constants were tuned, or the formula results from tuning.
    tuned: bool,
}

/// Chooses formulas by their distance from the teachers.
pub(super) struct Prescreen<'c> {
    space: &'c Space,
    teachers: &'c Teachers,
    /// The nearest formulas of each unit, the nearest first.
    islands: BTreeMap<UnitKind, Vec<Screened>>,
    /// The hashes of all judged formulas.
    known: BTreeSet<String>,
    /// The hashes of the formulas chosen for measurement or measured before.
    chosen: BTreeSet<String>,
}

impl<'c> Prescreen<'c> {
    /// Starts without judged formulas.
    pub(super) fn new(space: &'c Space, teachers: &'c Teachers) -> Self {
        Self { space, teachers, islands: BTreeMap::new(), known: BTreeSet::new(), chosen: BTreeSet::new() }
    }

    /// Returns up to `wanted` formulas of a unit that are nearest to the teachers and were not chosen before,
    /// no two of one kind.
    pub(super) fn nearest(
        &mut self,
        contest: &mut Contest<'_, '_>,
        unit: UnitKind,
        wanted: usize,
    ) -> Result<Vec<Script>, SearchError> {
        let archive = contest.archive().ranked().into_iter();
        let measured: Vec<Script> = archive.filter_map(|it| it.candidate.genome.script()).cloned().collect();
        self.chosen.extend(measured.iter().map(|script| canonical_form(script).1));
        self.judge(contest, measured, false)?;
        let mut left = DRAWN * wanted;
        while left > 0 {
            let drawn: Vec<Script> =
                (0..left.min(BATCH)).map(|_| self.draw(&mut contest.random(), unit)).collect();
            left -= drawn.len();
            self.judge(contest, drawn, false)?;
        }
        self.tune(contest, unit)?;
        let mut kinds = BTreeSet::new();
        let island = self.islands.get(&unit).map(Vec::as_slice).unwrap_or_default();
        let unchosen = island.iter().filter(|it| !self.chosen.contains(&it.hash));
        let nearest: Vec<&Screened> = unchosen.filter(|it| kinds.insert(&it.kind)).take(wanted).collect();
        self.chosen.extend(nearest.iter().map(|it| it.hash.clone()));
        Ok(nearest.into_iter().map(|it| it.script.clone()).collect())
    }

    /// Draws a formula of a unit: usually a variation of a kept one, sometimes a random one.
    fn draw(&self, random: &mut ChaCha8Rng, unit: UnitKind) -> Script {
        let island = self.islands.get(&unit).map(Vec::as_slice).unwrap_or_default();
        let scarce = island.len() < KEPT / 4;
        if island.is_empty() || random.random_bool(if scarce { 0.5 } else { ANEW }) {
            return self.space.random_of(random, unit);
        }
        let place = |random: &mut ChaCha8Rng| random.random_range(0..island.len() as u64) as usize;
        // The island is ranked, so the lowest index drawn is the nearest.
        let parent = (0..TOURNAMENT).map(|_| place(random)).min().unwrap_or(0);
        let mate = place(random);
        self.space.vary(random, &island[parent].script, &island[mate].script, &[]).0
    }

    /// Judges the new formulas among some, and keeps the nearest.
    fn judge(
        &mut self,
        contest: &mut Contest<'_, '_>,
        formulas: Vec<Script>,
        tuned: bool,
    ) -> Result<(), SearchError> {
        let forms = formulas.iter().map(canonical_form);
        let new: Vec<(Script, String)> = forms.filter(|(_, hash)| self.known.insert(hash.clone())).collect();
        let (scripts, hashes): (Vec<Script>, Vec<String>) = new.into_iter().unzip();
        let found = self.distances(contest, &scripts)?;
        for ((script, hash), found) in scripts.into_iter().zip(hashes).zip(found) {
            let (Some((distance, behaviour)), Some(unit)) = (found, script.unit) else { continue };
            let size = script.allocation.as_ref().map_or(0, |it| it.size());
            let price = distance + PARSIMONY * size as f64;
            let kind = skeleton(&script);
            let screened = Screened { script, hash, kind, behaviour, price, tuned };
            self.islands.entry(unit).or_default().push(screened);
        }
        self.islands.values_mut().for_each(keep_nearest);
        Ok(())
    }

    /// Returns each formula's distance from the teachers, and what it prunes; `None` if it has no value on a
    /// model.
    fn distances(
        &self,
        contest: &mut Contest<'_, '_>,
        scripts: &[Script],
    ) -> Result<Vec<Option<(f64, Behaviour)>>, SearchError> {
        let begun = Instant::now();
        let evaluator = contest.race().evaluator();
        let computed = || -> u64 {
            let hits = evaluator.subjects.iter().map(|it| it.reductions().hits());
            hits.map(|it| it.asked - it.found).sum()
        };
        let before = computed();
        let mut found = Vec::with_capacity(scripts.len());
        for batch in scripts.chunks(BATCH) {
            evaluator.cancel.check().map_err(SearchError::Interrupted)?;
            let scripts: Vec<&Script> = batch.iter().collect();
            found.extend(evaluator.allot(&scripts)?.into_iter().map(|allotted| {
                let allotted = allotted.ok()?;
                let distance = self.teachers.distance(&allotted);
                distance.is_finite().then_some((distance, allotted.behaviour))
            }));
        }
        contest.race_mut().count_judged(&Judged {
            formulas: scripts.len(),
            reductions: computed() - before,
            time: begun.elapsed(),
        });
        Ok(found)
    }

    /// Tunes the constants of a unit's nearest formulas that were not tuned before, one of each kind.
    fn tune(&mut self, contest: &mut Contest<'_, '_>, unit: UnitKind) -> Result<(), SearchError> {
        let Some(island) = self.islands.get_mut(&unit) else { return Ok(()) };
        let mut kinds = BTreeSet::new();
        let mut tuned: Vec<(Script, NelderMead)> = Vec::new();
        for screened in island.iter_mut() {
            // Another formula of the same kind would take the same course.
            if !kinds.insert(screened.kind.clone()) || screened.tuned {
                continue;
            }
            let constants = tunable_constants(&screened.script);
            if (1..=MOST_CONSTANTS).contains(&constants.len()) {
                screened.tuned = true;
                tuned.push((screened.script.clone(), NelderMead::new(&constants, TRIALS)));
            }
            if tuned.len() == TUNED {
                break;
            }
        }
        let space = self.space;
        // The searches advance side by side, so that their points are judged together.
        loop {
            let asked: Vec<Option<Script>> = tuned
                .iter()
                .flat_map(|(script, search)| search.asked().iter().map(move |it| moved(space, script, it)))
                .collect();
            if asked.is_empty() {
                break;
            }
            let scripts: Vec<Script> = asked.iter().flatten().cloned().collect();
            let mut found = self.distances(contest, &scripts)?.into_iter();
            let mut values = asked.iter().map(|script| {
                let distance = script.as_ref().and_then(|_| found.next().flatten());
                distance.map_or(f64::INFINITY, |(distance, _)| distance)
            });
            for (_, search) in &mut tuned {
                let own: Vec<f64> = values.by_ref().take(search.asked().len()).collect();
                if !own.is_empty() {
                    search.tell(&own);
                }
            }
        }
        let best = tuned.iter().filter_map(|(script, search)| moved(space, script, search.best()?.0));
        let best: Vec<Script> = best.collect();
        self.judge(contest, best, true)
    }
}

/// Returns a formula of a space with other constants.
fn moved(space: &Space, script: &Script, constants: &[f64]) -> Option<Script> {
    with_constants(script, constants).filter(|it| space.holds(it))
}

/// Keeps the nearest formulas of an island: one per behaviour, and few of a kind.
fn keep_nearest(island: &mut Vec<Screened>) {
    island.sort_by(|a, b| a.price.total_cmp(&b.price).then_with(|| a.hash.cmp(&b.hash)));
    let mut behaviours = BTreeSet::new();
    let mut kinds = Kinds::default();
    island.retain(|it| behaviours.insert(it.behaviour.clone()) && kinds.admits(it.kind.clone()));
    island.truncate(KEPT);
}
