//! A race of candidates: few windows first, more for those that hold their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::archive::Archive;
use super::behaviour::Behaviour;
use super::candidate::Candidate;
use super::entry::{Entry, Measured};
use super::error::TrialError;
use super::evaluator::{Evaluation, Evaluator};
use super::objective::Objective;
use super::spent::{Judged, Point, Spent};
use super::store::Store;
use super::text::Split;

/// The fewest windows that a stage of the race ends with.
const FEWEST: usize = 4;

/// What a search may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many allocations may be measured.
    pub evaluations: usize,
    /// How many tokens may go through pruned models; no further measurement is begun once they are spent.
    pub tokens: u64,
}

/// Tells how a search goes.
pub type Observer<'a> = dyn FnMut(&Spent, f64) + 'a;

/// Takes every candidate that goes no further, with its loss and whether it was measured on the whole text.
pub type Log<'a> = dyn FnMut(&Candidate, f64, bool) + 'a;

/// Measures the candidates of one search, or of one program, within its budget.
pub struct Race<'a> {
    evaluator: &'a Evaluator,
    store: &'a mut dyn Store,
    objective: &'a Objective,
    budget: Budget,
    observer: &'a mut Observer<'a>,
    spent: Spent,
    /// The candidates measured so far, in order.
    points: Vec<Point>,
    measured: BTreeMap<Behaviour, Measured>,
    best: f64,
    /// After how many evaluations the best was found.
    best_at: usize,
    /// When no further measurement is begun.
    deadline: Option<Instant>,
    /// After how many evaluations without a better one no further measurement is begun.
    patience: Option<usize>,
    log: Option<&'a mut Log<'a>>,
}

impl<'a> Race<'a> {
    /// Begins with nothing spent.
    pub fn new(
        evaluator: &'a Evaluator,
        store: &'a mut dyn Store,
        objective: &'a Objective,
        budget: Budget,
        observer: &'a mut Observer<'a>,
    ) -> Self {
        Self {
            evaluator,
            store,
            objective,
            budget,
            observer,
            spent: Spent::default(),
            points: Vec::new(),
            measured: BTreeMap::new(),
            best: f64::INFINITY,
            best_at: 0,
            deadline: None,
            patience: None,
            log: None,
        }
    }

    /// Begins no measurement after a time.
    #[must_use]
    pub fn until(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// Begins no measurement after so many evaluations without a better one.
    #[must_use]
    pub fn patient(self, patience: Option<usize>) -> Self {
        Self { patience, ..self }
    }

    /// Tells of every candidate once its loss is known.
    #[must_use]
    pub fn logged(self, log: &'a mut Log<'a>) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Returns what candidates are measured with.
    pub fn evaluator(&self) -> &'a Evaluator {
        self.evaluator
    }

    /// Returns what may be spent.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Returns what a loss is large or small against: uniform's at one target, 1 for the logarithms at several.
    pub fn unit_of_loss(&self) -> f64 {
        self.objective.unit()
    }

    /// Returns what was spent so far.
    pub fn spent(&self) -> &Spent {
        &self.spent
    }

    /// Ends the race: returns what was spent, and the candidates that were measured, in order.
    pub fn end(self) -> (Spent, Vec<Point>) {
        (self.spent, self.points)
    }

    /// Counts proposals.
    pub fn count_proposals(&mut self, count: usize) {
        self.spent.proposals += count;
    }

    /// Counts a proposal whose formula is known.
    pub fn count_known_formula(&mut self) {
        self.spent.known_formulas += 1;
    }

    /// Counts a proposal that has no value on the models.
    pub fn count_invalid(&mut self) {
        self.spent.invalid += 1;
    }

    /// Counts a proposal whose allocation is known.
    pub fn count_known_behaviour(&mut self) {
        self.spent.known_behaviours += 1;
    }

    /// Counts formulas that were judged by teachers, and not measured.
    pub fn count_judged(&mut self, judged: &Judged) {
        self.spent.judged.add(judged);
    }

    /// Returns how many more allocations may be measured.
    pub fn left(&self) -> usize {
        // Something is always measured, so that there is a result.
        let late = self.spent.evaluations > 0 && self.deadline.is_some_and(|it| Instant::now() >= it);
        let idle = self.spent.evaluations - self.best_at.min(self.spent.evaluations);
        let tired = self.patience.is_some_and(|patience| idle >= patience);
        match late || tired || self.spent.tokens >= self.budget.tokens {
            true => 0,
            false => self.budget.evaluations.saturating_sub(self.spent.evaluations),
        }
    }

