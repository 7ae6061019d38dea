//! Proposals: formulas on their way to be measured, and what is known already.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::archive::Archive;
use super::candidate::{Behaviour, Candidate, canonical_form};
use super::race::Lab;
use crate::lang::program::Script;
use crate::search::error::SearchError;
use crate::search::space::Variation;
use crate::search::variation_credit::Credit;

/// A formula that is proposed.
pub(crate) struct Proposal {
    pub(crate) script: Script,
    /// The published script that it is.
    pub(crate) published: Option<&'static str>,
    /// The variation that made it, and the loss of its parent.
    pub(crate) origin: Option<(Variation, f64)>,
}

impl Proposal {
    /// Proposes a formula that has no parent.
    pub(crate) const fn new(script: Script) -> Self {
        Self { script, published: None, origin: None }
    }

    /// Proposes a formula that a search begins with.
    pub(crate) fn seed((script, published): &(Script, Option<&'static str>)) -> Self {
        Self { script: script.clone(), published: *published, origin: None }
    }
}

/// Makes proposals, and sorts out those that are known.
pub(crate) struct Proposals {
    seed: u64,
    made: u64,
    formulas: BTreeSet<String>,
    origins: BTreeMap<Behaviour, (Variation, f64)>,
    credit: Credit,
}

impl Proposals {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, made: 0, formulas: BTreeSet::new(), origins: BTreeMap::new(), credit: Credit::new() }
    }

    /// Returns by what the weights of variations are multiplied now.
    pub(crate) fn factors(&self) -> Vec<f64> {
        self.credit.factors()
    }

    /// Returns the stream that the next proposal draws from.
    pub(crate) fn random(&mut self) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.made);
        self.made += 1;
        random
    }

    /// Returns, of some proposals, the candidates of new behaviour; those of a known one meet it in the archive.
    pub(crate) fn sort(
        &mut self,
        lab: &mut Lab<'_>,
        archive: &mut Archive,
        proposed: Vec<Proposal>,
    ) -> Result<Vec<Candidate>, SearchError> {
        let (mut scripts, mut others) = (Vec::new(), Vec::new());
        lab.spent.proposals += proposed.len();
        for Proposal { script, published, origin } in proposed {
            let (form, hash) = canonical_form(&script);
            match self.formulas.insert(hash) {
                true => {
                    scripts.push(form);
                    others.push((published, origin));
                }
                false => lab.spent.known_formulas += 1,
            }
        }
        let mut fresh: Vec<Candidate> = Vec::new();
        let candidates = lab.evaluator().candidates(scripts)?.into_iter().zip(others);
        for (candidate, (published, origin)) in candidates {
            let Some(mut candidate) = candidate else {
                lab.spent.invalid += 1;
                continue;
            };
            candidate.published = published;
            let same = fresh.iter_mut().find(|it| it.allotted.behaviour == candidate.allotted.behaviour);
            if let Some(same) = same {
                lab.spent.known_behaviours += 1;
                if candidate.genome.size() < same.genome.size() {
                    candidate.published = same.published;
                    *same = candidate;
                }
            } else if archive.meet(&candidate) {
                lab.spent.known_behaviours += 1;
            } else {
                if let Some(origin) = origin {
                    self.origins.insert(candidate.allotted.behaviour.clone(), origin);
                }
                fresh.push(candidate);
            }
        }
        Ok(fresh)
    }
}

/// Begins a search of formulas: measures the seeds, all of them whole.
///
/// # Errors
/// As [`Lab::race`].
pub(crate) fn begin(
    lab: &mut Lab<'_>,
    seeds: &[(Script, Option<&'static str>)],
    seed: u64,
) -> Result<(Proposals, Archive), SearchError> {
    let mut proposals = Proposals::new(seed);
    let mut archive = Archive::default();
    let known = seeds.iter().map(Proposal::seed).collect();
    measure_new(lab, &mut proposals, &mut archive, known, None)?;
    Ok((proposals, archive))
}

/// Measures those of some proposals that are new, and adds them to the archive; returns how many were new.
///
/// # Errors
/// As [`Lab::race`].
pub(crate) fn measure_new(
    lab: &mut Lab<'_>,
    proposals: &mut Proposals,
    archive: &mut Archive,
    proposed: Vec<Proposal>,
    reference: Option<&Behaviour>,
) -> Result<usize, SearchError> {
    let fresh = proposals.sort(lab, archive, proposed)?;
    let count = fresh.len();
    race(lab, proposals, archive, fresh, reference)?;
    Ok(count)
}

/// Measures candidates, and adds them to the archive.
pub(crate) fn race(
    lab: &mut Lab<'_>,
    proposals: &mut Proposals,
    archive: &mut Archive,
    fresh: Vec<Candidate>,
    reference: Option<&Behaviour>,
) -> Result<(), SearchError> {
    let borrowed: Vec<&Candidate> = fresh.iter().collect();
    let count = lab.race(&borrowed, reference)?;
    for candidate in fresh.into_iter().take(count) {
        if let Some(measured) = lab.known(&candidate.allotted.behaviour) {
            if let Some((variation, parent)) = proposals.origins.remove(&candidate.allotted.behaviour) {
                proposals.credit.add(variation, measured.loss < parent);
            }
            archive.add(candidate, measured);
        }
    }
    Ok(())
}
