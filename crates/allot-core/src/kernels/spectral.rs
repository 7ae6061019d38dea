//! Operators on whole matrices: spectra, determinants, correlations.
//!
//! Singular values are the square roots of the eigenvalues of the smaller Gram matrix, in f64: their squares are exact to about
//! 1e-16 of the largest, well below the tolerance of `matrix_rank` and `logdet`.
//! faer computes on the calling thread, so that its sums do not depend on the number of threads; linears run in parallel
//! instead.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatRef, Par, Spec};

use crate::lang::ops::{MatrixReduction, ParameterValue};

/// The parallelism of faer: none.
const ONE_THREAD: Par = Par::Seq;

/// Returns a matrix operator's value on one matrix, `[rows, columns]`; `None` when its spectrum cannot be computed.
pub fn value(
    op: MatrixReduction,
    parameters: &[ParameterValue],
    values: &[f32],
    rows: usize,
    columns: usize,
) -> Option<f64> {
    if values.is_empty() {
        return Some(f64::NAN);
    }
    // Applies `of` to the squared singular values, in ascending order, and the largest of them.
    let of_spectrum = |of: &dyn Fn(&[f64], f64) -> f64| {
        if values.iter().any(|x| !x.is_finite()) {
            return Some(f64::NAN);
        }
        let eigenvalues = squared_singular_values(values, rows, columns)?;
        Some(of(&eigenvalues, eigenvalues.last().copied().unwrap_or(0.0)))
    };
    let tolerance = |greatest: f64| greatest.sqrt() * f64::from(f32::EPSILON) * rows.max(columns) as f64;
    match op {
        MatrixReduction::CorrelationOfRows => Some(correlation(values, rows, columns)),
        MatrixReduction::DsaGram => Some(mean_gram(values, rows, columns)),
        MatrixReduction::DsaDiagonal => {
            let side = rows.min(columns);
            let sum: f64 = (0..side).map(|index| f64::from(values[index * columns + index])).sum();
            Some(sum / side as f64)
        }
        MatrixReduction::DsaDeterminant => Some(determinant(values, rows, columns)),
        MatrixReduction::MatrixRank => {
            of_spectrum(&|eigenvalues, greatest| above(eigenvalues, tolerance(greatest)).count() as f64)
        }
        MatrixReduction::LogDeterminant => {
            of_spectrum(&|eigenvalues, greatest| above(eigenvalues, tolerance(greatest)).map(f64::ln).sum())
        }
        MatrixReduction::SpectralNorm => of_spectrum(&|_, greatest| greatest.sqrt()),
        MatrixReduction::StableRank => of_spectrum(&|_, greatest| {
            let squares = || values.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
            if greatest == 0.0 { 0.0 } else { squares() / greatest }
        }),
        MatrixReduction::AlphaHill => of_spectrum(&|eigenvalues, _| match parameters.first() {
            Some(ParameterValue::Word("mid")) => alpha_mid(eigenvalues),
            Some(ParameterValue::Word("peak_as_coded")) => alpha_peak(eigenvalues, true),
            _ => alpha_peak(eigenvalues, false),
        }),
    }
}

/// Returns the singular values above a tolerance, from their squares.
fn above(eigenvalues: &[f64], tolerance: f64) -> impl Iterator<Item = f64> {
    eigenvalues.iter().map(|value| value.sqrt()).filter(move |value| *value > tolerance)
}

/// Returns the squares of a matrix's singular values in ascending order; `None` when they do not converge.
pub fn squared_singular_values(values: &[f32], rows: usize, columns: usize) -> Option<Vec<f64>> {
    let doubles: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
    let matrix = MatRef::from_row_major_slice(&doubles, rows, columns);
    let side = rows.min(columns);
    let mut gram = Mat::<f64>::zeros(side, side);
    let (left, right) =
        if rows <= columns { (matrix, matrix.transpose()) } else { (matrix.transpose(), matrix) };
    matmul(
        gram.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        left,
        BlockStructure::Rectangular,
        right,
        BlockStructure::Rectangular,
        1.0,
        ONE_THREAD,
    );
    let mut eigenvalues = eigenvalues(gram.as_ref())?;
    for value in &mut eigenvalues {
        *value = value.max(0.0);
    }
    eigenvalues.sort_by(f64::total_cmp);
    Some(eigenvalues)
}

