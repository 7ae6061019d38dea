//! The operations of a decoder, each where it runs best: in a GPU kernel, in place on the CPU, or with
//! candle's operations. A kernel supports gradients if a matching backward kernel exists.

use candle_core::{DType, Result, Tensor};
use candle_nn::ops;

use super::activation::Activation;
use super::attention::Attention;
use super::error::ModelError;
use super::gradient_tap::GradientTap;
use super::{in_place, known, slopes as on_cpu};
use crate::device::layers::{self, AttentionRules, Joint};
use crate::device::{Engine, EngineError, Launcher, slopes};

/// Returns the launcher of forward-only kernels for these tensors, if they lie on the engine's device and
/// none tracks gradients.
fn kernels_for<'a>(engine: &'a Engine, tensors: &[&Tensor]) -> Option<&'a dyn Launcher> {
    let on_engine = |tensor: &&Tensor| tensor.device().is_cpu() == engine.device().is_cpu();
    engine.kernels().filter(|_| tensors.iter().all(|it| !it.track_op() && on_engine(it)))
}

/// Returns the launcher of forward and backward kernels for these tensors, if they lie on the engine's device
/// and one tracks gradients.
fn kernels_back<'a>(engine: &'a Engine, tensors: &[&Tensor]) -> Option<&'a dyn Launcher> {
    let on_engine = |tensor: &&Tensor| tensor.device().is_cpu() == engine.device().is_cpu();
    let tracked = tensors.iter().any(|it| it.track_op());
    engine.kernels().filter(|_| tracked && tensors.iter().all(on_engine))
}

/// Returns whether these tensors lie on the CPU and one tracks gradients.
fn on_processor(tensors: &[&Tensor]) -> bool {
    let single = |it: &&Tensor| it.device().is_cpu() && it.dtype() == DType::F32;
    tensors.iter().any(|it| it.track_op()) && tensors.iter().all(single)
}

/// Returns the result of a backward kernel, which must exist for each forward one that tracks gradients.
fn gone_back<T>(found: std::result::Result<Option<T>, EngineError>) -> Result<T> {
    let missing = || candle_core::Error::Msg("there is no backward kernel".to_owned());
    found.map_err(candle_core::Error::wrap)?.ok_or_else(missing)
}

/// Returns the launcher of backward kernels.
fn launcher(engine: &Engine) -> Result<&dyn Launcher> {
    engine.kernels().ok_or_else(|| candle_core::Error::Msg("the engine has no kernels".to_owned()))
}

/// Returns inputs `[samples, length, columns]` times the transpose of a weight `[rows, columns]`, with a bias
/// `[rows]`. The backward pass fills the tap.
///
/// candle would compute the gradient of the transposed weight, and transpose it.
pub(super) fn linear(
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    tap: Option<&GradientTap>,
) -> Result<Tensor> {
    let (samples, length, columns) = input.dims3()?;
    let output = input.detach().reshape((samples * length, columns))?.matmul(&weight.detach().t()?)?;
    let output = output.reshape((samples, length, weight.dim(0)?))?;
    let output = match bias {
        Some(bias) => output.broadcast_add(bias)?,
        None => output,
    };
    if !input.track_op() && !weight.track_op() {
        return Ok(output);
    }
    let (wanted, tap) = ([input.track_op(), weight.track_op()], tap.cloned());
    known::of_two([input, weight], output, move |[input, weight], gradient| {
        let gradient = gradient.contiguous()?;
        if let Some(tap) = &tap {
            tap.keep(input, &gradient);
        }
        let flat = gradient.reshape((samples * length, gradient.dim(2)?))?;
        let of_input = || flat.matmul(weight)?.reshape(input.shape());
        let of_weight = || flat.t()?.matmul(&input.reshape((samples * length, columns))?);
        Ok([wanted[0].then(of_input).transpose()?, wanted[1].then(of_weight).transpose()?])
    })
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
    if let Some(gpu) = kernels_back(engine, &[&gate, up])
        && let Some(gated) =
            layers::joined(gpu, joint, &gate.detach().contiguous()?, &up.detach().contiguous()?)?
    {
        let engine = engine.clone();
        return Ok(known::of_two([&gate, up], gated, move |[gate, up], gradient| {
            let parts = [&gate.contiguous()?, &up.contiguous()?, &gradient.contiguous()?];
            Ok(gone_back(slopes::gated(launcher(&engine)?, joint, parts))?.map(Some))
        })?);
    }
    if on_processor(&[&gate, up]) {
        // The result overwrites a copy, because the backward pass needs the gate.
        let (fresh, other) = (gate.detach().contiguous()?.copy()?, up.detach().contiguous()?);
        let gated = in_place::gated(activation, fresh, &other)?;
        return Ok(known::of_two([&gate, up], gated, move |[gate, up], gradient| {
            Ok(on_cpu::gated(activation, gate, up, gradient)?.map(Some))
        })?);
    }
    Ok(in_place::gated(activation, gate, up)?)
}

