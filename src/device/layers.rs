//! The operations between a decoder's matrix products on a GPU: attention, gates, norms, rotations, masked
//! weights and losses, each in one pass over memory.
//!
//! A function returns `None` if no kernel supports its arguments' type or width; the caller then uses tensor
//! operations.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Tensor};

use super::error::EngineError;
use super::launcher::{Argument, Code, Launch, Launcher, Out, THREADS, Typed, failed, launch_for_one};
use super::source;

/// Number of values that a thread handles at a time.
const VECTOR: usize = 8;
/// The largest head for which the queries and keys of a tile fit into shared memory.
const WIDEST_HEAD: usize = 256;

/// The rules of one block's attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionRules {
    /// The factor that multiplies scores.
    pub scale: f32,
    /// The cap c of c * tanh(score / c).
    pub softcap: Option<f32>,
    /// Number of tokens that a query attends to, itself included.
    pub window: Option<usize>,
}

/// An elementwise function of two tensors of the same shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// The sum.
    Sum,
    /// SiLU of the first times the second.
    Silu,
    /// GELU of the first, by its tanh approximation, times the second.
    GeluTanh,
    /// GELU of the first times the second.
    Gelu,
    /// ReLU of the first times the second.
    Relu,
}

impl Joint {
    const fn kernel(self) -> &'static str {
        match self {
            Self::Sum => "add",
            Self::Silu => "gated_silu",
            Self::GeluTanh => "gated_gelu_tanh",
            Self::Gelu => "gated_gelu",
            Self::Relu => "gated_relu",
        }
    }
}

/// Which ranks are below the bound, so that their weights are pruned.
#[derive(Clone, Copy, Debug)]
pub enum Bound<'a> {
    /// A number of weights in each row, u32 `[rows]`.
    OfEach {
        /// The numbers, on the device.
        pruned: &'a Tensor,
    },
    /// A number of weights of the whole linear, spread over its rows as evenly as whole numbers allow.
    OfRows {
        /// The number.
        pruned: u64,
    },
    /// A number of weights of the whole linear, by their ranks in the whole matrix.
    OfAll {
        /// The number.
        pruned: u64,
    },
    /// A number of weights in every group of columns.
    OfGroups {
        /// Number of columns in a group.
        width: usize,
        /// Number of weights in a group.
        count: usize,
        /// Number of weights in a narrower last group.
        last: usize,
    },
}

/// The kernels of layers.
static LAYERS: Typed = Typed::new(source::layers);

/// Returns the kernels of attention for heads of a size.
fn attentions(head: usize) -> Code {
    static CODES: Mutex<BTreeMap<usize, Code>> = Mutex::new(BTreeMap::new());
    let mut codes = CODES.lock().unwrap_or_else(PoisonError::into_inner);
    codes.entry(head).or_insert_with(|| Code::new(source::attention(head))).clone()
}

fn blocks(threads: usize) -> Option<u32> {
    u32::try_from(threads.div_ceil(THREADS as usize)).ok().filter(|blocks| *blocks > 0)
}

