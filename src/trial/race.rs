//! Where one search measures its candidates: few windows first, more for those that hold their own.

use std::collections::BTreeMap;

use super::archive::Archive;
use super::candidate::{Behaviour, Candidate};
use super::evaluator::{Evaluator, Task};
use super::store::{Losses, Store};
use super::subject::Split;
use crate::measure::paired::signed_rank;
use crate::search::error::SearchError;
use crate::search::summary::{Measure, Point, Spent};

/// The p-value of Wilcoxon's test at which a candidate that loses to the reference is given up. With the four windows of a first
/// stage it is reached by losing on all of them.
const GIVEN_UP: f64 = 0.1;

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

/// What is known of an allocation on the fitness text.
#[derive(Clone, Debug)]
pub struct Measured {
    losses: Losses,
    /// Its loss: measured, or estimated against the reference it was given up for.
    pub loss: f64,
    /// Whether it was measured on the whole text.
    pub full: bool,
}

/// Tells how a search goes.
pub type Observer<'a> = dyn FnMut(&Spent, f64) + 'a;

/// Measures the candidates of one search within its budget.
pub struct Lab<'a> {
    evaluator: &'a Evaluator,
    store: &'a mut dyn Store,
    /// The loss of uniform sparsity at each setting.
    uniform: &'a [f64],
    budget: Budget,
    observer: &'a mut Observer<'a>,
    /// What was spent so far.
    pub spent: Spent,
    /// The candidates measured so far, in order.
    pub points: Vec<Point>,
    measured: BTreeMap<Behaviour, Measured>,
    best: f64,
}

impl<'a> Lab<'a> {
    /// Begins with nothing spent; `uniform` is the loss of uniform sparsity at each setting.
    pub fn new(
        evaluator: &'a Evaluator,
        store: &'a mut dyn Store,
        uniform: &'a [f64],
        budget: Budget,
        observer: &'a mut Observer<'a>,
    ) -> Self {
        Self {
            evaluator,
            store,
            uniform,
            budget,
            observer,
            spent: Spent::default(),
            points: Vec::new(),
            measured: BTreeMap::new(),
            best: f64::INFINITY,
        }
    }