/// Returns the root-mean-square norm over a tensor's last dimension, or `otherwise` if no kernel computes it.
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
    if let Some(gpu) = kernels_back(engine, &[input, weight])
        && let Some(norm) = layers::root_mean_square(gpu, &input.detach().contiguous()?, weight, epsilon)?
    {
        let (engine, weight) = (engine.clone(), weight.clone());
        return Ok(known::of_one(input, norm, move |input, gradient| {
            let parts = [&input.contiguous()?, &weight, &gradient.contiguous()?];
            gone_back(slopes::root_mean_square(launcher(&engine)?, parts, epsilon))
        })?);
    }
    if on_processor(&[input]) {
        let norm = ops::rms_norm(&input.detach().contiguous()?, weight, epsilon)?;
        let weight = weight.clone();
        return Ok(known::of_one(input, norm, move |input, gradient| {
            on_cpu::root_mean_square(input, &weight, gradient, epsilon)
        })?);
    }
    Ok(otherwise()?)
}

/// Returns heads `[samples, length, heads, head_size]` rotated by angles `[length, pairs]`; `otherwise` does
/// it where no kernel does.
pub(super) fn rotated(
    engine: &Engine,
    input: &Tensor,
    (cosines, sines): (&Tensor, &Tensor),
    otherwise: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> std::result::Result<Tensor, ModelError> {
    if let Some(gpu) = kernels_for(engine, &[input, cosines, sines])
        && let Some(rotated) = layers::rotated(gpu, &input.contiguous()?, cosines, sines)?
    {
        return Ok(rotated);
    }
    if let Some(gpu) = kernels_back(engine, &[input])
        && let Some(rotated) = layers::rotated(gpu, &input.detach().contiguous()?, cosines, sines)?
    {
        // The backward pass of a rotation rotates by the opposite angles.
        let (engine, cosines, sines) = (engine.clone(), cosines.clone(), sines.neg()?);
        return Ok(known::of_one(input, rotated, move |_, gradient| {
            gone_back(layers::rotated(launcher(&engine)?, &gradient.contiguous()?, &cosines, &sines))
        })?);
    }
    if on_processor(&[input]) {
        let rotated = otherwise(&input.detach(), cosines, sines)?;
        let (cosines, sines) = (cosines.clone(), sines.neg()?);
        return Ok(known::of_one(input, rotated, move |_, gradient| otherwise(gradient, &cosines, &sines))?);
    }
    Ok(otherwise(input, cosines, sines)?)
}

/// Returns the attention of queries over keys and values, as [`Attention::run`]; a GPU kernel computes it for
/// whole sequences.
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
    let whole = queries.dim(1)? == keys.dim(1)?;
    if let Some(gpu) = kernels_for(engine, &[queries, keys, values]).filter(|_| whole) {
        let parts = [queries.contiguous()?, keys.contiguous()?, values.contiguous()?];
        if let Some(mixed) = layers::attention(gpu, parts.each_ref(), rules)? {
            return Ok(mixed);
        }
    }
    // The kernel has no gradient for capped scores.
    let goes_back = whole && rules.softcap.is_none();
    if let Some(gpu) = kernels_back(engine, &[queries, keys, values]).filter(|_| goes_back) {
        let parts = [queries, keys, values].map(|it| it.detach().contiguous());
        let [own, of_keys, of_values] = parts;
        let parts = [own?, of_keys?, of_values?];
        if let Some(mixed) = layers::attention(gpu, parts.each_ref(), rules)? {
            let engine = engine.clone();
            return Ok(known::of_three([queries, keys, values], mixed, move |parts, gradient| {
                gone_back(slopes::attention(launcher(&engine)?, parts, gradient, rules))
            })?);
        }
    }
    if whole && on_processor(&[queries, keys, values]) {
        let [own, near_keys, near_values] = [queries, keys, values].map(Tensor::detach);
        let mixed = attention.run(&own, &near_keys, &near_values)?;
        let attention = *attention;
        return Ok(known::of_three([queries, keys, values], mixed, move |parts, gradient| {
            on_cpu::attention(&attention, parts, gradient)
        })?);
    }
    Ok(attention.run(queries, keys, values)?)
}