/// Runs a kernel without dynamic shared memory, and returns the single tensor of the given type and shape
/// that it writes.
fn made(
    gpu: &dyn Launcher,
    code: &Code,
    kernel: &'static str,
    blocks: u32,
    arguments: &[Argument<'_>],
    (dtype, shape): (DType, &[usize]),
) -> Result<Tensor, EngineError> {
    let launch = Launch { blocks, shared: 0, arguments };
    let out = launch_for_one(gpu, code, kernel, launch, Out::whole(dtype, shape.iter().product()))?;
    Ok(out.reshape(shape)?)
}

/// Returns the causal attention of queries `[samples, length, heads, size]` over keys and values `[samples, length, key_heads, size]`,
/// all contiguous, as `[samples, length, heads * size]`.
///
/// # Errors
/// When a kernel cannot be run.
pub fn attention(
    gpu: &dyn Launcher,
    [queries, keys, values]: [&Tensor; 3],
    rules: AttentionRules,
) -> Result<Option<Tensor>, EngineError> {
    let (samples, length, heads, size) = queries.dims4()?;
    let key_heads = keys.dim(2)?;
    let (kernel, tile, shared) = match queries.dtype() {
        DType::BF16 if size % 16 == 0 => {
            let keys = if size > 128 { 32 } else { 64 };
            ("attention_bf16", 128, (128 + 4 * keys) * (size + 8) * 2)
        }
        DType::F32 => {
            let line = size.next_multiple_of(4) + 4;
            ("attention_f32", 64, (3 * 64 * line + 64 * 68) * 4)
        }
        _ => return Ok(None),
    };
    let blocks = u32::try_from(samples * heads * length.div_ceil(tile));
    let room = size <= WIDEST_HEAD && shared <= gpu.shared_memory();
    let fits = room && key_heads > 0 && heads % key_heads == 0 && u32::try_from(length).is_ok();
    let (true, Ok(blocks), false) = (fits, blocks, samples * heads * length == 0) else { return Ok(None) };
    let arguments = [
        Argument::Tensor(queries),
        Argument::Tensor(keys),
        Argument::Tensor(values),
        Argument::U32(length as u32),
        Argument::U32(heads as u32),
        Argument::U32(key_heads as u32),
        // A window at least as long as the sequence has no effect.
        Argument::U32(rules.window.filter(|window| *window < length).unwrap_or(0) as u32),
        Argument::single(rules.scale),
        Argument::single(rules.softcap.unwrap_or(0.0)),
        Argument::Out(0),
    ];
    let launch = Launch { blocks, shared: shared as u32, arguments: &arguments };
    let out = Out::whole(queries.dtype(), samples * length * heads * size);
    let mixed = launch_for_one(gpu, &attentions(size), kernel, launch, out)?;
    Ok(Some(mixed.reshape((samples, length, heads * size))?))
}

/// Returns an elementwise function of two contiguous tensors of the same shape.
///
/// # Errors
/// When a kernel cannot be run.
pub fn joined(
    gpu: &dyn Launcher,
    joint: Joint,
    first: &Tensor,
    second: &Tensor,
) -> Result<Option<Tensor>, EngineError> {
    let count = first.elem_count();
    let alike = first.shape() == second.shape() && first.dtype() == second.dtype();
    let (Some(code), Some(blocks), true) = (LAYERS.of(first.dtype()), blocks(count.div_ceil(VECTOR)), alike)
    else {
        return Ok(None);
    };
    let arguments =
        [Argument::Tensor(first), Argument::Tensor(second), Argument::U64(count as u64), Argument::Out(0)];
    made(gpu, code, joint.kernel(), blocks, &arguments, (first.dtype(), first.dims())).map(Some)
}

/// Returns the root-mean-square norm of the last dimension of a contiguous tensor.
///
/// # Errors
/// When a kernel cannot be run.
pub fn root_mean_square(
    gpu: &dyn Launcher,
    input: &Tensor,
    weight: &Tensor,
    epsilon: f32,
) -> Result<Option<Tensor>, EngineError> {
    let columns = weight.elem_count();
    let rows = input.elem_count().checked_div(columns).unwrap_or(0);
    let fits =
        columns.is_multiple_of(VECTOR) && input.dtype() == weight.dtype() && u32::try_from(rows).is_ok();
    let (Some(code), Some(blocks), true) = (LAYERS.of(input.dtype()), blocks(rows * 32), fits) else {
        return Ok(None);
    };
    let arguments = [
        Argument::Tensor(input),
        Argument::Tensor(weight),
        Argument::U32(rows as u32),
        Argument::U32(columns as u32),
        Argument::single(epsilon),
        Argument::Out(0),
    ];
    made(gpu, code, "root_mean_square", blocks, &arguments, (input.dtype(), input.dims())).map(Some)
}

/// Returns contiguous heads `[samples, length, heads, size]` with their first channels rotated by angles `[length, pairs]`.
///
/// # Errors
/// When a kernel cannot be run.
pub fn rotated(
    gpu: &dyn Launcher,
    input: &Tensor,
    cosines: &Tensor,
    sines: &Tensor,
) -> Result<Option<Tensor>, EngineError> {
    let (samples, length, heads, size) = input.dims4()?;
    let pairs = cosines.dim(1)?;
    let fits = pairs % VECTOR == 0 && size % VECTOR == 0 && 2 * pairs <= size;
    let parts = pairs / VECTOR + size.saturating_sub(2 * pairs) / VECTOR;
    let tasks = samples * length * heads * parts;
    let alike = input.dtype() == cosines.dtype();
    let (Some(code), Some(blocks), true) = (LAYERS.of(input.dtype()), blocks(tasks), fits && alike) else {
        return Ok(None);
    };
    let arguments = [
        Argument::Tensor(input),
        Argument::Tensor(cosines),
        Argument::Tensor(sines),
        Argument::U64(tasks as u64),
        Argument::U32(length as u32),
        Argument::U32(heads as u32),
        Argument::U32(size as u32),
        Argument::U32(2 * pairs as u32),
        Argument::Out(0),
    ];
    made(gpu, code, "rotate", blocks, &arguments, (input.dtype(), input.dims())).map(Some)
}

/// Returns weights `[rows, columns]`, f32 or bf16, with 0 where their rank is below a bound: the ranks are those of
/// [`ranks`](super::ranks), or with [`Bound::OfAll`] those of [`places`](super::places).
///
/// # Errors
/// When there are no weights, their type is not supported, or a kernel cannot be run.
pub fn without_least(
    gpu: &dyn Launcher,
    weight: &Tensor,
    ranks: &Tensor,
    bound: Bound<'_>,
) -> Result<Tensor, EngineError> {
    let (rows, columns) = weight.dims2()?;
    let count = rows * columns;
    let (Some(code), Some(blocks)) = (LAYERS.of(weight.dtype()), blocks(count.div_ceil(VECTOR))) else {
        return Err(failed("without_least"));
    };
    let [own, order] = [Argument::Tensor(weight), Argument::Tensor(ranks)];
    let like = (weight.dtype(), weight.dims());
    let (pruned, width, of_group, last) = match bound {
        Bound::OfEach { pruned } => {
            let [pruned, rows, columns] =
                [Argument::Tensor(pruned), Argument::U32(rows as u32), Argument::U32(columns as u32)];
            let arguments = [own, order, pruned, rows, columns, Argument::Out(0)];
            return made(gpu, code, "without_each", blocks, &arguments, like);
        }
        Bound::OfAll { pruned } => {
            let arguments =
                [own, order, Argument::U64(count as u64), Argument::U64(pruned), Argument::Out(0)];
            return made(gpu, code, "without_first", blocks, &arguments, like);
        }
        Bound::OfRows { pruned } => (pruned, 0, 0, 0),
        Bound::OfGroups { width, count, last } => (0, width, count, last),
    };
    let arguments = [
        own,
        order,
        Argument::U32(rows as u32),
        Argument::U32(columns as u32),
        Argument::U64(pruned),
        Argument::U32(width as u32),
        Argument::U32(of_group as u32),
        Argument::U32(last as u32),
        Argument::Out(0),
    ];
    made(gpu, code, "without_least", blocks, &arguments, like)
}

/// The ranks of a linear's weights, for [`around`].
#[derive(Clone, Copy, Debug)]
pub enum Ranked<'a> {
    /// Ranks within rows, from [`ranks`](super::ranks).
    InRows(&'a Tensor),
    /// Ranks within the whole matrix, from [`places`](super::places).
    InMatrix(&'a Tensor),
}

/// Returns minus the sums of gradients `[samples, rows, columns]` times weights `[rows, columns]`, over the
/// weights of each row whose rank lies in the row's range, f64 `[samples * rows]`. `ranges` holds the first
/// rank of each row and the one after the last, u32 `[2 * rows]`.
///
/// # Errors
/// When a kernel cannot be run.
pub fn around(
    gpu: &dyn Launcher,
    [gradients, weight, ranges]: [&Tensor; 3],
    ranked: Ranked<'_>,
) -> Result<Option<Tensor>, EngineError> {
    let (samples, rows, columns) = gradients.dims3()?;
    let alike = weight.dims() == [rows, columns]
        && gradients.dtype() == weight.dtype()
        && ranges.elem_count() == 2 * rows;
    let (Some(code), Ok(blocks), true) =
        (LAYERS.of(weight.dtype()), u32::try_from(samples * rows), alike && samples * rows > 0)
    else {
        return Ok(None);
    };
    let (ranks, wide) = match ranked {
        Ranked::InRows(ranks) => (ranks, 0),
        Ranked::InMatrix(ranks) => (ranks, 1),
    };
    let (gradients, weight) = (gradients.contiguous()?, weight.contiguous()?);
    let arguments = [
        Argument::Tensor(&gradients),
        Argument::Tensor(&weight),
        Argument::Tensor(ranks),
        Argument::Tensor(ranges),
        Argument::U32(rows as u32),
        Argument::U32(columns as u32),
        Argument::U32(wide),
        Argument::Out(0),
    ];
    made(gpu, code, "around", blocks, &arguments, (DType::F64, &[samples * rows])).map(Some)
}

/// Returns weights with 0 at marks, u8 of the same shape; both tensors are contiguous.
///
/// # Errors
/// When a kernel cannot be run.
pub fn without_marked(
    gpu: &dyn Launcher,
    weight: &Tensor,
    marks: &Tensor,
) -> Result<Option<Tensor>, EngineError> {
    let count = weight.elem_count();
    let alike = weight.shape() == marks.shape() && marks.dtype() == DType::U8;
    let (Some(code), Some(blocks), true) = (LAYERS.of(weight.dtype()), blocks(count.div_ceil(VECTOR)), alike)
    else {
        return Ok(None);
    };
    let arguments =
        [Argument::Tensor(weight), Argument::Tensor(marks), Argument::U64(count as u64), Argument::Out(0)];
    made(gpu, code, "without_marked", blocks, &arguments, (weight.dtype(), weight.dims())).map(Some)
}

/// Returns the negative log-likelihood of each target, in nats, of contiguous logits `[positions, vocabulary]` before their cap.
///
/// # Errors
/// When a kernel cannot be run.
pub fn losses(
    gpu: &dyn Launcher,
    logits: &Tensor,
    softcap: Option<f64>,
    targets: &[u32],
) -> Result<Option<Vec<f64>>, EngineError> {
    let (positions, vocabulary) = logits.dims2()?;
    let (Some(code), Ok(blocks), true) = (LAYERS.of(logits.dtype()), u32::try_from(positions), positions > 0)
    else {
        return Ok(None);
    };
    let targets = Tensor::new(&targets[..positions.min(targets.len())], logits.device())?;
    let arguments = [
        Argument::Tensor(logits),
        Argument::Tensor(&targets),
        Argument::U32(vocabulary as u32),
        Argument::single(softcap.unwrap_or(0.0) as f32),
        Argument::Out(0),
    ];
    Ok(Some(made(gpu, code, "losses", blocks, &arguments, (DType::F64, &[positions]))?.to_vec1()?))
}

/// Returns the divergence from a dense model and the negative log-likelihood of the target at each position,
/// in nats; both tensors of logits are before their cap.
///
/// # Errors
/// When a kernel cannot be run.
pub fn divergences(
    gpu: &dyn Launcher,
    [dense, other]: [&Tensor; 2],
    softcap: Option<f64>,
    targets: &[u32],
) -> Result<Option<Vec<(f64, f64)>>, EngineError> {
    let (positions, vocabulary) = other.dims2()?;
    let alike = dense.shape() == other.shape() && dense.dtype() == other.dtype() && positions > 0;
    let (Some(code), Ok(blocks), true) = (LAYERS.of(other.dtype()), u32::try_from(positions), alike) else {
        return Ok(None);
    };
    let targets = Tensor::new(&targets[..positions.min(targets.len())], other.device())?;
    let arguments = [
        Argument::Tensor(dense),
        Argument::Tensor(other),
        Argument::Tensor(&targets),
        Argument::U32(vocabulary as u32),
        Argument::single(softcap.unwrap_or(0.0) as f32),
        Argument::Out(0),
    ];
    let numbers: Vec<f64> =
        made(gpu, code, "divergences", blocks, &arguments, (DType::F64, &[2 * positions]))?.to_vec1()?;
    Ok(Some(numbers.chunks_exact(2).map(|both| (both[0], both[1])).collect()))
}
