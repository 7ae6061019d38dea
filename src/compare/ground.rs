//! Where entrants are compared: the model with its texts, pruned in one way for all.

use super::error::CompareError;
use crate::allocate::Allocation;
use crate::allocate::Bounds;
use crate::allocate::script::{Outcome, Request, ScriptError, allocate};
use crate::lang::program::Script;
use crate::lang::types::UnitKind;
use crate::measure::WindowLoss;
use crate::prune::{Method, Propagation, shares};
use crate::results::Reductions;
use crate::trial::behaviour::{Allotted, Behaviour};
use crate::trial::candidate::Genome;
use crate::trial::evaluator::{Evaluation, Evaluator};
use crate::trial::measurer::{PropagatedTask, ask};
use crate::trial::prepare::Calibrated;
use crate::trial::ranking::Ranking;
use crate::trial::store::{MeasurementKey, Store};
use crate::trial::subject::Subject;
use crate::trial::target::Target;
use crate::trial::text::Split;

/// The model with its texts, and how it is pruned.
#[derive(Debug)]
pub struct Ground {
    /// What measures; its one target is the sparsity at hand.
    pub evaluator: Evaluator,
    /// The pruning method.
    pub method: Method,
    /// What later blocks see of the pruning.
    pub propagation: Propagation,
    /// What the calibration took, and its text, which propagation through pruned blocks reads again.
    pub calibrated: Calibrated,
}

impl Ground {
    /// Goes to another target sparsity.
    pub fn set_target(&mut self, sparsity: f64) {
        self.evaluator.targets = vec![Target { subject: 0, sparsity }];
    }

    /// Returns the model.
    pub fn subject(&self) -> &Subject {
        self.evaluator.subjects.first()
    }

    /// Returns what a script allocates at the target, with a cache of reductions of its own.
    ///
    /// # Errors
    /// When the model cannot be read; the inner result fails when the script has no allocation.
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
        }
    }

    fn target(&self) -> f64 {
        self.evaluator.targets.first().map_or(f64::NAN, |target| target.sparsity)
    }

    /// Prunes by an allocation, and returns the losses of the report text's windows; what the store knows is not done again.
    ///
    /// # Errors
    /// When the model cannot be pruned or run, or the store cannot be written.
    pub fn losses(
        &self,
        allocation: &Allocation,
        unit: UnitKind,
        store: &mut dyn Store,
    ) -> Result<(Allotted, Vec<WindowLoss>), CompareError> {
        let allotted = self.evaluator.allotted(std::slice::from_ref(allocation))?;
        let windows = 0..self.evaluator.windows(Split::Report);
        if self.propagation == Propagation::Dense {
            let evaluation = Evaluation { allotted: &allotted, split: Split::Report, windows };
            let losses = self.evaluator.measure(&[evaluation], store)?.pop().unwrap_or_default();
            return Ok((allotted, losses.into_iter().next().unwrap_or_default()));
        }
        let subject = self.subject();
        let shares = vec![shares(subject.checkpoint().linears(), allocation, self.evaluator.pattern)?];
        let rule = format!("{} {} propagated", self.method.name(), allotted.behaviour.name());
        let key = MeasurementKey::new(Split::Report, &Behaviour::new(&rule, &shares), windows.clone());
        if let Some(known) = store.find(&key) {
            return Ok((allotted, known.into_iter().next().unwrap_or_default()));
        }
        let task = PropagatedTask {
            subject: 0,
            allocation: allocation.clone(),
            unit,
            ranking: Box::new(Ranking { method: self.method.clone(), metric: self.evaluator.metric.clone() }),
            pattern: self.evaluator.pattern,
            split: Split::Report,
            windows,
        };
        let losses = ask(self.evaluator.measurer.as_ref(), [task])?.pop().unwrap_or_default();
        store.keep(key, vec![losses.clone()])?;
        Ok((allotted, losses))
    }
}
