//! Scores, masks and SparseGPT with tensor operations, for devices from which weights should not be copied
//! back in between.
//!
//! The CPU has its own kernels for all of this. These operations run on any device, so the tests compare both
//! on the CPU.

use std::borrow::Cow;

use candle_core::{D, DType, Device, Tensor};

use super::error::PruneError;
use super::factor::InverseFactor;
use super::mask::Mask;
use super::pattern::{Rounding, Share, in_group, place, wanted};
use super::score::ScoreFormula;
use crate::device::{Engine, layers};
use crate::kernels::select::Least;
use crate::lang::types::Group;
use crate::model::ModelError;

/// Number of columns whose weights are chosen together, as published.
const BLOCK: usize = 128;

/// Returns a formula's scores, f32 `[rows, columns]`, for weights of that shape; `second_moment`,
/// `[columns]`, is called only if the formula uses it.
///
/// # Errors
/// When a tensor operation fails, or `second_moment` returns an error.
pub fn scores<'a>(
    formula: ScoreFormula,
    weight: &Tensor,
    second_moment: impl FnOnce() -> Result<Cow<'a, [f32]>, PruneError>,
) -> Result<Tensor, PruneError> {
    let tensor = |error| PruneError::Model(ModelError::from(error));
    let size = weight.to_dtype(DType::F32).and_then(|it| it.abs()).map_err(tensor)?;
    let scored = match formula {
        ScoreFormula::Magnitude => Ok(size),
        ScoreFormula::Wanda => {
            let norms: Vec<f32> = second_moment()?.iter().map(|it| it.sqrt()).collect();
            Tensor::new(norms, weight.device()).and_then(|norms| size.broadcast_mul(&norms))
        }
        ScoreFormula::Ria { power } => {
            let norms: Vec<f32> = second_moment()?.iter().map(|it| it.sqrt().powf(power)).collect();
            relative_importance(&size, norms)
        }
    };
    scored.map_err(tensor)
}

fn relative_importance(size: &Tensor, norms: Vec<f32>) -> candle_core::Result<Tensor> {
    let norms = Tensor::new(norms, size.device())?;
    (share(size, 0)? + share(size, 1)?)?.broadcast_mul(&norms)
}

/// Returns each number's share of its sum along a dimension; if the sum is 0, the share is 0.
fn share(size: &Tensor, dimension: usize) -> candle_core::Result<Tensor> {
    let sums = size.sum_keepdim(dimension)?;
    // If a sum of magnitudes is 0, all of them are 0.
    let safe = (&sums + sums.eq(0.0)?.to_dtype(DType::F32)?)?;
    size.broadcast_div(&safe)
}

/// Returns marks for the lowest scores, u8 `[rows, columns]`, 1 for a pruned weight; `per` as in
/// [`least`](super::least).
///
/// # Errors
/// When a tensor operation fails.
pub fn marks(
    engine: &Engine,
    scores: &Tensor,
    per: Group,
    share: &Share,
    rounding: Rounding,
) -> Result<Tensor, ModelError> {
    let (rows, columns) = scores.dims2()?;
    Ok(engine.least(scores, &wanted([rows, columns], per, share, rounding))?)
}

/// Returns a weight with 0 at its marks.
///
/// # Errors
/// When a tensor operation fails.
pub fn masked(engine: &Engine, weight: &Tensor, marks: &Tensor) -> Result<Tensor, ModelError> {
    if let Some(gpu) = engine.kernels()
        && let Some(masked) = layers::without_marked(gpu, &weight.contiguous()?, &marks.contiguous()?)?
    {
        return Ok(masked);
    }
    Ok(marks.where_cond(&weight.zeros_like()?, weight)?)
}

/// Copies marks from a device.
///
/// # Errors
/// When a tensor operation fails.
pub fn mask(marks: &Tensor) -> Result<Mask, ModelError> {
    let (_, columns) = marks.dims2()?;
    let marks: Vec<u8> = marks.flatten_all()?.to_vec1()?;
    Ok(Mask::new(columns, marks.into_iter().map(|it| it != 0).collect()))
}

