//! The upper Cholesky factor of the inverse Hessian, with which SparseGPT scores and corrects columns.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Mat, MatMut, Par};
use rayon::prelude::*;

/// Hessians of up to this many columns are factored in f64; at that size, twice the memory does not matter.
const DOUBLE: usize = 4096;

/// The largest share of the mean diagonal that is tried.
pub(super) const MOST_DAMPING: f64 = 100.0;

/// U with U^T U = (H + damping)^-1, upper triangular.
#[derive(Clone, Debug)]
pub struct InverseFactor {
    upper: Vec<f32>,
    dead: Vec<bool>,
    damping: f64,
}

impl InverseFactor {
    /// Factors a Hessian `[columns, columns]`, row-major and symmetric.
    ///
    /// `damping` is the share of the mean diagonal that is added to the diagonal; it is multiplied by ten
    /// until a factor exists. Channels that are always 0 get a 1 on the diagonal, which decouples them from
    /// all others.
    ///
    /// U is computed without the inverse: with rows and columns in reverse order, H = L L^T, and U is L^-1
    /// with its order reversed back. This takes one factorisation and one triangular inverse, half the work
    /// of factorising, inverting and factorising again.
    ///
    /// Returns `None` if the Hessian is not finite, or has no factor with any damping.
    ///
    /// # Source
    /// SparseGPT (arXiv 2301.00774), algorithm 1, with its released code's damping and dead columns.
    pub fn new(mut hessian: Vec<f32>, columns: usize, damping: f64) -> Option<Self> {
        let mut dead = vec![false; columns];
        for (channel, dead) in dead.iter_mut().enumerate() {
            let diagonal = hessian.get_mut(channel * columns + channel)?;
            if *diagonal == 0.0 {
                (*diagonal, *dead) = (1.0, true);
            }
        }
        let trace: f64 = (0..columns).map(|it| f64::from(hessian[it * columns + it])).sum();
        let mean = trace / columns.max(1) as f64;
        if !mean.is_finite() {
            return None;
        }
        let mut damping = damping;
        while damping <= MOST_DAMPING {
            let done = if columns <= DOUBLE {
                invert::<f64>(&mut hessian, columns, damping * mean, |it| it, |it| it as f32)
            } else {
                invert::<f32>(&mut hessian, columns, damping * mean, |it| it as f32, |it| it)
            };
            if done.is_some() {
                return Some(Self { upper: hessian, dead, damping });
            }
            damping = (10.0 * damping).max(1e-4);
        }
        None
    }

    /// Returns the number of columns of the Hessian.
    pub fn columns(&self) -> usize {
        self.dead.len()
    }

    /// Returns U, `[columns, columns]` row-major, 0 below the diagonal.
    pub fn upper(&self) -> &[f32] {
        &self.upper
    }

    /// Returns which input channels were 0 for every token.
    pub fn dead(&self) -> &[bool] {
        &self.dead
    }

    /// Returns the share of the mean diagonal that was added, after any retries.
    pub fn damping(&self) -> f64 {
        self.damping
    }
}

/// Replaces `hessian` by U; if it is not positive definite, leaves it unchanged and returns `None`.
fn invert<T: faer::traits::RealField + Copy>(
    hessian: &mut [f32],
    n: usize,
    add: f64,
    convert: impl Fn(f64) -> T,
    narrow: impl Fn(T) -> f32 + Sync,
) -> Option<()> {
    let par = Par::rayon(0);
    // The matrix is symmetric, so either triangle works: this one is contiguous in the order in which
    // `from_fn` writes.
    let mut lower = Mat::from_fn(n, n, |row, column| {
        let value = f64::from(hessian[(n - 1 - column) * n + (n - 1 - row)]);
        convert(if row == column { value + add } else { value })
    });
    let mut buffer = MemBuffer::new(cholesky_in_place_scratch::<T>(n, par, Default::default()));
    let stack = MemStack::new(&mut buffer);
    cholesky_in_place(lower.as_mut(), Default::default(), par, stack, Default::default()).ok()?;
    let mut inverse = vec![convert(0.0); n * n];
    let turned = MatMut::from_row_major_slice_mut(&mut inverse, n, n).reverse_rows_and_cols_mut();
    invert_lower_triangular(turned, lower.as_ref(), par);
    drop(lower);
    let diagonal = (0..n).map(|it| narrow(inverse[it * n + it]));
    if !diagonal.into_iter().all(|it| it.is_finite() && it > 0.0) {
        return None;
    }
    let rows = hessian.par_chunks_mut(n.max(1)).zip(inverse.par_chunks(n.max(1)));
    rows.for_each(|(to, from)| {
        for (to, from) in to.iter_mut().zip(from) {
            *to = narrow(*from);
        }
    });
    Some(())
}