    /// Returns what is known of an allocation.
    pub fn known(&self, behaviour: &Behaviour) -> Option<&Measured> {
        self.measured.get(behaviour)
    }

    /// Measures new candidates, as many of them as the budget has room for, from the first on; returns how many those were.
    ///
    /// A candidate is given up after a stage on which it is significantly worse than the reference; its loss is then the
    /// reference's and the mean of the paired differences. Without a reference all stages are run for all.
    ///
    /// # Errors
    /// As [`Evaluator::measure`].
    pub fn run(
        &mut self,
        candidates: &[&Candidate],
        reference: Option<&Behaviour>,
    ) -> Result<usize, TrialError> {
        let reference = reference.and_then(|it| self.measured.get(it)).filter(|it| it.full).cloned();
        let stages = self.stages();
        self.stage_by_stage(
            &candidates[..candidates.len().min(self.left())],
            &stages,
            |race, racing, to| {
                let Some(reference) = &reference else { return Vec::new() };
                let worse = |place: &usize| {
                    let losses = &race.measured[&candidates[*place].allotted.behaviour].losses;
                    reference.beats(losses, to, race.objective)
                };
                racing.iter().copied().filter(worse).collect()
            },
            reference.as_ref(),
        )
    }

    /// Measures new candidates in two stages, the second for the `survivors` best of the first: how EvoPress selects.
    ///
    /// # Errors
    /// As [`Evaluator::measure`].
    pub fn halve(
        &mut self,
        candidates: &[&Candidate],
        survivors: usize,
        reference: Option<&Behaviour>,
    ) -> Result<usize, TrialError> {
        let reference = reference.and_then(|it| self.measured.get(it)).filter(|it| it.full).cloned();
        let all = self.evaluator.windows(Split::Fitness);
        let first = self.stages().first().copied().unwrap_or(all);
        let stages = if first < all { vec![first, all] } else { vec![all] };
        self.stage_by_stage(
            &candidates[..candidates.len().min(self.left())],
            &stages,
            |race, racing, to| {
                let loss = |place: &usize| {
                    let losses = &race.measured[&candidates[*place].allotted.behaviour].losses;
                    race.objective.value(losses, to)
                };
                let mut order: Vec<usize> = racing.to_vec();
                order.sort_by(|a, b| loss(a).total_cmp(&loss(b)).then(a.cmp(b)));
                order.split_off(survivors.min(order.len()))
            },
            reference.as_ref(),
        )
    }

    /// Counts tokens that went through a model in another way than by measuring candidates.
    pub fn spend(&mut self, tokens: u64) {
        self.spent.tokens += tokens;
        (self.observer)(&self.spent, self.best);
    }

    /// Measures what a method ended with on the whole fitness text, whatever is left of the budget, and returns it alone.
    ///
    /// # Errors
    /// As [`Evaluator::measure`].
    pub fn conclude(&mut self, candidate: Candidate) -> Result<Archive, TrialError> {
        let stages = [self.evaluator.windows(Split::Fitness)];
        self.stage_by_stage(&[&candidate], &stages, |_, _, _| Vec::new(), None)?;
        let mut archive = Archive::default();
        if let Some(measured) = self.measured.get(&candidate.allotted.behaviour) {
            archive.add(candidate, measured.loss, measured.full);
        }
        Ok(archive)
    }

