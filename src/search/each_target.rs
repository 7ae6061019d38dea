//! Controls whose result belongs to one target. At several targets, they run at each separately, with an equal
//! part of the tokens.

use std::time::Instant;

use super::error::SearchError;
use crate::baselines;
use crate::baselines::program::Baseline;
use crate::trial::archive::Archive;
use crate::trial::candidate::{Candidate, Genome};
use crate::trial::evaluator::{Evaluation, Evaluator};
use crate::trial::objective::Objective;
use crate::trial::race::{Budget, Race};
use crate::trial::spent::{Point, Spent};
use crate::trial::store::Store;
use crate::trial::text::Split;

/// A control and what it may spend at all targets together.
#[derive(Clone, Copy)]
pub(super) struct AtEach<'a> {
    pub(super) program: Baseline,
    pub(super) seed: u64,
    pub(super) evaluator: &'a Evaluator,
    pub(super) objective: &'a Objective,
    pub(super) budget: Budget,
    pub(super) deadline: Option<Instant>,
}

/// The result of a control: its allocation for all targets, and what it spent.
#[derive(Default)]
pub(super) struct Joined {
    pub(super) archive: Archive,
    pub(super) spent: Spent,
    /// The joined allocation; the candidates at single targets have no loss at all of them.
    pub(super) points: Vec<Point>,
}

impl AtEach<'_> {
    /// Runs the control at each target, and measures its allocations together. `watch` is called with what
    /// was spent, and `log` with every candidate at the target with an index.
    ///
    /// # Errors
    /// As [`run`](baselines::run::run).
    pub(super) fn run(
        self,
        store: &mut dyn Store,
        watch: &mut dyn FnMut(&Spent),
        log: &mut dyn FnMut(usize, &Candidate, f64, bool),
    ) -> Result<Joined, SearchError> {
        let Self { evaluator, objective, .. } = self;
        let mut spent = Spent::default();
        let (mut genomes, mut shares) = (Vec::new(), Vec::new());
        for place in 0..evaluator.targets.len() {
            let Some((candidate, own)) = self.at(place, store, &spent, watch, log)? else {
                return Ok(Joined { spent, ..Joined::default() });
            };
            spent.add(&own);
            genomes.push(candidate.genome);
            shares.extend(candidate.allotted.shares);
        }
        let genome = Genome::Each(genomes);
        let candidate = Candidate { genome, allotted: evaluator.together(shares), published: None };
        let windows = evaluator.windows(Split::Fitness);
        let whole = Evaluation { allotted: &candidate.allotted, split: Split::Fitness, windows: 0..windows };
        let losses = evaluator.measure(&[whole], store)?.pop().unwrap_or_default();
        let loss = objective.value(&losses, windows);
        let points = vec![Point { evaluation: spent.evaluations, loss, full: true }];
        let mut archive = Archive::default();
        archive.add(candidate, loss, true);
        Ok(Joined { archive, spent, points })
    }

    /// Runs the control at one target, and returns its best candidate and what it spent there; `spent` is
    /// what it spent before.
    fn at(
        self,
        place: usize,
        store: &mut dyn Store,
        spent: &Spent,
        watch: &mut dyn FnMut(&Spent),
        log: &mut dyn FnMut(usize, &Candidate, f64, bool),
    ) -> Result<Option<(Candidate, Spent)>, SearchError> {
        let Self { program, seed, evaluator, objective, budget, deadline } = self;
        let alone = evaluator.at(evaluator.targets[place]);
        let objective = objective.at(place);
        let budget = Budget { tokens: budget.tokens / evaluator.targets.len() as u64, ..budget };
        let mut observer = |own: &Spent, _: f64| {
            let mut all = spent.clone();
            all.add(own);
            watch(&all);
        };
        let mut tell = |candidate: &Candidate, loss: f64, full: bool| log(place, candidate, loss, full);
        let race = Race::new(&alone, store, &objective, budget, &mut observer).logged(&mut tell);
        let mut race = race.until(deadline);
        let archive = baselines::run::run(program, &mut race, seed)?;
        let (own, _) = race.end();
        let best = archive.ranked().into_iter().find(|it| it.full).map(|it| it.candidate.clone());
        Ok(best.map(|best| (best, own)))
    }
}
