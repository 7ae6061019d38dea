//! The way back through what stands between a decoder's matrix products on a GPU.
//!
//! As in [`layers`](super::layers), a function returns `None` where there is no kernel for what it is handed.

use std::sync::OnceLock;

use candle_core::{DType, Tensor};

use super::error::EngineError;
use super::launcher::{Argument, Code, Launcher, Out, THREADS, failed, launch};
use super::layers::{AttentionRules, Joint};
use super::source;

/// Numbers that a thread takes at a time.
const VECTOR: usize = 8;

/// Returns the kernels for numbers of a type, or `None` where there are none.
fn slopes(dtype: DType) -> Option<&'static Code> {
    static SINGLES: OnceLock<Code> = OnceLock::new();
    static BRAIN_FLOATS: OnceLock<Code> = OnceLock::new();
    match dtype {
        DType::F32 => Some(SINGLES.get_or_init(|| Code::new(source::slopes("F32")))),
        DType::BF16 => Some(BRAIN_FLOATS.get_or_init(|| Code::new(source::slopes("BF16")))),
        _ => None,
    }
}

/// Runs a kernel, and returns the tensors of one type and shape that it writes.
fn made<const N: usize>(
    gpu: &dyn Launcher,
    (code, kernel): (&Code, &'static str),
    blocks: usize,
    arguments: &[Argument<'_>],
    like: &Tensor,
) -> Result<[Tensor; N], EngineError> {
    let outs = [Out::whole(like.dtype(), like.elem_count()); N];
    let written = launch(gpu, code, kernel, blocks as u64, arguments, &outs)?;
    let shaped: Result<Vec<Tensor>, _> = written.into_iter().map(|it| it.reshape(like.shape())).collect();
    shaped?.try_into().map_err(|_| failed(kernel))
}

/// Returns the gradients with respect to queries `[samples, length, heads, size]`, and to keys and values
/// `[samples, length, key_heads, size]`, of causal attention, from the gradient with respect to its result
/// `[samples, length, heads * size]`.
///
/// The shares are computed again from the queries and keys, and held for all heads at once: `[samples, heads, length, length]`, three times.
///
/// # Errors
/// When a kernel or a product cannot be run.
pub fn attention(
    gpu: &dyn Launcher,
    [queries, keys, values]: [&Tensor; 3],
    gradient: &Tensor,
    rules: AttentionRules,
) -> Result<Option<[Tensor; 3]>, EngineError> {
    let (samples, length, heads, size) = queries.dims4()?;
    let key_heads = keys.dim(2)?;
    let (Some(code), None) = (slopes(queries.dtype()), rules.softcap) else { return Ok(None) };
    // Heads that share keys follow one another, so that they are rows of one product.
    let rows = heads / key_heads.max(1) * length;
    let by_head = |tensor: &Tensor, heads: usize| {
        let tensor = tensor.reshape((samples, length, heads, size))?.transpose(1, 2)?.contiguous()?;
        tensor.reshape((samples, key_heads, heads / key_heads.max(1) * length, size))
    };
    let [queries, gradient] = [by_head(queries, heads)?, by_head(gradient, heads)?];
    let [keys, values] = [by_head(keys, key_heads)?, by_head(values, key_heads)?];
    let across = |a: &Tensor, b: &Tensor| a.matmul(&b.transpose(2, 3)?);
    let down = |a: &Tensor, b: &Tensor| a.transpose(2, 3)?.matmul(b);
    let (blocks, scale) = (samples * key_heads * rows, Argument::single(rules.scale));
    let scores = across(&queries, &keys)?;
    let window = rules.window.filter(|window| *window < length).unwrap_or(0) as u32;
    let arguments = [
        Argument::Tensor(&scores),
        Argument::U32(length as u32),
        Argument::U32(window),
        scale,
        Argument::Out(0),
    ];
    let [shares] = made(gpu, (code, "shares"), blocks, &arguments, &scores)?;
    drop(scores);
    let of_values = down(&shares, &gradient)?;
    let of_shares = across(&gradient, &values)?;
    let arguments = [
        Argument::Tensor(&shares),
        Argument::Tensor(&of_shares),
        Argument::U32(length as u32),
        scale,
        Argument::Out(0),
    ];
    let [of_scores] = made(gpu, (code, "shares_back"), blocks, &arguments, &shares)?;
    drop((shares, of_shares));
    let by_token = |tensor: Tensor, heads: usize| {
        tensor.reshape((samples, heads, length, size))?.transpose(1, 2)?.contiguous()
    };
    Ok(Some([
        by_token(of_scores.matmul(&keys)?, heads)?,
        by_token(down(&of_scores, &queries)?, key_heads)?,
        by_token(of_values, key_heads)?,
    ]))
}

/// Returns the gradient with respect to what a root-mean-square norm of the last dimension reads; all are contiguous.
///
/// # Errors
/// When a kernel cannot be run.
pub fn root_mean_square(
    gpu: &dyn Launcher,
    [input, weight, gradient]: [&Tensor; 3],
    epsilon: f32,
) -> Result<Option<Tensor>, EngineError> {
    let columns = weight.elem_count();
    let rows = input.elem_count().checked_div(columns).unwrap_or(0);
    let alike = input.dtype() == weight.dtype()
        && input.dtype() == gradient.dtype()
        && input.shape() == gradient.shape();
    let fits = columns.is_multiple_of(VECTOR) && u32::try_from(rows).is_ok() && rows > 0;
    let (Some(code), true) = (slopes(input.dtype()), alike && fits) else { return Ok(None) };
    let arguments = [
        Argument::Tensor(input),
        Argument::Tensor(weight),
        Argument::Tensor(gradient),
        Argument::U32(rows as u32),
        Argument::U32(columns as u32),
        Argument::single(epsilon),
        Argument::Out(0),
    ];
    let blocks = (rows * 32).div_ceil(THREADS as usize);
    let [back] = made(gpu, (code, "root_mean_square_back"), blocks, &arguments, input)?;
    Ok(Some(back))
}

/// Returns the gradients with respect to a gate and what it multiplies, all contiguous and of one shape.
///
/// # Errors
/// When a kernel cannot be run.
pub fn gated(
    gpu: &dyn Launcher,
    joint: Joint,
    [gate, up, gradient]: [&Tensor; 3],
) -> Result<Option<[Tensor; 2]>, EngineError> {
    let kernel = match joint {
        Joint::Sum => return Ok(None),
        Joint::Silu => "gated_silu_back",
        Joint::GeluTanh => "gated_gelu_tanh_back",
        Joint::Gelu => "gated_gelu_back",
        Joint::Relu => "gated_relu_back",
    };
    let alike = [up, gradient].iter().all(|it| it.shape() == gate.shape() && it.dtype() == gate.dtype());
    let count = gate.elem_count();
    let (Some(code), true) = (slopes(gate.dtype()), alike && count > 0) else { return Ok(None) };
    let arguments = [
        Argument::Tensor(gate),
        Argument::Tensor(up),
        Argument::Tensor(gradient),
        Argument::U64(count as u64),
        Argument::Out(0),
        Argument::Out(1),
    ];
    let blocks = count.div_ceil(VECTOR * THREADS as usize);
    made(gpu, (code, kernel), blocks, &arguments, gate).map(Some)
}
