//! Observes a linear during a backward pass.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;

/// What a backward pass found at a linear.
#[derive(Clone, Debug)]
pub struct Tapped {
    /// The linear's input, `[samples, length, columns]`.
    pub input: Tensor,
    /// The gradient with respect to its output, `[samples, length, rows]`.
    pub gradient: Tensor,
}

/// Keeps what the next backward pass finds at a linear.
///
/// The gradient with respect to the weight is the product of both tensors. Whoever needs only a part of it,
/// or needs it for each sample, can compute that without candle's store, which copies each gradient.
#[derive(Clone, Debug, Default)]
pub struct GradientTap(Arc<Mutex<Option<Tapped>>>);

impl GradientTap {
    /// Stores what a backward pass found.
    pub(super) fn keep(&self, input: &Tensor, gradient: &Tensor) {
        let found = Tapped { input: input.detach(), gradient: gradient.detach() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }

    /// Returns what the last backward pass found, once; `None` if the output had no influence on the loss.
    pub fn take(&self) -> Option<Tapped> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
