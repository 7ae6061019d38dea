//! The ground of a comparison: the model with its texts, pruned the same way for all entrants.

use std::borrow::Borrow;

use super::error::CompareError;
use crate::allocate::Allocation;
use crate::allocate::Bounds;
use crate::allocate::script::{Outcome, Request, ScriptError, allocate};
use crate::baselines::error::BaselineError;
use crate::lang::program::Script;
use crate::lang::types::UnitKind;
use crate::measure::WindowLoss;
use crate::model::Decoder;
use crate::prune::{Method, Propagation, shares};
use crate::results::Reductions;
use crate::tasks::TaskResult;
use crate::trial::behaviour::{Allotted, Behaviour};
use crate::trial::candidate::Genome;
use crate::trial::error::TrialError;
use crate::trial::evaluator::{Evaluation, Evaluator};
use crate::trial::measurer::{PropagatedTask, ask};
use crate::trial::prepare::Calibrated;
use crate::trial::propagated::pruned;
use crate::trial::ranking::Ranking;
use crate::trial::scores::Examination;
use crate::trial::store::{MeasurementKey, Store};
use crate::trial::subject::Subject;
use crate::trial::target::Target;
use crate::trial::text::Split;

/// The model with its texts, and the way it is pruned.
#[derive(Debug)]
pub struct Ground {
    /// The evaluator; its only target is the current sparsity.
    pub evaluator: Evaluator,
    /// The pruning method.
    pub method: Method,
    /// Whether later blocks are calibrated on the outputs of dense or pruned blocks.
    pub propagation: Propagation,
    /// The tasks that each pruned model is scored on.
    pub examination: Option<Examination>,
    /// The cost of the calibration, and its text, which is read again when pruning is propagated.
    pub calibrated: Calibrated,
}

impl Ground {
    /// Switches to another target sparsity.
    pub fn set_target(&mut self, sparsity: f64) {
        self.evaluator.targets = vec![Target { subject: 0, sparsity }];
    }

    /// Returns the model.
    pub fn subject(&self) -> &Subject {
        self.evaluator.subjects.first()
    }

    /// Returns a script's allocation at the target, with a separate cache of reductions.
    ///
    /// # Errors
    /// When the model cannot be read; the inner result is an error if the script has no allocation.
    pub fn allocate(
        &self,
        script: &Script,
        unit: Option<UnitKind>,
        reductions: &Reductions,
    ) -> Result<Result<Outcome, ScriptError>, CompareError> {
        let subject = self.subject();
        let (data, backend) = (subject.data()?, subject.backend());
        let request = Request {
            metric: &self.evaluator.metric,
            unit,
            target: self.target(),
            bounds: Bounds::default(),
            reductions: Some(reductions),
            backend: &*backend,
        };
        Ok(allocate(script, &data, request))
    }

    /// Returns the allocation of a program's genome.
    ///
    /// # Errors
    /// As [`Ground::allocate`].
    pub fn allocation_of(&self, genome: &Genome) -> Result<Result<Allocation, ScriptError>, CompareError> {
        match genome {
            Genome::Formula(script) => {
                Ok(self.allocate(script, None, &Reductions::new())?.map(|outcome| outcome.allocation))
            }
            Genome::Free(allocation) => Ok(Ok(allocation.clone())),
            Genome::Each(_) => Err(BaselineError::several_targets("compare").into()),
        }
    }

    pub(super) fn target(&self) -> f64 {
        self.evaluator.targets.first().map_or(f64::NAN, |target| target.sparsity)
    }

    /// Scores the dense model on the tasks, if there are any.
    ///
    /// # Errors
    /// When the model cannot run, or the results cannot be stored.
    pub fn dense_tasks(&mut self) -> Result<Vec<TaskResult>, CompareError> {
        let subject = self.evaluator.subjects.first();
        Ok(tasks(&mut self.examination, DENSE, &self.evaluator, || Ok(subject.decoder()))?)
    }

