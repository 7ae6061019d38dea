//! A race of candidates: all start with a few windows, and only the good ones are measured on more.

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

/// The minimum number of windows after the first stage.
const FEWEST: usize = 4;

/// The budget of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Maximum number of measured allocations.
    pub evaluations: usize,
    /// Maximum number of tokens through pruned models; no measurement starts after they are spent.
    pub tokens: u64,
}

/// Callback for progress: the spent budget and the best loss.
pub type Observer<'a> = dyn FnMut(&Spent, f64) + 'a;

/// Callback for each settled candidate, with its loss and whether it was measured on the whole text.
pub type Log<'a> = dyn FnMut(&Candidate, f64, bool) + 'a;

/// Measures the candidates of one search or control within its budget.
pub struct Race<'a> {
    evaluator: &'a Evaluator,
    store: &'a mut dyn Store,
    objective: &'a Objective,
    budget: Budget,
    observer: &'a mut Observer<'a>,
    spent: Spent,
    /// The candidates measured so far, in order of measurement.
    points: Vec<Point>,
    measured: BTreeMap<Behaviour, Measured>,
    best: f64,
    /// Number of evaluations after which the best candidate was found.
    best_at: usize,
    /// The time after which no measurement starts.
    deadline: Option<Instant>,
    /// Number of evaluations without an improvement after which no measurement starts.
    patience: Option<usize>,
    log: Option<&'a mut Log<'a>>,
}

impl<'a> Race<'a> {
    /// Starts with nothing spent.
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

    /// Sets a time after which no measurement starts.
    #[must_use]
    pub fn until(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// Sets a number of evaluations without an improvement after which no measurement starts.
    #[must_use]
    pub fn patient(self, patience: Option<usize>) -> Self {
        Self { patience, ..self }
    }

    /// Sets the callback for settled candidates.
    #[must_use]
    pub fn logged(self, log: &'a mut Log<'a>) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Returns the evaluator of candidates.
    pub fn evaluator(&self) -> &'a Evaluator {
        self.evaluator
    }

    /// Returns the budget.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Returns the unit of losses: uniform's loss at one target, or 1 for the logarithms at several.
    pub fn unit_of_loss(&self) -> f64 {
        self.objective.unit()
    }

    /// Returns what has been spent so far.
    pub fn spent(&self) -> &Spent {
        &self.spent
    }

    /// Ends the race, and returns what it spent and the measured candidates in order.
    pub fn end(self) -> (Spent, Vec<Point>) {
        (self.spent, self.points)
    }

    /// Counts proposals.
    pub fn count_proposals(&mut self, count: usize) {
        self.spent.proposals += count;
    }

    /// Counts a proposal with a known formula.
    pub fn count_known_formula(&mut self) {
        self.spent.known_formulas += 1;
    }

    /// Counts a proposal without a value on the models.
    pub fn count_invalid(&mut self) {
        self.spent.invalid += 1;
    }

    /// Counts a proposal with a known allocation.
    pub fn count_known_behaviour(&mut self) {
        self.spent.known_behaviours += 1;
    }

    /// Counts formulas that were only judged by their distance from teachers.
    pub fn count_judged(&mut self, judged: &Judged) {
        self.spent.judged.add(judged);
    }

    /// Counts formulas whose loss a surrogate predicted.
    pub fn count_screened(&mut self, count: usize) {
        self.spent.screened += count;
    }

    /// Returns how many more allocations may be measured.
    pub fn left(&self) -> usize {
        // At least one candidate is always measured, so that there is a result.
        let late = self.spent.evaluations > 0 && self.deadline.is_some_and(|it| Instant::now() >= it);
        let idle = self.spent.evaluations - self.best_at.min(self.spent.evaluations);
        let tired = self.patience.is_some_and(|patience| idle >= patience);
        match late || tired || self.spent.tokens >= self.budget.tokens {
            true => 0,
            false => self.budget.evaluations.saturating_sub(self.spent.evaluations),
        }
    }

    /// Returns the measurement of an allocation, if there is one.
    pub fn known(&self, behaviour: &Behaviour) -> Option<&Measured> {
        self.measured.get(behaviour)
    }

    /// Measures new candidates in order, as many as the budget allows, and returns how many that were.
    ///
    /// A candidate that is significantly worse than the reference after a stage is given up; its loss is then
    /// estimated as the reference's plus the mean of the paired differences. Without a reference, every
    /// candidate runs through all stages.
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

    /// Measures new candidates in two stages, the second only for the `survivors` best of the first, as
    /// EvoPress selects.
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

    /// Counts tokens that went through a model other than by measuring candidates.
    pub fn spend(&mut self, tokens: u64) {
        self.spent.tokens += tokens;
        (self.observer)(&self.spent, self.best);
    }

    /// Measures a method's final candidate on the whole fitness text, even beyond the budget, and returns an
    /// archive of it alone.
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

    /// Runs the stages; after each, `give_up` chooses the candidates that stop. Returns the number of
    /// candidates.
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

    /// Records a candidate's loss when it stops after window `to`.
    fn settle(&mut self, candidate: &Candidate, to: usize, reference: Option<&Measured>) {
        let all = self.evaluator.windows(Split::Fitness);
        let Some(measured) = self.measured.get_mut(&candidate.allotted.behaviour) else { return };
        let losses = std::mem::take(&mut measured.losses);
        *measured = Measured::after(losses, to, all, self.objective, reference);
        let Measured { loss, full, .. } = *measured;
        self.tell(candidate, loss, full);
    }

    /// Checks whether a candidate is the best so far, and reports it.
    fn tell(&mut self, candidate: &Candidate, loss: f64, full: bool) {
        if full && loss < self.best {
            self.best = loss;
            self.best_at = self.spent.evaluations + 1;
        }
        if let Some(log) = &mut self.log {
            log(candidate, loss, full);
        }
    }

    /// Enters a candidate into the stages, against a reference measured on the whole text. The candidate
    /// counts once it is [added](Self::add).
    pub fn enter(&self, candidate: Candidate, reference: Option<&Behaviour>) -> Entry {
        let reference = reference.and_then(|it| self.measured.get(it)).filter(|it| it.full);
        let reference = reference.cloned().map(Arc::new);
        Entry::new(candidate, self.stages(), self.evaluator.targets.len(), reference)
    }

    /// Records a candidate that went through the stages by itself; has no effect while it is not settled.
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

    /// Returns the objective.
    pub fn objective(&self) -> &'a Objective {
        self.objective
    }

    /// Returns the store of measurements.
    pub fn store(&mut self) -> &mut dyn Store {
        self.store
    }

    /// Returns the window after which each stage ends: a quarter of the windows, half of them, all.
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
