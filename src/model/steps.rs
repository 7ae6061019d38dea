//! The steps between a decoder's products, each where it runs best: in a GPU's kernel, in place on a processor, or by candle's
//! operations, which alone have gradients.

use candle_core::{Result, Tensor};

use super::activation::Activation;
use super::attention::Attention;
use super::error::ModelError;
use super::in_place;
use crate::device::layers::{self, AttentionRules, Joint};
use crate::device::{Engine, Launcher};

/// Returns what runs kernels on these tensors: they lie on the engine's device, and nobody wants a gradient.
fn kernels_for<'a>(engine: &'a Engine, tensors: &[&Tensor]) -> Option<&'a dyn Launcher> {
    let on_engine = |tensor: &&Tensor| tensor.device().is_cpu() == engine.device().is_cpu();
    engine.kernels().filter(|_| tensors.iter().all(|it| !it.track_op() && on_engine(it)))
}

/// Returns the sum of a fresh tensor, which may be overwritten, and another of its shape.
pub(super) fn add(engine: &Engine, fresh: Tensor, other: &Tensor) -> std::result::Result<Tensor, ModelError> {
    if let Some(gpu) = kernels_for(engine, &[&fresh, other])
        && let Some(sum) = layers::joined(gpu, Joint::Sum, &fresh.contiguous()?, &other.contiguous()?)?
    {
        return Ok(sum);
    }
    Ok(in_place::add(fresh, other)?)
}

/// Returns the activation of `gate`, which may be overwritten, times `up`.
pub(super) fn gated(
    engine: &Engine,
    activation: Activation,
    gate: Tensor,
    up: &Tensor,
) -> std::result::Result<Tensor, ModelError> {
    let joint = match activation {
        Activation::Silu => Joint::Silu,
        Activation::Gelu => Joint::Gelu,
        Activation::GeluTanh => Joint::GeluTanh,
        Activation::Relu => Joint::Relu,
    };
    if let Some(gpu) = kernels_for(engine, &[&gate, up])
        && let Some(gated) = layers::joined(gpu, joint, &gate.contiguous()?, &up.contiguous()?)?
    {
        return Ok(gated);
    }
    Ok(in_place::gated(activation, gate, up)?)
}

/// Returns the root-mean-square norm of a tensor's last dimension, or `otherwise` where no kernel computes it.
pub(super) fn root_mean_square(
    engine: &Engine,
    input: &Tensor,
    weight: &Tensor,
    epsilon: f32,
    otherwise: impl FnOnce() -> Result<Tensor>,
) -> std::result::Result<Tensor, ModelError> {
    if let Some(gpu) = kernels_for(engine, &[input, weight])
        && let Some(norm) = layers::root_mean_square(gpu, &input.contiguous()?, weight, epsilon)?
    {
        return Ok(norm);
    }
    Ok(otherwise()?)
}

/// Returns heads `[samples, length, heads, head_size]` rotated by angles `[length, pairs]`, or `otherwise` where no kernel does it.
pub(super) fn rotated(
    engine: &Engine,
    input: &Tensor,
    (cosines, sines): (&Tensor, &Tensor),
    otherwise: impl FnOnce() -> Result<Tensor>,
) -> std::result::Result<Tensor, ModelError> {
    if let Some(gpu) = kernels_for(engine, &[input, cosines, sines])
        && let Some(rotated) = layers::rotated(gpu, &input.contiguous()?, cosines, sines)?
    {
        return Ok(rotated);
    }
    Ok(otherwise()?)
}

/// Returns the attention of queries over keys and values, as [`Attention::run`].
pub(super) fn attended(
    engine: &Engine,
    attention: &Attention,
    [queries, keys, values]: [&Tensor; 3],
) -> std::result::Result<Tensor, ModelError> {
    let rules = AttentionRules {
        scale: attention.scale as f32,
        softcap: attention.softcap.map(|cap| cap as f32),
        window: attention.window,
    };
    if let Some(gpu) = kernels_for(engine, &[queries, keys, values]) {
        let parts = [queries.contiguous()?, keys.contiguous()?, values.contiguous()?];
        if let Some(mixed) = layers::attention(gpu, parts.each_ref(), rules)? {
            return Ok(mixed);
        }
    }
    Ok(attention.run(queries, keys, values)?)
}
