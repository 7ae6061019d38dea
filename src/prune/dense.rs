//! Scores from the dense model's statistics, for those who prune one model many times.

use super::error::PruneError;
use super::score::{self, Method};
use crate::interpret::evaluate::{Context, Scores};
use crate::lang::types::UnitKind;
use crate::model::{Checkpoint, widen};
use crate::stats::Statistics;

/// Hands the scores of every linear, `[rows, columns]`, to `each`, in the model's order.
///
/// They are those by which [`prune`](super::prune()) chooses weights with dense propagation. A metric's reductions reduce `unit`.
///
/// # Errors
/// When the method needs a statistic that there is not, a score is not a number, or what `each` returns.
pub fn dense_scores<E: From<PruneError>>(
    checkpoint: &Checkpoint,
    statistics: Option<&Statistics>,
    method: &Method,
    unit: UnitKind,
    target: f64,
    mut each: impl FnMut(usize, Vec<f32>) -> Result<(), E>,
) -> Result<(), E> {
    let mut data = checkpoint.data().map_err(PruneError::from)?;
    if let Some(statistics) = statistics {
        statistics.attach(&mut data);
    }
    let no_value =
        |module: &str, source| PruneError::Metric { module: module.to_owned(), source: Box::new(source) };
    let metric = match method {
        Method::Metric(metric) => {
            let context = Context { model: &data, unit, metric: &metric.score, target, reductions: None };
            Some(Scores::new(&metric.score, context).map_err(|error| no_value("the model", error))?)
        }
        _ => None,
    };
    for (index, linear) in checkpoint.linears().iter().enumerate() {
        let weights = || Ok::<_, PruneError>(widen(&checkpoint.weight(linear)?));
        let moments = || {
            let found = statistics.and_then(|it| it.linears.get(&linear.module)?.second_moment.as_deref());
            found.ok_or_else(|| PruneError::NeedsActivations { method: method.name().to_owned() })
        };
        let scores = match (&metric, method) {
            (Some(metric), _) => metric.linear(index).map_err(|error| no_value(&linear.module, error))?,
            (None, Method::Wanda | Method::SparseGpt { .. }) => score::wanda(&weights()?, moments()?),
            (None, Method::Ria { power, .. }) => score::relative_importance(&weights()?, moments()?, *power),
            (None, _) => score::magnitude(&weights()?),
        };
        score::check(&linear.module, &scores, linear.columns)?;
        each(index, scores)?;
    }
    Ok(())
}