    /// Prunes by an allocation, and returns the losses on the report text's windows and the task results.
    /// Known results are reused.
    ///
    /// # Errors
    /// When the model cannot be pruned or run, or the results cannot be stored.
    pub fn measured(
        &mut self,
        allocation: &Allocation,
        unit: UnitKind,
        store: &mut dyn Store,
    ) -> Result<Found, CompareError> {
        let allotted = self.evaluator.allotted(std::slice::from_ref(allocation))?;
        let windows = 0..self.evaluator.windows(Split::Report);
        if self.propagation == Propagation::Dense {
            let evaluation = Evaluation { allotted: &allotted, split: Split::Report, windows };
            let losses = self.evaluator.measure(&[evaluation], store)?.pop().unwrap_or_default();
            let losses = losses.into_iter().next().unwrap_or_default();
            let subject = self.evaluator.subjects.first();
            let shares = allotted.shares.first().map(Vec::as_slice).unwrap_or_default();
            let decoder = || subject.pruned_decoder(shares);
            let tasks = tasks(&mut self.examination, allotted.behaviour.name(), &self.evaluator, decoder)?;
            return Ok(Found { allotted, losses, tasks });
        }
        let subject = self.evaluator.subjects.first();
        let shares = vec![shares(subject.checkpoint().linears(), allocation, self.evaluator.pattern)?];
        let rule = format!("{} {} propagated", self.method.name(), allotted.behaviour.name());
        let behaviour = Behaviour::new(&rule, &shares);
        let key = MeasurementKey::new(Split::Report, &behaviour, windows.clone());
        let task = PropagatedTask {
            subject: 0,
            allocation: allocation.clone(),
            unit,
            ranking: Box::new(Ranking { method: self.method.clone(), metric: self.evaluator.metric.clone() }),
            pattern: self.evaluator.pattern,
            split: Split::Report,
            windows: windows.clone(),
        };
        let known = store.find(&key).map(|known| known.into_iter().next().unwrap_or_default());
        let is_asked = self.examination.as_ref().is_some_and(|it| it.find(behaviour.name()).is_none());
        // Pruning takes longest, so it is done once for both.
        let decoder = if is_asked { Some(pruned(subject, &task, &self.evaluator.cancel)?) } else { None };
        let losses = match (known, &decoder) {
            (Some(known), _) => known,
            (None, decoder) => {
                let losses = match decoder {
                    Some(decoder) => subject.losses_of(decoder, Split::Report, windows)?,
                    None => ask(self.evaluator.measurer.as_ref(), [task.clone()])?.pop().unwrap_or_default(),
                };
                store.keep(key, vec![losses.clone()])?;
                losses
            }
        };
        let decoder = || decoder.map_or_else(|| pruned(subject, &task, &self.evaluator.cancel), Ok);
        let tasks = tasks(&mut self.examination, behaviour.name(), &self.evaluator, decoder)?;
        Ok(Found { allotted, losses, tasks })
    }
}

/// The key of the dense model's task results.
const DENSE: &str = "dense";

/// The results of a pruned model.
#[derive(Clone, Debug)]
pub struct Found {
    /// The allocation that was pruned.
    pub allotted: Allotted,
    /// The losses on the report text's windows.
    pub losses: Vec<WindowLoss>,
    /// The task results; empty if no tasks are scored, or the model's logits are not finite.
    pub tasks: Vec<TaskResult>,
}

/// Returns the task results of a model by its name; empty if no tasks are scored.
fn tasks<D: Borrow<Decoder>>(
    examination: &mut Option<Examination>,
    name: &str,
    evaluator: &Evaluator,
    decoder: impl FnOnce() -> Result<D, TrialError>,
) -> Result<Vec<TaskResult>, TrialError> {
    let Some(examination) = examination else { return Ok(Vec::new()) };
    examination.of(name, &evaluator.cancel, decoder)
}
