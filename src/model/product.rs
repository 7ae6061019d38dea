//! Matrix products on plain slices, for cases where candle's tensors would need a copy.

/// What happens to the previous contents of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Replaced, on this thread alone.
    Replace,
    /// Added to, on this thread alone.
    AddHere,
    /// Added to, on all cores; the sums do not depend on the number of cores.
    Add,
}

/// Computes `scale * left * right` for `(rows, columns, depth)` into row-major output with the given row
/// stride; the operands are given with their row and column strides.
///
/// # Panics
/// When a slice is too short for its strides.
pub(crate) fn product(
    (rows, columns, depth): (usize, usize, usize),
    (output, output_stride): (&mut [f32], usize),
    (left, left_row, left_column): (&[f32], usize, usize),
    (right, right_row, right_column): (&[f32], usize, usize),
    scale: f32,
    goal: Goal,
) {
    let last = |rows: usize, row: usize, columns: usize, column: usize| {
        rows.saturating_sub(1) * row + columns.saturating_sub(1) * column
    };
    // Slicing up to the last accessed element is the bounds check for the raw pointers below.
    let output = &mut output[..=last(rows, output_stride, columns, 1)];
    let left = &left[..=last(rows, left_row, depth, left_column)];
    let right = &right[..=last(depth, right_row, columns, right_column)];
    let (keep, parallelism) = match goal {
        Goal::Replace => (0.0, gemm::Parallelism::None),
        Goal::AddHere => (1.0, gemm::Parallelism::None),
        Goal::Add => (1.0, gemm::Parallelism::Rayon(rayon::current_num_threads())),
    };
    // SAFETY: every element that the strides reach lies inside the slices cut above, and `output` overlaps nothing.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            output.as_mut_ptr(),
            1,
            output_stride as isize,
            goal != Goal::Replace,
            left.as_ptr(),
            left_column as isize,
            left_row as isize,
            right.as_ptr(),
            right_column as isize,
            right_row as isize,
            keep,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}
