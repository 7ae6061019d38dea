//! The backward pass through the operations between a decoder's matrix products on a GPU.
//!
//! As in [`layers`](super::layers), a function returns `None` if no kernel supports its arguments.

use candle_core::{DType, Tensor};

use super::error::EngineError;
use super::launcher::{Argument, Code, Launcher, Out, THREADS, Typed, failed, launch};
use super::layers::{AttentionRules, Joint};
use super::source;

/// Number of values that a thread handles at a time.
const VECTOR: usize = 8;

/// The backward kernels.
static SLOPES: Typed = Typed::new(source::slopes);

/// Runs a kernel, and returns the tensors of the given type and shape that it writes.
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

/// Number of queries whose scores are held at a time: later queries see more keys, and scores are held only
/// for keys that one of the queries sees.
const QUERIES: usize = 256;

/// Returns the gradients of causal attention with respect to queries `[samples, length, heads, size]` and to
/// keys and values `[samples, length, key_heads, size]`, given the gradient with respect to its result
/// `[samples, length, heads * size]`.
///
/// The shares are recomputed from the queries and keys, for one piece of the queries at a time.
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
    let (Some(code), None, true) = (SLOPES.of(queries.dtype()), rules.softcap, key_heads > 0) else {
        return Ok(None);
    };
    // Heads that share keys are adjacent at each position, so that a piece of queries forms the rows of one
    // product.
    let shared = heads / key_heads;
    let by_head = |tensor: &Tensor, shared: usize| {
        let tensor =
            tensor.reshape((samples, length, key_heads, shared * size))?.transpose(1, 2)?.contiguous()?;
        tensor.reshape((samples, key_heads, length * shared, size))
    };
    let [queries, gradient] = [by_head(queries, shared)?, by_head(gradient, shared)?];
    let [keys, values] = [by_head(keys, 1)?, by_head(values, 1)?];
    let across = |a: &Tensor, b: &Tensor| a.matmul(&b.transpose(2, 3)?);
    let down = |a: &Tensor, b: &Tensor| a.transpose(2, 3)?.matmul(b);
    let (mut of_queries, mut of_keys, mut of_values) = (Vec::new(), None, None);
    // From the last queries to the first, so that the first sums cover all keys.
    for from in (0..length).step_by(QUERIES).rev() {
        let end = length.min(from + QUERIES);
        let rows = |tensor: &Tensor| tensor.narrow(2, from * shared, (end - from) * shared)?.contiguous();
        let seen = |tensor: &Tensor| tensor.narrow(2, 0, end)?.contiguous();
        let (own, above, near) = (rows(&queries)?, rows(&gradient)?, seen(&keys)?);
        let scores = across(&own, &near)?;
        let blocks = samples * key_heads * (end - from) * shared;
        let places = [end, end - from, shared, from].map(|it| Argument::U32(it as u32));
        let window = rules.window.filter(|window| *window < length).unwrap_or(0) as u32;
        let arguments = [
            &[Argument::Tensor(&scores)],
            &places[..],
            &[Argument::U32(window), Argument::single(rules.scale), Argument::Out(0)],
        ];
        let [shares] = made(gpu, (code, "shares"), blocks, &arguments.concat(), &scores)?;
        of_values = Some(beside(of_values, down(&shares, &above)?, end)?);
        let of_shares = across(&above, &seen(&values)?)?;
        let arguments = [
            &[Argument::Tensor(&shares), Argument::Tensor(&of_shares)],
            &places[..],
            &[Argument::single(rules.scale), Argument::Out(0)],
        ];
        let [of_scores] = made(gpu, (code, "shares_back"), blocks, &arguments.concat(), &scores)?;
        of_keys = Some(beside(of_keys, down(&of_scores, &own)?, end)?);
        of_queries.push(of_scores.matmul(&near)?);
    }
    of_queries.reverse();
    let by_token = |tensor: Tensor, shared: usize| {
        let tensor =
            tensor.reshape((samples, key_heads, length, shared * size))?.transpose(1, 2)?.contiguous()?;
        tensor.reshape((samples, length, key_heads * shared, size))
    };
    let (Some(of_keys), Some(of_values)) = (of_keys, of_values) else { return Ok(None) };
    let of_queries = Tensor::cat(&of_queries, 2)?;
    Ok(Some([by_token(of_queries, shared)?, by_token(of_keys, 1)?, by_token(of_values, 1)?]))
}

/// Adds sums over the first `count` keys, `[samples, heads, count, size]`, to those over all keys.
fn beside(all: Option<Tensor>, first: Tensor, count: usize) -> candle_core::Result<Tensor> {
    let Some(all) = all else { return Ok(first) };
    let rest = all.dim(2)? - count;
    let sum = (all.narrow(2, 0, count)? + first)?;
    if rest == 0 { Ok(sum) } else { Tensor::cat(&[&sum, &all.narrow(2, count, rest)?], 2) }
}

/// Returns how far a model's probabilities exceed a dense model's, times a factor, f32
/// `[positions, vocabulary]`, from contiguous logits `[positions, vocabulary]` before their cap. Without a
/// dense model, the reference is 1 at the target and 0 elsewhere.
///
/// # Errors
/// When a kernel cannot be run.
pub fn excess(
    gpu: &dyn Launcher,
    (logits, dense): (&Tensor, Option<&Tensor>),
    softcap: Option<f64>,
    targets: &[u32],
    factor: f32,
) -> Result<Option<Tensor>, EngineError> {
    let (positions, vocabulary) = logits.dims2()?;
    let alike = dense.is_none_or(|it| it.shape() == logits.shape() && it.dtype() == logits.dtype());
    let fits = alike && positions > 0 && targets.len() == positions;
    let (Some(code), true) = (SLOPES.of(logits.dtype()), fits) else { return Ok(None) };
    let targets = Tensor::new(targets, logits.device())?;
    let arguments = [
        Argument::Tensor(logits),
        Argument::Tensor(dense.unwrap_or(logits)),
        Argument::Tensor(&targets),
        Argument::U32(vocabulary as u32),
        Argument::single(softcap.unwrap_or(0.0) as f32),
        Argument::U32(u32::from(dense.is_some())),
        Argument::single(factor),
        Argument::Out(0),
    ];
    let out = Out::whole(DType::F32, positions * vocabulary);
    let written = launch(gpu, code, "excess", positions as u64, &arguments, &[out])?.pop();
    Ok(Some(written.ok_or_else(|| failed("excess"))?.reshape((positions, vocabulary))?))
}

/// Returns the gradient with respect to the input of a root-mean-square norm over the last dimension; all
/// tensors are contiguous.
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
    let (Some(code), true) = (SLOPES.of(input.dtype()), alike && fits) else { return Ok(None) };
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

/// Returns the gradients with respect to a gate and its other factor, all contiguous and of the same shape.
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
    let (Some(code), true) = (SLOPES.of(gate.dtype()), alike && count > 0) else { return Ok(None) };
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