    /// Runs the stages, between which `give_up` names the candidates that go no further; returns how many candidates there were.
    fn stage_by_stage(
        &mut self,
        candidates: &[&Candidate],
        stages: &[usize],
        give_up: impl Fn(&Self, &[usize], usize) -> Vec<usize>,
        reference: Option<&Measured>,
    ) -> Result<usize, TrialError> {
        let mut racing: Vec<usize> = (0..candidates.len()).collect();
        let targets = self.evaluator.targets.len();
        for candidate in candidates {
            let unknown = Measured { losses: vec![Vec::new(); targets], loss: f64::NAN, full: false };
            self.measured.insert(candidate.allotted.behaviour.clone(), unknown);
        }
        let mut from = 0;
        for (stage, to) in stages.iter().copied().enumerate() {
            let evaluation = |place: &usize| Evaluation {
                allotted: &candidates[*place].allotted,
                split: Split::Fitness,
                windows: from..to,
            };
            let evaluations: Vec<Evaluation<'_>> = racing.iter().map(evaluation).collect();
            let results = self.evaluator.measure(&evaluations, self.store)?;
            self.spent.tokens += self.evaluator.tokens(Split::Fitness, to - from) * racing.len() as u64;
            for (place, losses) in racing.iter().zip(results) {
                let behaviour = &candidates[*place].allotted.behaviour;
                if let Some(measured) = self.measured.get_mut(behaviour) {
                    for (all, more) in measured.losses.iter_mut().zip(losses) {
                        all.extend(more);
                    }
                }
            }
            let last = stage + 1 == stages.len();
            let gone = if last { Vec::new() } else { give_up(self, &racing, to) };
            for place in &gone {
                self.settle(candidates[*place], to, reference);
            }
            racing.retain(|place| !gone.contains(place));
            if last {
                self.spent.full_evaluations += racing.len();
                racing.iter().for_each(|place| self.settle(candidates[*place], to, None));
            }
            from = to;
        }
        for candidate in candidates {
            self.spent.evaluations += 1;
            let measured = &self.measured[&candidate.allotted.behaviour];
            self.points.push(Point {
                evaluation: self.spent.evaluations,
                loss: measured.loss,
                full: measured.full,
            });
        }
        (self.observer)(&self.spent, self.best);
        Ok(candidates.len())
    }

    /// Writes down a candidate's loss once it goes no further than to window `to`.
    fn settle(&mut self, candidate: &Candidate, to: usize, reference: Option<&Measured>) {
        let all = self.evaluator.windows(Split::Fitness);
        let Some(measured) = self.measured.get_mut(&candidate.allotted.behaviour) else { return };
        let losses = std::mem::take(&mut measured.losses);
        *measured = Measured::after(losses, to, all, self.objective, reference);
        let Measured { loss, full, .. } = *measured;
        self.tell(candidate, loss, full);
    }

    /// Notes whether a candidate is the best so far, and tells of it.
    fn tell(&mut self, candidate: &Candidate, loss: f64, full: bool) {
        if full && loss < self.best {
            self.best = loss;
            self.best_at = self.spent.evaluations + 1;
        }
        if let Some(log) = &mut self.log {
            log(candidate, loss, full);
        }
    }

    /// Begins the way of a candidate through the stages, against a reference that was measured on the whole text. The candidate counts
    /// when it is [added](Self::add).
    pub fn enter(&self, candidate: Candidate, reference: Option<&Behaviour>) -> Entry {
        let reference = reference.and_then(|it| self.measured.get(it)).filter(|it| it.full);
        let reference = reference.cloned().map(Arc::new);
        Entry::new(candidate, self.stages(), self.evaluator.targets.len(), reference)
    }

    /// Adds what was measured of a candidate that went through the stages on its own; without effect where it still goes on.
    pub fn add(&mut self, entry: &Entry) {
        let Some(measured) = entry.settled() else { return };
        let (loss, full) = (measured.loss, measured.full);
        self.measured.insert(entry.candidate.allotted.behaviour.clone(), measured.clone());
        self.spent.tokens += self.evaluator.tokens(Split::Fitness, entry.windows_done());
        self.spent.full_evaluations += usize::from(full);
        self.tell(&entry.candidate, loss, full);
        self.spent.evaluations += 1;
        self.points.push(Point { evaluation: self.spent.evaluations, loss, full });
        (self.observer)(&self.spent, self.best);
    }

    /// Returns what turns losses into one number.
    pub fn objective(&self) -> &'a Objective {
        self.objective
    }

    /// Returns where measurements are kept.
    pub fn store(&mut self) -> &mut dyn Store {
        self.store
    }

    /// Returns where the stages of a race end: after a quarter of the windows, half of them, all.
    fn stages(&self) -> Vec<usize> {
        let all = self.evaluator.windows(Split::Fitness);
        let mut stages: Vec<usize> = [all.div_ceil(4), all.div_ceil(2), all]
            .into_iter()
            .filter(|end| *end == all || *end >= FEWEST)
            .collect();
        stages.dedup();
        stages
    }
}
