//! How weights are scored and chosen, by the name that `--method` takes.

use super::error::SessionError;
use super::script::LoadedScript;
use crate::lang::program::{Metric, Script};
use crate::prune::Method;

/// How weights are scored, for allocations, and chosen, for pruning.
#[derive(Clone, Debug, PartialEq)]
pub struct Scoring {
    /// Which weights go.
    pub method: Method,
    /// What `score` stands for in scripts without a metric of their own.
    pub metric: Metric,
}

impl Scoring {
    /// Returns the scoring of a name: `wanda`, `magnitude`, `ria`, `sparsegpt`, or a script with a metric, as
    /// [`LoadedScript::open`] takes it.
    ///
    /// SparseGPT's own scores come up only while it prunes; allocations go by Wanda's, as in OWL and DSA.
    ///
    /// # Errors
    /// When there is no such script, it has errors, or it has no metric.
    pub fn named(name: &str) -> Result<Self, SessionError> {
        let method = match Method::named(name) {
            Some(method) => method,
            None => return Self::of(LoadedScript::open(name)?),
        };
        let script = match &method {
            Method::SparseGpt { .. } => "wanda",
            _ => name,
        };
        let Self { metric, .. } = Self::of(LoadedScript::published(script)?)?;
        Ok(Self { method, metric })
    }

    /// Returns the scoring by a script's metric.
    ///
    /// # Errors
    /// When it has none.
    pub fn of(script: LoadedScript) -> Result<Self, SessionError> {
        let name = script.name;
        let metric = script.script.metric.ok_or(SessionError::NoMetric { name })?;
        Ok(Self::by(&metric))
    }

    fn by(metric: &Metric) -> Self {
        let metric = Metric { per: metric.per, score: metric.score.without_spans() };
        Self { method: Method::Metric(metric.clone()), metric }
    }

    /// Returns Wanda's, the default.
    ///
    /// # Errors
    /// None that a user can cause: the script is part of the program.
    pub fn wanda() -> Result<Self, SessionError> {
        Self::named("wanda")
    }

    /// Returns the method by which the weights of a script's allocation are chosen: the one of `name`, else the script's own metric,
    /// else Wanda.
    ///
    /// # Errors
    /// As [`Scoring::named`].
    pub fn chosen(name: Option<&str>, script: Option<&Script>) -> Result<Self, SessionError> {
        match (name, script.and_then(|script| script.metric.as_ref())) {
            (Some(name), _) => Self::named(name),
            (None, None) => Self::wanda(),
            (None, Some(metric)) => Ok(Self::by(metric)),
        }
    }
}
