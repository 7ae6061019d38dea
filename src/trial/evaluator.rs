//! The fitness of candidates: from formulas to whole-weight allocations, and from those to losses.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::behaviour::{Allotted, Behaviour};
use super::cancel::Cancel;
use super::candidate::{Candidate, Genome};
use super::error::TrialError;
use super::loss::{Losses, Measure};
use super::measurer::{LossTask, Measurer, PrunedModel, ask_each};
use super::store::{MeasurementKey, Store};
use super::subject::Subject;
use super::subjects::Subjects;
use super::target::Target;
use super::text::Split;
use crate::allocate::script::{Outcome, Request, ScriptError, allocate_all};
use crate::allocate::{Allocation, Bounds};
use crate::lang::print;
use crate::lang::program::{Metric, Script};
use crate::prune::{Pattern, Rounding, Share, check_rows, shares};

/// Everything needed to measure candidates.
#[derive(Debug)]
pub struct Evaluator {
    /// The models.
    pub subjects: Arc<Subjects>,
    /// The measurer of pruned models.
    pub measurer: Arc<dyn Measurer>,
    /// The targets of candidates; the first is the main one.
    pub targets: Vec<Target>,
    /// How weights are scored.
    pub metric: Metric,
    /// The sparsity pattern.
    pub pattern: Pattern,
    /// The loss that counts.
    pub measure: Measure,
    /// Stops the work after the running measurements.
    pub cancel: Cancel,
}

/// A request to measure an allocation on some windows of a text.
#[derive(Clone, Debug)]
pub struct Evaluation<'a> {
    /// The allocation to prune by.
    pub allotted: &'a Allotted,
    /// The text to read.
    pub split: Split,
    /// Its windows to measure.
    pub windows: Range<usize>,
}

impl Evaluation<'_> {
    /// Returns its key in the store.
    fn key(&self) -> MeasurementKey {
        MeasurementKey::new(self.split, &self.allotted.behaviour, self.windows.clone())
    }
}

impl Evaluator {
    /// Returns the model of a target.
    ///
    /// # Errors
    /// When there is no such model.
    pub fn subject(&self, target: Target) -> Result<&Subject, TrialError> {
        self.subjects.get(target.subject)
    }

    /// Returns an evaluator with the same models, texts and measurer, for one target alone.
    #[must_use]
    pub fn at(&self, target: Target) -> Self {
        Self {
            subjects: Arc::clone(&self.subjects),
            measurer: Arc::clone(&self.measurer),
            targets: vec![target],
            metric: self.metric.clone(),
            pattern: self.pattern,
            measure: self.measure,
            cancel: self.cancel.clone(),
        }
    }

    /// Allocates formulas at every target; formulas that share reductions share the reads of the weights.
    ///
    /// # Errors
    /// Each formula fails separately, if it has no value on a model or its importances do not give ratios.
    pub fn allot(&self, scripts: &[&Script]) -> Result<Vec<Result<Allotted, ScriptError>>, TrialError> {
        let mut allocations: Vec<Result<Vec<Allocation>, ScriptError>> = vec![Ok(Vec::new()); scripts.len()];
        for target in &self.targets {
            let of_target = self.allocate(scripts, *target)?;
            for (all, outcome) in allocations.iter_mut().zip(of_target) {
                match (&mut *all, outcome) {
                    (Ok(all), Ok(outcome)) => all.push(outcome.allocation),
                    (Ok(_), Err(error)) => *all = Err(error),
                    (Err(_), _) => {}
                }
            }
        }
        allocations
            .into_iter()
            .map(|all| match all {
                Ok(all) => self.allotted(&all).map(Ok),
                Err(error) => Ok(Err(error)),
            })
            .collect()
    }

    /// Allocates formulas at one target.
    ///
    /// # Errors
    /// When the model cannot be read; each formula fails separately.
    pub fn allocate(
        &self,
        scripts: &[&Script],
        target: Target,
    ) -> Result<Vec<Result<Outcome, ScriptError>>, TrialError> {
        let subject = self.subject(target)?;
        let (data, backend) = (subject.data()?, subject.backend());
        let request = Request {
            metric: &self.metric,
            unit: None,
            target: target.sparsity,
            bounds: Bounds::default(),
            reductions: Some(subject.reductions()),
            backend: &*backend,
        };
        Ok(allocate_all(scripts, &data, request))
    }

    /// Returns the shares that allocations, one per target, prune from each linear.
    ///
    /// # Errors
    /// When an allocation does not fit its target's model.
    pub fn allotted(&self, allocations: &[Allocation]) -> Result<Allotted, TrialError> {
        let of_target = |(target, allocation): (&Target, &Allocation)| {
            let linears = self.subject(*target)?.checkpoint().linears();
            check_rows(allocation, self.metric.per, Rounding::Exact)?;
            Ok(shares(linears, allocation, self.pattern)?)
        };
        let shares: Vec<Vec<Share>> =
            self.targets.iter().zip(allocations).map(of_target).collect::<Result<_, TrialError>>()?;
        Ok(self.together(shares))
    }

