//! A contest of formulas: which of those that are proposed are new, and how these do in a race.

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

/// A formula that is proposed.
#[derive(Clone, Debug)]
pub struct ProposedFormula {
    /// The formula.
    pub script: Script,
    /// The published script that it is, if it is one.
    pub published: Option<&'static str>,
}

impl From<Script> for ProposedFormula {
    fn from(script: Script) -> Self {
        Self { script, published: None }
    }
}

/// A candidate of new behaviour.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The candidate.
    pub candidate: Candidate,
    /// The place of the proposal that first had the behaviour, among those that were sorted with it.
    pub proposal: usize,
}

/// Proposed formulas, a race in which the new ones are measured, and what it found.
pub struct Contest<'c, 'r> {
    race: &'c mut Race<'r>,
    archive: Archive,
    formulas: BTreeSet<String>,
    streams: Streams,
}

impl<'c, 'r> Contest<'c, 'r> {
    /// Begins with no formula known.
    pub fn new(race: &'c mut Race<'r>, seed: u64) -> Self {
        Self { race, archive: Archive::default(), formulas: BTreeSet::new(), streams: Streams::new(seed) }
    }

    /// Begins with some formulas, all of which are measured on the whole text.
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

    /// Returns what was found so far.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Ends the contest, and returns what it found.
    pub fn end(self) -> Archive {
        self.archive
    }

    /// Returns the stream that the next proposal draws from.
    pub fn random(&mut self) -> ChaCha8Rng {
        self.streams.next_stream()
    }

    /// Counts a candidate whose behaviour is that of another one that waits to be measured.
    pub fn count_known_behaviour(&mut self) {
        self.race.count_known_behaviour();
    }

    /// Returns, of some proposals, the candidates of new behaviour; those of a known one meet it in the archive.
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

    /// Measures candidates, and adds them to the archive; returns the behaviours that the budget had room for, each with its loss.
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

    /// Adds a candidate that went through the race on its own, and returns its behaviour with its loss; `None` where it still goes on.
    pub fn add(&mut self, entry: Entry) -> Option<(Behaviour, f64)> {
        self.race.add(&entry);
        let Measured { loss, full, .. } = *entry.settled()?;
        let behaviour = entry.candidate.allotted.behaviour.clone();
        self.archive.add(entry.candidate, loss, full);
        Some((behaviour, loss))
    }

    /// Measures those of some proposals that are new, and adds them to the archive; returns how many were new.
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
