//! The least scores on a GPU: a threshold, found by counting, and marks of what is below it.

use candle_core::{DType, Tensor};

use super::error::EngineError;
use std::sync::OnceLock;

use super::launcher::{Argument, BLOCKS, Code, DIGITS, Launcher, Out, THREADS, failed, launch};
use super::source;
use crate::kernels::select::Least;
use crate::kernels::vector::ordered_bits;

/// Returns the kernels that select.
fn kernels() -> &'static Code {
    static CODE: OnceLock<Code> = OnceLock::new();
    CODE.get_or_init(|| Code::new(source::selecting()))
}

/// Returns the `place`-th least key of scores, from 0, and how many keys are below it.
fn threshold(gpu: &dyn Launcher, code: &Code, scores: &Tensor, place: u64) -> Result<u32, EngineError> {
    let n = scores.elem_count() as u64;
    let blocks = n.div_ceil(THREADS).clamp(1, BLOCKS);
    let count = |fine: u32, upper: u32| -> Result<Vec<u32>, EngineError> {
        let arguments = [
            Argument::Tensor(scores),
            Argument::U64(n),
            Argument::U32(fine),
            Argument::U32(upper),
            Argument::Out(0),
        ];
        let outs = [Out::zeros(DType::U32, DIGITS)];
        let counts = launch(gpu, code, "score_histogram", blocks, &arguments, &outs)?;
        Ok(counts[0].to_vec1()?)
    };
    let (upper, rest) = digit(&count(0, 0)?, place);
    let (lower, _) = digit(&count(1, upper)?, rest);
    Ok(upper << 16 | lower)
}

fn marks_of_rows(
    gpu: &dyn Launcher,
    code: &Code,
    scores: &Tensor,
    (thresholds, lefts): (&Tensor, &Tensor),
) -> Result<Tensor, EngineError> {
    let (rows, columns) = scores.dims2()?;
    let arguments = [
        Argument::Tensor(scores),
        Argument::U32(rows as u32),
        Argument::U32(columns as u32),
        Argument::Tensor(thresholds),
        Argument::Tensor(lefts),
        Argument::Out(0),
    ];
    let outs = [Out::zeros(DType::U8, rows * columns)];
    let mut marks = launch(gpu, code, "mark_rows", blocks_of_rows(rows), &arguments, &outs)?;
    marks.pop().ok_or_else(|| failed("mark_rows"))
}

/// Marks the `count` least of all scores; with `ties`, all that are equal to the greatest of them as well.
fn least_of_all(
    gpu: &dyn Launcher,
    code: &Code,
    scores: &Tensor,
    count: usize,
    ties: bool,
) -> Result<Tensor, EngineError> {
    let (rows, columns) = scores.dims2()?;
    let device = gpu.device();
    let Some(last) = count.min(rows * columns).checked_sub(1) else {
        return Ok(Tensor::zeros(rows * columns, DType::U8, &device)?);
    };
    let threshold = self::threshold(gpu, code, scores, last as u64)?;
    let thresholds = Tensor::full(threshold, rows, &device)?;
    let lefts = if ties {
        Tensor::full(u32::MAX, rows, &device)?
    } else {
        let arguments = [
            Argument::Tensor(scores),
            Argument::U32(rows as u32),
            Argument::U32(columns as u32),
            Argument::U32(threshold),
            Argument::Out(0),
            Argument::Out(1),
        ];
        let outs = [Out::zeros(DType::U32, rows), Out::zeros(DType::U32, rows)];
        let blocks = blocks_of_rows(rows);
        let counts = launch(gpu, code, "row_against", blocks, &arguments, &outs)?;
        let below: Vec<u32> = counts[0].to_vec1()?;
        let equal: Vec<u32> = counts[1].to_vec1()?;
        // Of those at the threshold, as many as are still needed, in order.
        let mut left = (last as u64 + 1).saturating_sub(below.into_iter().map(u64::from).sum());
        let taken = equal.into_iter().map(|equal| {
            let taken = left.min(u64::from(equal));
            left -= taken;
            taken as u32
        });
        Tensor::new(taken.collect::<Vec<u32>>(), &device)?
    };
    marks_of_rows(gpu, code, scores, (&thresholds, &lefts))
}

/// Marks the least scores, f32 `[rows, columns]`, by 1 in u8 `[rows, columns]`; none is NaN.
///
/// # Errors
/// When a kernel cannot be run, or a tensor operation fails.
pub(super) fn least(gpu: &dyn Launcher, scores: &Tensor, wanted: &Least) -> Result<Tensor, EngineError> {
    let scores = scores.contiguous()?;
    let (rows, columns) = scores.dims2()?;
    let device = gpu.device();
    if rows == 0 || columns == 0 {
        return Ok(Tensor::zeros((rows, columns), DType::U8, &device)?);
    }
    let code = kernels();
    let marks = match wanted {
        Least::OfAll(count) => least_of_all(gpu, code, &scores, *count, false)?,
        Least::UpTo(place) => least_of_all(gpu, code, &scores, place.saturating_add(1), true)?,
        Least::OfRows(counts) => {
            let mut counts = counts.clone();
            counts.resize(rows, 0);
            let counts = Tensor::new(counts, &device)?;
            let arguments = [
                Argument::Tensor(&scores),
                Argument::U32(rows as u32),
                Argument::U32(columns as u32),
                Argument::Tensor(&counts),
                Argument::Out(0),
                Argument::Out(1),
            ];
            let outs = [Out::zeros(DType::U32, rows), Out::zeros(DType::U32, rows)];
            let blocks = blocks_of_rows(rows);
            let found = launch(gpu, code, "row_thresholds", blocks, &arguments, &outs)?;
            marks_of_rows(gpu, code, &scores, (&found[0], &found[1]))?
        }
        Least::OfGroups { size, count, last } => {
            let size = (*size).max(1);
            let arguments = [
                Argument::Tensor(&scores),
                Argument::U32(rows as u32),
                Argument::U32(columns as u32),
                Argument::U32(size as u32),
                Argument::U32(*count as u32),
                Argument::U32(*last as u32),
                Argument::Out(0),
            ];
            let groups = (rows * columns.div_ceil(size)) as u64;
            let blocks = groups.div_ceil(THREADS).clamp(1, 1 << 20);
            let outs = [Out::zeros(DType::U8, rows * columns)];
            let mut marks = launch(gpu, code, "mark_groups", blocks, &arguments, &outs)?;
            marks.pop().ok_or_else(|| failed("mark_groups"))?
        }
    };
    Ok(marks.reshape((rows, columns))?)
}

fn blocks_of_rows(rows: usize) -> u64 {
    rows.clamp(1, 1 << 16) as u64
}

/// Returns the digit into which the `place`-th number falls, from 0, and its place among those there.
fn digit(counts: &[u32], mut place: u64) -> (u32, u64) {
    for (digit, count) in counts.iter().enumerate() {
        if place < u64::from(*count) {
            return (digit as u32, place);
        }
        place -= u64::from(*count);
    }
    (ordered_bits(f32::INFINITY) >> 16, 0)
}
