//! Losses of logits that are not finite: infinite, never NaN, and refused where a single number is asked for.

use crate::model::ModelError;

/// Returns a computed divergence as one: at least 0, where rounding made it slightly negative, and infinite
/// where it is NaN, because the logits are not finite. NaN would pass comparisons, and `max` would make it 0.
pub(super) fn as_divergence(computed: f64) -> f64 {
    as_loss(computed).max(0.0)
}

/// Returns a computed loss, infinite where it is NaN.
pub(super) fn as_loss(computed: f64) -> f64 {
    if computed.is_nan() { f64::INFINITY } else { computed }
}

/// Refuses the losses of windows if one is not finite; `what` is the loss's name.
///
/// # Errors
/// With the first such window.
pub(super) fn check_finite(what: &'static str, losses: &[f64]) -> Result<(), ModelError> {
    match losses.iter().position(|loss| !loss.is_finite()) {
        Some(window) => Err(ModelError::NoLoss { what, window: window + 1, windows: losses.len() }),
        None => Ok(()),
    }
}
