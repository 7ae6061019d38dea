//! Pruning methods by name.

use super::error::SessionError;
use super::script::LoadedScript;
use crate::lang::program::Metric;
use crate::prune::Method;

/// Returns the method with a name: `wanda`, `magnitude`, `ria`, `sparsegpt`, or a script with a metric, as
/// opened by [`LoadedScript::open`].
///
/// # Errors
/// When there is no such script, it has errors, or it has no metric.
pub fn named_method(name: &str) -> Result<Method, SessionError> {
    match Method::named(name) {
        Some(method) => Ok(method),
        None => method_of(&LoadedScript::open(name)?),
    }
}

/// Returns the method defined by a script's metric.
///
/// # Errors
/// When the script has no metric.
pub fn method_of(loaded: &LoadedScript) -> Result<Method, SessionError> {
    Method::from_script(&loaded.script).ok_or_else(|| SessionError::NoMetric { name: loaded.name.clone() })
}

/// Returns the metric that defines `score` in scripts without their own, in allocations made for a method.
///
/// # Errors
/// None that a user can cause, because the metrics of named methods are part of the program.
pub fn metric_of(method: &Method) -> Result<Metric, SessionError> {
    method.metric().ok_or_else(|| SessionError::NoMetric { name: method.name().to_owned() })
}
