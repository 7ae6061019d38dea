//! Scores from the dense model's statistics, for callers that prune one model many times.

use std::borrow::Cow;

use candle_core::Tensor;

use super::error::PruneError;
use super::method::{Method, Scoring};
use super::on_device;
use super::scorer::Scorer;
use crate::lang::types::UnitKind;
use crate::model::{Checkpoint, Linear, widen};
use crate::stats::Statistics;

/// Passes the scores of every linear, `[rows, columns]`, to `each`, in the model's order.
///
/// With these scores [`prune`](super::prune()) chooses weights under dense propagation. A metric's reductions
/// reduce `unit`.
///
/// # Errors
/// When the method needs a missing statistic, a score is not a number, or `each` returns an error.
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
    let backend = checkpoint.engine().backend(&[]);
    let scorer = Scorer::new(method, &data, &*backend, unit, target, "the model")?;
    for (index, linear) in checkpoint.linears().iter().enumerate() {
        let weight = checkpoint.weight(linear).map_err(PruneError::from)?;
        let moments = || {
            let found = statistics.and_then(|it| it.linears.get(&linear.module)?.second_moment.as_deref());
            let missing = || PruneError::NeedsActivations { method: method.kind() };
            found.map(Cow::Borrowed).ok_or_else(missing)
        };
        each(index, scorer.scores(linear, index, || widen(&weight), moments)?)?;
    }
    Ok(())
}

/// Returns the dense scores of a linear's weights, f32 `[rows, columns]`, on the device of the stored
/// weights. Returns `None` if the device does not compute them, so that [`dense_scores`] has to: for metrics,
/// and for inputs whose norms are not finite.
///
/// # Errors
/// When the method needs a missing statistic, or a tensor operation fails.
pub fn dense_scores_on_device(
    linear: &Linear,
    weight: &Tensor,
    statistics: Option<&Statistics>,
    method: &Method,
) -> Result<Option<Tensor>, PruneError> {
    let Scoring::Formula(formula) = method.scoring() else { return Ok(None) };
    let moments = statistics.and_then(|it| it.linears.get(&linear.module)?.second_moment.as_deref());
    if moments.is_some_and(|moments| moments.iter().any(|it| !it.is_finite())) {
        return Ok(None);
    }
    let missing = || PruneError::NeedsActivations { method: method.kind() };
    on_device::scores(formula, weight, || moments.map(Cow::Borrowed).ok_or_else(missing)).map(Some)
}
