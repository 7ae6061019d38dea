//! A contest: sorts out which proposed formulas are new, and races those.

use std::collections::BTreeSet;

use rand::rngs::ChaCha8Rng;

use super::archive::Archive;
use super::behaviour::Behaviour;
use super::candidate::{Candidate, canonical_form};
use super::entry::{Entry, Measured};
use super::error::TrialError;
use super::race::Race;
use super::streams::Streams;
use crate::lang::program::Script;

/// A proposed formula.
#[derive(Clone, Debug)]
pub struct ProposedFormula {
    /// The formula.
    pub script: Script,
    /// Name of the published script, if the formula is one.
    pub published: Option<&'static str>,
}

impl From<Script> for ProposedFormula {
    fn from(script: Script) -> Self {
        Self { script, published: None }
    }
}

/// A candidate with new behaviour.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The candidate.
    pub candidate: Candidate,
    /// Index of the first proposal with this behaviour, among those sorted together.
    pub proposal: usize,
}

/// Proposed formulas, the race that measures the new ones, and the archive of results.
pub struct Contest<'c, 'r> {
    race: &'c mut Race<'r>,
    archive: Archive,
    formulas: BTreeSet<String>,
    streams: Streams,
}

impl<'c, 'r> Contest<'c, 'r> {
    /// Starts without known formulas.
    pub fn new(race: &'c mut Race<'r>, seed: u64) -> Self {
        Self { race, archive: Archive::default(), formulas: BTreeSet::new(), streams: Streams::new(seed) }
    }

    /// Starts with some formulas, all of which are measured on the whole text.
    ///
    /// # Errors
    /// As [`Race::run`].
    pub fn with_seeds(
        race: &'c mut Race<'r>,
        seeds: &[ProposedFormula],
        seed: u64,
    ) -> Result<Self, TrialError> {
        let mut contest = Self::new(race, seed);
        contest.measure_new(seeds.to_vec(), None)?;
        Ok(contest)
    }

    /// Returns the race.
    pub fn race(&self) -> &Race<'r> {
        self.race
    }

    /// Returns the race, for measuring.
    pub fn race_mut(&mut self) -> &mut Race<'r> {
        self.race
    }

    /// Returns the archive so far.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Returns whether a formula with this canonical hash was sorted before.
    pub fn knows(&self, hash: &str) -> bool {
        self.formulas.contains(hash)
    }

    /// Ends the contest, and returns the archive.
    pub fn end(self) -> Archive {
        self.archive
    }

    /// Returns the random stream of the next proposal.
    pub fn random(&mut self) -> ChaCha8Rng {
        self.streams.next_stream()
    }

    /// Counts a candidate whose behaviour is the same as that of one waiting to be measured.
    pub fn count_known_behaviour(&mut self) {
        self.race.count_known_behaviour();
    }

    /// Returns the candidates of new behaviour among some proposals; those of known behaviour are offered to
    /// the archive.
    ///
    /// # Errors
    /// When a model cannot be read.
    pub fn sort(&mut self, proposed: Vec<ProposedFormula>) -> Result<Vec<Fresh>, TrialError> {
        let (mut scripts, mut others) = (Vec::new(), Vec::new());
        self.race.count_proposals(proposed.len());
        for (proposal, ProposedFormula { script, published }) in proposed.into_iter().enumerate() {
            let (form, hash) = canonical_form(&script);
            if self.formulas.insert(hash) {
                scripts.push(form);
                others.push((published, proposal));
            } else {
                self.race.count_known_formula();
            }
        }
        let mut fresh: Vec<Fresh> = Vec::new();
        let candidates = self.race.evaluator().candidates(scripts)?.into_iter().zip(others);
        for (candidate, (published, proposal)) in candidates {
            let Some(mut candidate) = candidate else {
                self.race.count_invalid();
                continue;
            };
            candidate.published = published;
            let behaviour = &candidate.allotted.behaviour;
            let same = fresh.iter_mut().find(|it| it.candidate.allotted.behaviour == *behaviour);
            if let Some(Fresh { candidate: same, .. }) = same {
                self.race.count_known_behaviour();
                if candidate.genome.size() < same.genome.size() {
                    candidate.published = same.published;
                    *same = candidate;
                }
            } else if self.archive.meet(&candidate) {
                self.race.count_known_behaviour();
            } else {
                fresh.push(Fresh { candidate, proposal });
            }
        }
        Ok(fresh)
    }

    /// Measures candidates, and adds them to the archive; returns the behaviours covered by the budget, with
    /// their losses.
    ///
    /// # Errors
    /// As [`Race::run`].
    pub fn measure(
        &mut self,
        candidates: Vec<Candidate>,
        reference: Option<&Behaviour>,
    ) -> Result<Vec<(Behaviour, f64)>, TrialError> {
        let borrowed: Vec<&Candidate> = candidates.iter().collect();
        let count = self.race.run(&borrowed, reference)?;
        let mut measured = Vec::with_capacity(count);
        for candidate in candidates.into_iter().take(count) {
            let behaviour = candidate.allotted.behaviour.clone();
            if let Some(known) = self.race.known(&behaviour) {
                measured.push((behaviour, known.loss));
                self.archive.add(candidate, known.loss, known.full);
            }
        }
        Ok(measured)
    }

    /// Adds a candidate that went through the race by itself, and returns its behaviour and loss; `None` if
    /// it is not settled.
    pub fn add(&mut self, entry: Entry) -> Option<(Behaviour, f64)> {
        self.race.add(&entry);
        let Measured { loss, full, .. } = *entry.settled()?;
        let behaviour = entry.candidate.allotted.behaviour.clone();
        self.archive.add(entry.candidate, loss, full);
        Some((behaviour, loss))
    }

    /// Measures the new ones among some proposals, and adds them to the archive; returns how many were new.
    ///
    /// # Errors
    /// As [`Race::run`].
    pub fn measure_new(
        &mut self,
        proposed: Vec<ProposedFormula>,
        reference: Option<&Behaviour>,
    ) -> Result<usize, TrialError> {
        let fresh = self.sort(proposed)?;
        let count = fresh.len();
        self.measure(fresh.into_iter().map(|it| it.candidate).collect(), reference)?;
        Ok(count)
    }
}