    /// Returns what candidates are measured with.
    pub fn evaluator(&self) -> &'a Evaluator {
        self.evaluator
    }

    /// Returns what may be spent.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Returns what a loss is large or small against: uniform's at one setting, 1 for the logarithms at several.
    pub fn unit_of_loss(&self) -> f64 {
        match self.uniform {
            [one] => *one,
            _ => 1.0,
        }
    }

    /// Returns how many more allocations may be measured.
    pub fn left(&self) -> usize {
        match self.spent.tokens >= self.budget.tokens {
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
    pub fn race(
        &mut self,
        candidates: &[&Candidate],
        reference: Option<&Behaviour>,
    ) -> Result<usize, SearchError> {
        let reference = reference.and_then(|it| self.measured.get(it)).filter(|it| it.full).cloned();
        let stages = self.stages();
        self.stage_by_stage(
            &candidates[..candidates.len().min(self.left())],
            &stages,
            |lab, racing, to| {
                let Some(reference) = &reference else { return Vec::new() };
                let worse = |place: &usize| {
                    let losses = &lab.measured[&candidates[*place].allotted.behaviour].losses;
                    signed_rank(&lab.differences(losses, &reference.losses, to)).greater <= GIVEN_UP
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
    ) -> Result<usize, SearchError> {
        let reference = reference.and_then(|it| self.measured.get(it)).filter(|it| it.full).cloned();
        let all = self.evaluator.windows(Split::Fitness);
        let first = self.stages().first().copied().unwrap_or(all);
        let stages = if first < all { vec![first, all] } else { vec![all] };
        self.stage_by_stage(
            &candidates[..candidates.len().min(self.left())],
            &stages,
            |lab, racing, to| {
                let loss = |place: &usize| {
                    let losses = &lab.measured[&candidates[*place].allotted.behaviour].losses;
                    lab.objective(losses, to)
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
    pub fn conclude(&mut self, candidate: Candidate) -> Result<Archive, SearchError> {
        let stages = [self.evaluator.windows(Split::Fitness)];
        self.stage_by_stage(&[&candidate], &stages, |_, _, _| Vec::new(), None)?;
        let mut archive = Archive::default();
        if let Some(measured) = self.measured.get(&candidate.allotted.behaviour) {
            archive.add(candidate, measured);
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
    ) -> Result<usize, SearchError> {
        let mut racing: Vec<usize> = (0..candidates.len()).collect();
        let settings = self.evaluator.settings.len();
        for candidate in candidates {
            let unknown = Measured { losses: vec![Vec::new(); settings], loss: f64::NAN, full: false };
            self.measured.insert(candidate.allotted.behaviour.clone(), unknown);
        }
        let mut from = 0;
        for (stage, to) in stages.iter().copied().enumerate() {
            let task = |place: &usize| Task {
                allotted: &candidates[*place].allotted,
                split: Split::Fitness,
                windows: from..to,
            };
            let tasks: Vec<Task<'_>> = racing.iter().map(task).collect();
            let results = self.evaluator.measure(&tasks, self.store)?;
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
        let full = to == self.evaluator.windows(Split::Fitness);
        let Some(measured) = self.measured.get(&candidate.allotted.behaviour) else { return };
        let own = self.objective(&measured.losses, to);
        let loss = match reference {
            Some(reference) if !full => reference.loss + own - self.objective(&reference.losses, to),
            _ => own,
        };
        if full && loss < self.best {
            self.best = loss;
        }
        if let Some(measured) = self.measured.get_mut(&candidate.allotted.behaviour) {
            measured.loss = loss;
            measured.full = full;
        }
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

    /// Returns the loss over the first `windows` windows: the mean at one setting; at several, the mean over settings of the
    /// logarithm of the loss over uniform's.
    fn objective(&self, losses: &Losses, windows: usize) -> f64 {
        objective(self.evaluator, self.uniform, losses, windows)
    }

    /// Returns how much worse one allocation is than another on each window, in units of uniform's loss.
    fn differences(&self, losses: &Losses, reference: &Losses, windows: usize) -> Vec<f64> {
        let at = |window: usize| {
            let of_setting = |((own, other), uniform): ((&Vec<_>, &Vec<_>), &f64)| {
                (self.evaluator.loss(&own[window]) - self.evaluator.loss(&other[window])) / uniform
            };
            losses.iter().zip(reference).zip(self.uniform).map(of_setting).sum::<f64>()
        };
        (0..windows).map(at).collect()
    }
}

/// Returns the loss over the first `windows` windows, `losses` being `[settings][windows]`.
pub fn objective(evaluator: &Evaluator, uniform: &[f64], losses: &Losses, windows: usize) -> f64 {
    let mean = |setting: &Vec<_>| {
        setting.iter().take(windows).map(|it| evaluator.loss(it)).sum::<f64>() / windows.max(1) as f64
    };
    let value = match losses.as_slice() {
        [one] => mean(one),
        several => {
            let relative =
                several.iter().zip(uniform).map(|(setting, uniform)| (mean(setting) / uniform).ln());
            relative.sum::<f64>() / several.len().max(1) as f64
        }
    };
    // A model that pruning has destroyed is as bad as can be, whatever its arithmetic gives.
    if value.is_nan() { f64::INFINITY } else { value }
}

/// Returns the loss of uniform sparsity at each setting, on the whole fitness text.
///
/// # Errors
/// When it is so small, or so large, that candidates cannot be told apart; as [`Evaluator::measure`].
pub fn uniform_losses(evaluator: &Evaluator, store: &mut dyn Store) -> Result<Vec<f64>, SearchError> {
    let uniform = crate::lang::published::script("uniform");
    let script =
        uniform.ok_or(SearchError::Control { control: "uniform", problem: "it is not published" })?;
    let allotted = evaluator.allot(&[&script])?;
    let allotted: Vec<_> = allotted
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| SearchError::Script(Box::new(error)))?;
    let windows = evaluator.windows(Split::Fitness);
    let tasks: Vec<Task<'_>> = allotted
        .iter()
        .map(|allotted| Task { allotted, split: Split::Fitness, windows: 0..windows })
        .collect();
    let losses = evaluator.measure(&tasks, store)?.pop().unwrap_or_default();
    let mut means = Vec::with_capacity(losses.len());
    for (setting, losses) in evaluator.settings.iter().zip(&losses) {
        let sum = losses.iter().map(|it| evaluator.loss(it)).sum::<f64>();
        let loss = sum / losses.len().max(1) as f64;
        let flat = matches!(evaluator.measure, Measure::Kl) && loss <= 1e-9;
        if !loss.is_finite() || flat {
            return Err(SearchError::Degenerate { target: setting.target, loss });
        }
        means.push(loss);
    }
    Ok(means)
}
