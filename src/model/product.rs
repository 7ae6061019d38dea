//! Matrix products on plain slices, where candle's tensors would cost a copy.

/// What happens to what is in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// It is replaced, on this thread alone.
    Replace,
    /// It is added to, on this thread alone.
    AddHere,
    /// It is added to, on all cores; the sums do not depend on how many.
    Add,
}

/// Computes `scale * left * right` for `(rows, columns, depth)` into row-major output of the given row stride; the operands
/// are given with their row and column strides.
///
/// # Panics
/// When a slice is shorter than its strides reach.
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
    // Slicing to the last element read or written is the bounds check for the raw pointers below.
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