/// Prunes weights `[rows, columns]` as [`prune_columns`](super::sparsegpt::prune_columns) does, on the engine's device.
///
/// # Errors
/// When a tensor operation fails.
///
/// # Source
/// SparseGPT (arXiv 2301.00774), algorithm 1.
pub fn prune_columns(
    engine: &Engine,
    weights: Vec<f32>,
    factor: &InverseFactor,
    share: &Share,
    rounding: Rounding,
) -> Result<(Vec<f32>, Mask), ModelError> {
    let device = engine.device();
    let columns = factor.columns().max(1);
    let rows = weights.len() / columns;
    let upper = Tensor::from_slice(factor.upper(), (columns, columns), &device)?;
    let alive: Vec<f32> = factor.dead().iter().map(|dead| f32::from(u8::from(!dead))).collect();
    let alive = Tensor::from_vec(alive, (1, columns), &device)?;
    let diagonal: Vec<f32> = (0..columns).map(|it| factor.upper()[it * columns + it]).collect();
    let worth = Tensor::from_slice(&diagonal, (1, columns), &device)?.sqr()?.recip()?;
    let mut left = Tensor::from_vec(weights, (rows, columns), &device)?;
    if rounding == Rounding::Reference {
        left = left.broadcast_mul(&alive)?;
    }
    let block = share.group.map_or(BLOCK, |(_, m)| (BLOCK / m * m).max(m));
    let mut of_rows = share.rows.as_ref().map(|rows| rows.counts().to_vec());
    let (mut kept, mut marked) = (Vec::new(), Vec::new());
    for from in (0..columns).step_by(block) {
        let width = block.min(columns - from);
        let window = Window {
            engine,
            worth: worth.narrow(1, from, width)?,
            alive: alive.narrow(1, from, width)?,
            upper: upper.narrow(0, from, width)?.narrow(1, from, width)?.contiguous()?,
            diagonal: &diagonal[from..from + width],
        };
        let part = left.narrow(1, 0, width)?.contiguous()?;
        let chosen = match (share.group, &mut of_rows) {
            (Some((n, m)), _) => Chosen::OfGroups { n, m },
            (None, Some(counts)) => {
                let rest = columns - from;
                let (worth, alive) = (worth.narrow(1, from, rest)?, alive.narrow(1, from, rest)?);
                let scores = score_of(&left, &worth, &alive)?;
                let marks = engine.least(&scores, &Least::OfRows(counts.clone()))?;
                let marks = marks.narrow(1, 0, width)?.contiguous()?;
                let marked: Vec<u32> = marks.to_dtype(DType::U32)?.sum(1)?.to_vec1()?;
                counts.iter_mut().zip(marked).for_each(|(left, marked)| *left -= marked);
                Chosen::Already(marks)
            }
            (None, None) => {
                let wanted = match rounding {
                    Rounding::Exact => {
                        let up_to =
                            |column: usize| column as u128 * u128::from(share.pruned) / columns as u128;
                        Least::OfAll((up_to(from + width) - up_to(from)) as usize)
                    }
                    Rounding::Reference => Least::UpTo(place(rows * width, share.sparsity)),
                };
                Chosen::Already(engine.least(&window.score(&part, 0)?, &wanted)?)
            }
        };
        let corrected = window.correct(part, chosen, rounding)?;
        kept.extend(corrected.kept);
        marked.extend(corrected.marks);
        let behind = columns - from - width;
        if behind > 0 {
            let errors = Tensor::cat(&corrected.errors, 1)?;
            let outer = upper.narrow(0, from, width)?.narrow(1, from + width, behind)?.contiguous()?;
            left = (left.narrow(1, width, behind)? - errors.matmul(&outer)?)?;
        }
    }
    let weights = Tensor::cat(&kept, D::Minus1)?.flatten_all()?.to_vec1()?;
    Ok((weights, mask(&Tensor::cat(&marked, D::Minus1)?)?))
}

/// The columns being pruned, and the inverse Hessian's values for them.
struct Window<'a> {
    engine: &'a Engine,
    /// The factor of a weight's square in its score, `[1, width]`.
    worth: Tensor,
    /// 1 for an input channel that was nonzero for some token, else 0, `[1, width]`; weights of zero channels
    /// score 0.
    alive: Tensor,
    /// The part of U for these columns, `[width, width]`.
    upper: Tensor,
    diagonal: &'a [f32],
}

/// How the pruned weights of a window are chosen.
enum Chosen {
    /// By marks, u8 `[rows, width]`.
    Already(Tensor),
    /// `n` of every `m` columns, chosen when the preceding columns are done.
    OfGroups { n: usize, m: usize },
}

/// The finished columns of a window, `[rows, 1]` each.
struct Corrected {
    /// The weights.
    kept: Vec<Tensor>,
    /// The marks, u8.
    marks: Vec<Tensor>,
    /// The errors that the columns after the window have to compensate for.
    errors: Vec<Tensor>,
}

