//! Compares gradients with those of candle's backward pass, in tests.

use candle_core::{Device, Result, Tensor, Var};

/// Returns normally distributed numbers.
pub(crate) fn random(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu).expect("numbers")
}

/// Returns candle's gradients of a function of several variables, given the gradient of its result.
pub(crate) fn gradients(
    variables: &[&Var],
    gradient: &Tensor,
    function: impl FnOnce() -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let store = (function()? * gradient)?.sum_all()?.backward()?;
    variables.iter().map(|it| store.get(it).cloned().map_or_else(|| it.zeros_like(), Ok)).collect()
}

/// Checks that two tensors agree to 2e-5 of the largest wanted number.
pub(crate) fn close(found: &Tensor, wanted: &Tensor, what: &str) {
    assert_eq!(found.dims(), wanted.dims(), "{what}");
    let apart = |of: Tensor| of.abs().and_then(|it| it.flatten_all()?.max(0)?.to_scalar::<f32>());
    let (apart, size) = ((found - wanted).and_then(apart), apart(wanted.clone()));
    let (apart, size) = (apart.expect("a number"), size.expect("a number"));
    assert!(size > 0.0 && apart <= 2e-5 * size, "{what}: {apart} of {size}");
}