/// Returns the eigenvalues of a symmetric matrix, from its lower triangle; `None` when they do not converge.
fn eigenvalues(matrix: MatRef<'_, f64>) -> Option<Vec<f64>> {
    let side = matrix.nrows();
    let scratch = self_adjoint_evd_scratch::<f64>(side, ComputeEigenvectors::No, ONE_THREAD, Spec::default());
    let mut memory = MemBuffer::new(scratch);
    let mut values = Diag::<f64>::zeros(side);
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix, values.as_mut(), None, ONE_THREAD, stack, Spec::default()).ok()?;
    Some(values.column_vector().iter().copied().collect())
}

/// Returns 1 + n / (sum of ln e_i - n ln e_min) over the eigenvalues from `start` on; `None` when that is not defined.
fn hill(eigenvalues: &[f64], start: usize) -> Option<f64> {
    let tail = eigenvalues.get(start..)?;
    let least = *tail.first()?;
    if least <= 0.0 {
        return None;
    }
    let n = tail.len() as f64;
    let sum: f64 = tail.iter().map(|value| value.ln()).sum();
    let alpha = 1.0 + n / (sum - n * least.ln());
    alpha.is_finite().then_some(alpha)
}

fn alpha_mid(eigenvalues: &[f64]) -> f64 {
    hill(eigenvalues, eigenvalues.len() / 2).unwrap_or(0.0)
}

/// Returns the exponent of the best fit among tails that begin near the peak of the logarithms' histogram.
///
/// The released code compares eigenvalues with the logarithm of the lower limit, and so has no effective lower limit.
fn alpha_peak(eigenvalues: &[f64], as_coded: bool) -> f64 {
    /// How many bins the histogram has.
    const BINS: usize = 100;
    let logarithms: Vec<f64> =
        eigenvalues.iter().filter(|value| **value > 0.0).map(|value| value.log10()).collect();
    let (Some(low), Some(high)) = (logarithms.first().copied(), logarithms.last().copied()) else {
        return 0.0;
    };
    let width = (high - low) / BINS as f64;
    let mut counts = [0_usize; BINS];
    for value in &logarithms {
        let bin = if width > 0.0 { ((value - low) / width) as usize } else { 0 };
        counts[bin.min(BINS - 1)] += 1;
    }
    let fullest = counts
        .iter()
        .enumerate()
        .fold(0, |best, (bin, count)| if *count > counts[best] { bin } else { best });
    let peak = 10_f64.powf(low + width * fullest as f64);
    let lowest = if as_coded { (0.95 * peak).log10() } else { 0.95 * peak };
    let mut best: Option<(f64, f64)> = None;
    for start in 0..eigenvalues.len().saturating_sub(1) {
        let least = eigenvalues[start];
        if least <= lowest || least >= 1.5 * peak {
            continue;
        }
        let Some(alpha) = hill(eigenvalues, start) else { continue };
        let tail = &eigenvalues[start..];
        let n = tail.len() as f64;
        let distance = tail
            .iter()
            .enumerate()
            .map(|(index, value)| (1.0 - (value / least).powf(1.0 - alpha) - index as f64 / n).abs())
            .fold(0.0, f64::max);
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, alpha));
        }
    }
    best.map_or(0.0, |(_, alpha)| alpha)
}

/// Returns the mean of the correlations of all pairs of rows: the squared length of the sum of the standardised rows.
fn correlation(values: &[f32], rows: usize, columns: usize) -> f64 {
    let mut sum = vec![0.0; columns];
    for row in values.chunks_exact(columns.max(1)) {
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / columns as f64;
        let length = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>().sqrt();
        if length == 0.0 {
            continue;
        }
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += (f64::from(*x) - mean) / length;
        }
    }
    sum.iter().map(|x| x * x).sum::<f64>() / (rows as f64 * rows as f64)
}

fn mean_gram(values: &[f32], rows: usize, columns: usize) -> f64 {
    let mut sum = vec![0.0; columns];
    for row in values.chunks_exact(columns.max(1)) {
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    sum.iter().map(|x| x * x).sum::<f64>() / (rows as f64 * rows as f64)
}

fn determinant(values: &[f32], rows: usize, columns: usize) -> f64 {
    if rows != columns || values.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let doubles: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
    let mut factors = MatRef::from_row_major_slice(&doubles, rows, columns).to_owned();
    let (mut forward, mut backward) = (vec![0_usize; rows], vec![0_usize; rows]);
    let scratch = lu_in_place_scratch::<usize, f64>(rows, columns, ONE_THREAD, Spec::default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    let (info, _) =
        lu_in_place(factors.as_mut(), &mut forward, &mut backward, ONE_THREAD, stack, Spec::default());
    let mut product = 1.0;
    for index in 0..rows {
        product *= factors[(index, index)];
    }
    // Each exchange of two rows changes the sign.
    if info.transposition_count % 2 == 0 { product } else { -product }
}
