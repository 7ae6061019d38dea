//! Selection of the lowest scores on a GPU: finds a threshold by counting, and marks the scores below it.

use candle_core::{DType, Tensor};

use super::error::EngineError;
use std::sync::OnceLock;

use super::launcher::{
    Argument, BLOCKS, Code, DIGITS, Launch, Launcher, Out, THREADS, failed, launch, launch_for_one,
};
use super::source;
use crate::kernels::select::Least;

/// The widest row, a power of two, that fits into a block's shared memory at 6 bytes for each column.
const WIDEST_ROW: usize = 1 << 15;

/// Number of scores that a block sorts, as in the kernels.
const PIECE: usize = 1 << 14;

/// Returns the selection kernels.
fn kernels() -> &'static Code {
    static CODE: OnceLock<Code> = OnceLock::new();
    CODE.get_or_init(|| Code::new(source::selecting()))
}

/// Returns the key of the `place`-th lowest score, from 0, and its position among the scores with that key:
/// `[2]`, on the device.
fn threshold(gpu: &dyn Launcher, code: &Code, scores: &Tensor, place: u64) -> Result<Tensor, EngineError> {
    let n = scores.elem_count() as u64;
    let blocks = n.div_ceil(THREADS).clamp(1, BLOCKS);
    let mut found = Tensor::zeros(2, DType::U32, &gpu.device())?;
    for fine in [0, 1] {
        let arguments = [
            Argument::Tensor(scores),
            Argument::U64(n),
            Argument::U32(fine),
            Argument::Tensor(&found),
            Argument::Out(0),
        ];
        let counts =
            launch(gpu, code, "score_histogram", blocks, &arguments, &[Out::zeros(DType::U32, DIGITS)])?;
        let arguments = [
            Argument::Tensor(&counts[0]),
            Argument::U64(place),
            Argument::U32(fine),
            Argument::Tensor(&found),
            Argument::Out(0),
        ];
        let out = [Out::zeros(DType::U32, 2)];
        found = launch(gpu, code, "find_digit", 1, &arguments, &out)?
            .pop()
            .ok_or_else(|| failed("find_digit"))?;
    }
    Ok(found)
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

/// Marks the `count` lowest of all scores; with `ties`, also all scores equal to the highest of them.
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
    let found = threshold(gpu, code, scores, last as u64)?;
    let arguments = [
        Argument::Tensor(scores),
        Argument::U32(rows as u32),
        Argument::U32(columns as u32),
        Argument::Tensor(&found),
        Argument::Out(0),
    ];
    let whole = Out::whole(DType::U32, rows);
    let equals = launch(gpu, code, "row_equals", blocks_of_rows(rows), &arguments, &[whole])?;
    let arguments = [
        Argument::Tensor(&equals[0]),
        Argument::U32(rows as u32),
        Argument::U32(u32::from(ties)),
        Argument::Tensor(&found),
        Argument::Out(0),
        Argument::Out(1),
    ];
    let of_rows = launch(gpu, code, "row_lefts", 1, &arguments, &[whole, whole])?;
    marks_of_rows(gpu, code, scores, (&of_rows[0], &of_rows[1]))
}

/// Returns the ranks of scores, f32 `[rows, columns]`, within rows or within groups of columns: two 16-bit
/// ranks in each u32, in order. Returns `None` if a row is too wide to be sorted.
///
/// Among equal scores, the one in the lower column has the lower rank.
///
/// # Errors
/// When a kernel cannot be run, or a tensor operation fails.
pub fn ranks(
    gpu: &dyn Launcher,
    scores: &Tensor,
    group: Option<usize>,
) -> Result<Option<Tensor>, EngineError> {
    let scores = scores.contiguous()?;
    let (rows, columns) = scores.dims2()?;
    if rows * columns == 0 || u32::try_from(rows).is_err() {
        return Ok(None);
    }
    let out = Out::whole(DType::U32, (rows * columns).div_ceil(2));
    let [own, height, width] =
        [Argument::Tensor(&scores), Argument::U32(rows as u32), Argument::U32(columns as u32)];
    if let Some(size) = group {
        let groups = (rows * columns.div_ceil(size.max(1))) as u64;
        let arguments = [own, height, width, Argument::U32(size.max(1) as u32), Argument::Out(0)];
        return Ok(launch(gpu, kernels(), "group_ranks", groups.div_ceil(THREADS), &arguments, &[out])?.pop());
    }
    let padded = columns.next_power_of_two().max(2);
    if padded > WIDEST_ROW || 6 * padded > gpu.shared_memory() {
        return Ok(None);
    }
    let arguments = [own, height, width, Argument::U32(padded as u32), Argument::Out(0)];
    let launch = Launch { blocks: rows as u32, shared: 6 * padded as u32, arguments: &arguments };
    launch_for_one(gpu, kernels(), "row_ranks", launch, out).map(Some)
}

/// Marks the lowest scores, f32 `[rows, columns]`, by 1 in u8 `[rows, columns]`; no score may be NaN.
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

/// Returns the ranks of scores within the whole matrix, u32 in their order. Returns `None` if there are too
/// many to be counted in 32 bits.
///
/// Among equal scores, the first has the lower rank.
///
/// # Errors
/// When a kernel cannot be run, or a tensor operation fails.
pub fn places(gpu: &dyn Launcher, scores: &Tensor) -> Result<Option<Tensor>, EngineError> {
    let scores = scores.contiguous()?;
    let count = scores.elem_count();
    if count == 0 || u32::try_from(count).is_err() {
        return Ok(None);
    }
    let blocks = count.div_ceil(PIECE);
    let n = Argument::U64(count as u64);
    let mut keys = Tensor::zeros(1, DType::U32, &gpu.device())?;
    let mut places = keys.clone();
    for shift in [0, 8, 16, 24] {
        let digit = Argument::U32(shift);
        let [own, sorted, order] =
            [Argument::Tensor(&scores), Argument::Tensor(&keys), Argument::Tensor(&places)];
        let table = Out::whole(DType::U32, 256 * blocks);
        let arguments = [own, sorted, n, digit, Argument::Out(0)];
        let counts = launch(gpu, kernels(), "digit_counts", blocks as u64, &arguments, &[table])?;
        let arguments =
            [Argument::Tensor(&counts[0]), Argument::U32(blocks as u32), Argument::Out(0), Argument::Out(1)];
        let outs = [table, Out::whole(DType::U32, 256)];
        let before = launch(gpu, kernels(), "digits_before", 256, &arguments, &outs)?;
        let arguments = [
            own,
            sorted,
            order,
            n,
            digit,
            Argument::Tensor(&before[0]),
            Argument::Tensor(&before[1]),
            Argument::Out(0),
            Argument::Out(1),
        ];
        // The keys are not read after the last digit.
        let outs =
            [Out::whole(DType::U32, if shift == 24 { 1 } else { count }), Out::whole(DType::U32, count)];
        let mut moved =
            launch(gpu, kernels(), "move_by_digit", blocks as u64, &arguments, &outs)?.into_iter();
        let both = (moved.next(), moved.next());
        let (Some(to_keys), Some(to_places)) = both else { return Err(failed("move_by_digit")) };
        (keys, places) = (to_keys, to_places);
    }
    Ok(Some(places))
}

fn blocks_of_rows(rows: usize) -> u64 {
    rows.clamp(1, 1 << 16) as u64
}
