//! How even the marginal damage of an allocation is.

use std::sync::Arc;

use super::error::SessionError;
use super::method::metric_of;
use super::needs::Needs;
use super::open::Session;
use crate::allocate::Allocation;
use crate::descent::flatness::{Flatness, flatness};
use crate::descent::settings::DescentSettings;
use crate::lang::types::UnitKind;
use crate::prune::{Method, Pattern};
use crate::stats::Tokens;
use crate::trial::cancel::Cancel;
use crate::trial::error::TrialError;
use crate::trial::evaluator::Evaluator;
use crate::trial::loss::Measure;
use crate::trial::subject::Subject;
use crate::trial::subjects::Subjects;
use crate::trial::target::Target;
use crate::trial::text::Texts;
use crate::trial::threads::Threads;

impl Session {
    /// Returns the marginal damage of an allocation's units on windows of a text, which shows where an
    /// exchange of budget would help.
    ///
    /// Weights are chosen by the dense model's scores under a method; SparseGPT has no scores before it
    /// prunes, so Wanda's are used. `unit` is the unit of the allocation.
    ///
    /// # Errors
    /// When statistics that the method needs are missing, the allocation belongs to another model or prunes
    /// nothing or everything, or the model cannot run.
    pub fn flatness(
        &mut self,
        allocation: &Allocation,
        unit: UnitKind,
        method: &Method,
        tokens: Tokens,
    ) -> Result<Flatness, SessionError> {
        let method = match method {
            Method::SparseGpt { .. } => &Method::Wanda,
            method => method,
        };
        let metric = metric_of(method)?;
        let needs = Needs::of_method(method);
        let statistics = self.statistics(&needs)?.filter(|_| !needs.is_empty()).cloned();
        let settings = DescentSettings { windows: tokens.samples(), ..DescentSettings::of(unit) };
        let texts = Texts { fitness: tokens, selection: None, report: None };
        let cancel = Cancel::default();
        let subject =
            Subject::new(self.checkpoint(), statistics, method, Pattern::Unstructured, &texts, &cancel)
                .map_err(|error: TrialError| SessionError::Descent(Box::new(error.into())))?;
        let subjects = Arc::new(Subjects::from(subject));
        let evaluator = Evaluator {
            measurer: Arc::new(Threads::new(Arc::clone(&subjects), cancel.clone())),
            subjects,
            targets: vec![Target { subject: 0, sparsity: allocation.target }],
            metric,
            pattern: Pattern::Unstructured,
            measure: Measure::default(),
            cancel,
        };
        flatness(&evaluator, &settings, allocation).map_err(|error| SessionError::Descent(Box::new(error)))
    }
}