    /// Returns shares, `[targets][linears]`, with their identity.
    pub fn together(&self, shares: Vec<Vec<Share>>) -> Allotted {
        let mut rule = format!("{} {} {}", print::expr(&self.metric.score), self.metric.per, self.pattern);
        // Alone, a further model's shares may equal those of the first, but its losses do not.
        if let Some(Target { subject: 1.., .. }) = self.only_target() {
            rule.push_str(&format!(" of model {}", self.targets[0].subject));
        }
        let behaviour = Behaviour::new(&rule, &shares);
        Allotted { shares, behaviour }
    }

    /// Returns formulas as candidates; `None` for those without a value.
    ///
    /// # Errors
    /// As [`Evaluator::allot`].
    pub fn candidates(&self, scripts: Vec<Script>) -> Result<Vec<Option<Candidate>>, TrialError> {
        let borrowed: Vec<&Script> = scripts.iter().collect();
        let allotted = self.allot(&borrowed)?;
        Ok(scripts
            .into_iter()
            .zip(allotted)
            .map(|(script, allotted)| {
                let allotted = allotted.ok()?;
                Some(Candidate { genome: Genome::Formula(script), allotted, published: None })
            })
            .collect())
    }

    /// Returns an allocation without a formula as a candidate; there must be exactly one target.
    ///
    /// # Errors
    /// As [`Evaluator::allotted`].
    pub fn free_candidate(&self, allocation: Allocation) -> Result<Candidate, TrialError> {
        let allotted = self.allotted(std::slice::from_ref(&allocation))?;
        Ok(Candidate { genome: Genome::Free(allocation), allotted, published: None })
    }

    /// Returns the target if there is only one.
    pub fn only_target(&self) -> Option<Target> {
        let [target] = self.targets[..] else { return None };
        Some(target)
    }

    /// Returns the number of windows of a text; 0 if there is no such text.
    pub fn windows(&self, split: Split) -> usize {
        let windows = self.subjects.iter().map(|it| it.windows(split));
        windows.min().unwrap_or(0)
    }

    /// Returns the number of tokens in some windows, at all targets together.
    pub fn tokens(&self, split: Split, windows: usize) -> u64 {
        let of = |target: &Target| self.subject(*target).map_or(0, |it| it.window_tokens(split));
        windows as u64 * self.targets.iter().map(of).sum::<u64>()
    }

    /// Measures what is not in the store, stores each measurement as soon as all earlier ones are stored, and
    /// returns all losses in order.
    ///
    /// # Errors
    /// When a model cannot run, the store cannot be written, or the work was interrupted.
    pub fn measure(
        &self,
        evaluations: &[Evaluation<'_>],
        store: &mut dyn Store,
    ) -> Result<Vec<Losses>, TrialError> {
        let keys: Vec<MeasurementKey> = evaluations.iter().map(Evaluation::key).collect();
        let mut results: Vec<Option<Losses>> = keys.iter().map(|key| store.find(key)).collect();
        // Two evaluations may be identical.
        let mut asked = BTreeSet::new();
        let missing: Vec<usize> = (0..evaluations.len())
            .filter(|index| results[*index].is_none() && asked.insert(&keys[*index]))
            .collect();
        let questions = missing.iter().flat_map(|index| self.questions(&evaluations[*index]));
        let mut complete = missing.iter();
        let mut losses = Losses::new();
        ask_each(self.measurer.as_ref(), questions, &mut |of_target| {
            losses.push(of_target);
            if losses.len() == self.targets.len()
                && let Some(index) = complete.next()
            {
                let losses = std::mem::take(&mut losses);
                store.keep(keys[*index].clone(), losses.clone())?;
                results[*index] = Some(losses);
            }
            Ok(())
        })?;
        // The losses of repeated requests are in the store by now.
        let found = results.into_iter().zip(&keys).map(|(result, key)| result.or_else(|| store.find(key)));
        Ok(found.map(Option::unwrap_or_default).collect())
    }

    /// Returns the tasks of an evaluation, one per target.
    pub fn questions(&self, evaluation: &Evaluation<'_>) -> Vec<LossTask> {
        let of_target = |(target, shares): (&Target, &Vec<Share>)| LossTask {
            model: PrunedModel { subject: target.subject, shares: shares.clone() },
            split: evaluation.split,
            windows: evaluation.windows.clone(),
        };
        self.targets.iter().zip(&evaluation.allotted.shares).map(of_target).collect()
    }
}
