//! Pruning methods by name.

use super::error::SessionError;
use super::script::LoadedScript;
use crate::lang::program::Metric;
use crate::prune::Method;

/// Returns the method of a name: `wanda`, `magnitude`, `ria`, `sparsegpt`, or a script with a metric, as [`LoadedScript::open`]
/// takes it.
///
/// # Errors
/// When there is no such script, it has errors, or it has no metric.
pub fn named_method(name: &str) -> Result<Method, SessionError> {
    match Method::named(name) {
        Some(method) => Ok(method),
        None => method_of(&LoadedScript::open(name)?),
    }
}

/// Returns the method that a script's metric is.
///
/// # Errors
/// When the script has no metric.
pub fn method_of(loaded: &LoadedScript) -> Result<Method, SessionError> {
    Method::from_script(&loaded.script).ok_or_else(|| SessionError::NoMetric { name: loaded.name.clone() })
}

/// Returns what `score` stands for in scripts without a metric of their own, in allocations made for a method.
///
/// # Errors
/// None that a user can cause: the metrics of named methods are part of the program.
pub fn metric_of(method: &Method) -> Result<Metric, SessionError> {
    method.metric().ok_or_else(|| SessionError::NoMetric { name: method.name().to_owned() })
}