impl Window<'_> {
    /// Returns the scores of weights, `[rows, count]`, in the window's columns from `first` on.
    fn score(&self, weights: &Tensor, first: usize) -> candle_core::Result<Tensor> {
        let count = weights.dim(1)?;
        score_of(weights, &self.worth.narrow(1, first, count)?, &self.alive.narrow(1, first, count)?)
    }

    /// Zeroes the chosen weights, column by column, and corrects the later columns within the window.
    fn correct(&self, part: Tensor, chosen: Chosen, rounding: Rounding) -> Result<Corrected, ModelError> {
        let (rows, width) = part.dims2()?;
        let (mut kept, mut marks, mut errors) = (Vec::new(), Vec::new(), Vec::with_capacity(width));
        let mut rest = part;
        // The marks, and the window's column that their first column belongs to.
        let (mut chosen, groups) = match chosen {
            Chosen::Already(marks) => ((marks, 0), None),
            Chosen::OfGroups { n, m } => {
                ((Tensor::zeros((rows, width), DType::U8, rest.device())?, 0), Some((n, m)))
            }
        };
        for column in 0..width {
            if let Some((n, m)) = groups.filter(|(_, m)| column.is_multiple_of(*m)) {
                let size = m.min(width - column);
                let count = in_group(rounding, n, m, size);
                let scores = self.score(&rest.narrow(1, 0, size)?.contiguous()?, column)?;
                let wanted = Least::OfGroups { size, count, last: count };
                chosen = (self.engine.least(&scores, &wanted)?, column);
            }
            let mark = chosen.0.narrow(1, column - chosen.1, 1)?.contiguous()?;
            let own = rest.narrow(1, 0, 1)?.contiguous()?;
            let zero = own.zeros_like()?;
            let error = (mark.where_cond(&own, &zero)? / f64::from(self.diagonal[column]))?;
            kept.push(mark.where_cond(&zero, &own)?);
            let behind = width - column - 1;
            if behind > 0 {
                let row = self.upper.narrow(0, column, 1)?.narrow(1, column + 1, behind)?;
                let moved = error.broadcast_mul(&row.broadcast_as((rows, behind))?)?;
                rest = (rest.narrow(1, 1, behind)? - moved)?;
            }
            errors.push(error);
            marks.push(mark);
        }
        Ok(Corrected { kept, marks, errors })
    }
}

/// Returns the scores of weights, `[rows, count]`, in columns with the given `worth` and `alive`, both
/// `[1, count]`.
fn score_of(weights: &Tensor, worth: &Tensor, alive: &Tensor) -> candle_core::Result<Tensor> {
    let scores = weights.sqr()?.broadcast_mul(worth)?;
    let alive = alive.broadcast_as(scores.shape())?;
    alive.gt(0.5)?.where_cond(&scores, &scores.zeros_like()?)
}

/// Returns whether a device uses tensor operations: every device but the CPU.
pub fn applies(device: &Device) -> bool {
    !device.is_cpu()
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::allocate::RowCounts;
    use crate::prune::least;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| random.random::<f32>() + random.random::<f32>() - 1.0).collect()
    }

    fn shares(rows: usize, columns: usize) -> [Share; 4] {
        let pruned = (rows * columns * 3 / 5) as u64;
        let of = |group| Share { group, ..Share::new(0.6, pruned) };
        let counts: Vec<u32> = (0..rows).map(|row| (row * columns / rows) as u32).collect();
        let rows = RowCounts::from(counts);
        let of_rows = Share { rows: Some(rows.clone()), ..Share::new(0.5, rows.total()) };
        [of(None), of(Some((2, 4))), of(Some((5, 8))), of_rows]
    }

    #[test]
    fn masks_are_the_processors() {
        let (rows, columns) = (13, 50);
        let weights = numbers(rows * columns, 1);
        let moments: Vec<f32> = numbers(columns, 2).iter().map(|it| it.abs()).collect();
        let weight = Tensor::from_slice(&weights, (rows, columns), &Device::Cpu).expect("a weight");
        for formula in [ScoreFormula::Magnitude, ScoreFormula::Wanda, ScoreFormula::Ria { power: 0.5 }] {
            let moments = || Ok(Cow::Borrowed(moments.as_slice()));
            let expected = formula.scores(&weights, moments).expect("scores");
            let found = scores(formula, &weight, moments).expect("scores");
            for share in shares(rows, columns) {
                for rounding in [Rounding::Exact, Rounding::Reference] {
                    for per in [Group::Row, Group::Matrix] {
                        let marks = marks(&Engine::Cpu, &found, per, &share, rounding).expect("marks");
                        let found = mask(&marks).expect("a mask");
                        assert_eq!(found, least(&expected, columns, per, &share, rounding), "{formula:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn sparsegpt_is_the_processors() {
        let (rows, columns) = (9, 150);
        let inputs = numbers(400 * columns, 3);
        let mut hessian = vec![0f32; columns * columns];
        for input in inputs.chunks(columns) {
            for (row, line) in hessian.chunks_mut(columns).enumerate() {
                line.iter_mut().zip(input).for_each(|(sum, x)| *sum += input[row] * x);
            }
        }
        // A channel that was always 0.
        for place in 0..columns {
            hessian[7 * columns + place] = 0.0;
            hessian[place * columns + 7] = 0.0;
        }
        let factor = InverseFactor::new(hessian, columns, 0.01).expect("a factor");
        for share in shares(rows, columns) {
            for rounding in [Rounding::Exact, Rounding::Reference] {
                let mut expected = numbers(rows * columns, 4);
                let mask = crate::prune::sparsegpt::prune_columns(&mut expected, &factor, &share, rounding);
                let weights = numbers(rows * columns, 4);
                let (found, marks) =
                    prune_columns(&Engine::Cpu, weights, &factor, &share, rounding).expect("pruned");
                assert_eq!(marks, mask, "{share:?}, {rounding:?}");
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-4, "{found} and {expected}");
                }
            }
        }
    }
}
