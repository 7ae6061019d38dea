//! The archive of a search: one candidate per behaviour, with the smallest formula.

use std::collections::BTreeMap;

use super::behaviour::Behaviour;
use super::candidate::Candidate;

/// A measured candidate.
#[derive(Clone, Debug)]
pub struct Individual {
    /// The candidate.
    pub candidate: Candidate,
    /// Its loss on the fitness text, measured or estimated.
    pub loss: f64,
    /// Whether it was measured on the whole text.
    pub full: bool,
}

impl Individual {
    /// Orders individuals as a search does: lower loss first, then the smaller formula (lexicographic
    /// parsimony, Luke and Panait 2002).
    pub fn rank(&self, other: &Self) -> std::cmp::Ordering {
        let size = |it: &Self| it.candidate.genome.size();
        self.loss
            .total_cmp(&other.loss)
            .then_with(|| size(self).cmp(&size(other)))
            .then_with(|| self.candidate.genome.text().cmp(&other.candidate.genome.text()))
    }
}

/// All measured candidates, by behaviour.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    individuals: BTreeMap<Behaviour, Individual>,
}

impl Archive {
    /// Adds a candidate with its loss on the fitness text; `full` means that the whole text was measured.
    pub fn add(&mut self, candidate: Candidate, loss: f64, full: bool) {
        let behaviour = candidate.allotted.behaviour.clone();
        self.individuals.insert(behaviour, Individual { candidate, loss, full });
    }

    /// Offers a candidate whose behaviour may be known: of two, the smaller formula stays. Returns whether
    /// the behaviour was known.
    pub fn meet(&mut self, candidate: &Candidate) -> bool {
        let Some(known) = self.individuals.get_mut(&candidate.allotted.behaviour) else {
            return false;
        };
        let key = |it: &Candidate| (it.genome.size(), it.genome.text());
        if candidate.genome.script().is_some() && key(candidate) < key(&known.candidate) {
            known.candidate.genome = candidate.genome.clone();
            known.candidate.published = known.candidate.published.or(candidate.published);
        }
        true
    }

    /// Returns the individual with a behaviour.
    pub fn get(&self, behaviour: &Behaviour) -> Option<&Individual> {
        self.individuals.get(behaviour)
    }

    /// Returns all candidates, the best first.
    pub fn ranked(&self) -> Vec<&Individual> {
        let mut all: Vec<&Individual> = self.individuals.values().collect();
        all.sort_by(|a, b| a.rank(b));
        all
    }

    /// Returns the candidates that are better than every smaller one, the smallest first.
    pub fn front(&self) -> Vec<&Individual> {
        let mut all: Vec<&Individual> = self.individuals.values().filter(|it| it.loss.is_finite()).collect();
        all.sort_by(|a, b| a.candidate.genome.size().cmp(&b.candidate.genome.size()).then_with(|| a.rank(b)));
        let mut front: Vec<&Individual> = Vec::new();
        for individual in all {
            if front.last().is_none_or(|last| individual.loss < last.loss) {
                front.push(individual);
            }
        }
        front
    }
}
