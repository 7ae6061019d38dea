//! TRIM: ratios for the rows of each linear by how well the rows' outputs survive pruning.

use std::collections::BTreeMap;

use candle_core::{D, DType, Tensor};

use super::cancel::Cancel;
use super::error::TrialError;
use super::measurer::TrimTask;
use super::ranks::Ranks;
use super::subject::Subject;
use crate::allocate::RowCounts;
use crate::model::{ModelError, Site};
use crate::prune::{PruneError, Share};

/// How many times the ratios of a linear's rows are moved at each rate.
const ITERATIONS: usize = 10;

/// The rates, tried in order until one brings no improvement; the negative ones are tried only if none of the
/// positive ones beats equal ratios.
const RATES: [f64; 6] = [0.01, 0.02, 0.04, 0.08, 0.12, 0.16];
const NEGATIVE_RATES: [f64; 3] = [-0.01, -0.02, -0.04];

/// The maximum ratio of a row.
const HIGHEST: f64 = 0.95;

/// Keeps a quotient finite when all rows survive equally well.
const SMALL: f64 = 1e-6;

/// Returns the ratios of the rows of each linear, `[linears][rows]`. Their mean is the linear's share, apart
/// from clipping.
///
/// The linears' inputs are those in the dense model.
///
/// # Errors
/// When a linear has no share, a tensor operation fails, or the work was interrupted.
pub(super) fn trimmed(
    subject: &Subject,
    task: &TrimTask,
    cancel: &Cancel,
) -> Result<Vec<Vec<f64>>, TrialError> {
    let Some(reference) = subject.reference(task.split) else { return Ok(Vec::new()) };
    let mut hidden = reference.embedded(task.windows.clone())?;
    let mut ratios = Vec::with_capacity(task.model.shares.len());
    for (index, block) in subject.blocks().iter().enumerate() {
        let mut grams = BTreeMap::new();
        for batch in &mut hidden {
            cancel.check()?;
            *batch = block
                .forward(batch, reference.angles(), &mut |site, input| add_gram(&mut grams, site, input))?;
        }
        for (place, linear) in subject.linears_of(index).zip(block.linears()) {
            cancel.check()?;
            let of = &linear.linear;
            let missing = || PruneError::NotAllocated { module: of.module.clone() };
            let share = task.model.shares.get(place).ok_or_else(missing)?;
            let gram = grams.get(&of.site).ok_or_else(missing)?;
            let ranks = subject.ranks(place)?;
            let rows = Rows::new(linear.weight(), gram, &ranks).map_err(ModelError::at(&of.module))?;
            let found = rows.ratios(share.sparsity, of.rows).map_err(ModelError::at(&of.module))?;
            ratios.push(found);
        }
    }
    Ok(ratios)
}

/// Adds the Gram matrix of a site's input, `[channels, channels]`.
fn add_gram(grams: &mut BTreeMap<Site, Tensor>, site: Site, input: &Tensor) -> Result<(), ModelError> {
    let channels = input.dim(D::Minus1)?;
    let flat = input.reshape(((), channels))?.to_dtype(DType::F32)?;
    let gram = flat.t()?.contiguous()?.matmul(&flat)?;
    let sum = match grams.get(&site) {
        Some(before) => (before + gram)?,
        None => gram,
    };
    grams.insert(site, sum);
    Ok(())
}

/// The rows of one linear, with their outputs on a text.
struct Rows<'a> {
    weight: &'a Tensor,
    values: Vec<f32>,
    gram: &'a Tensor,
    /// The dense rows times the Gram matrix, `[rows, columns]`.
    dense: Tensor,
    /// The squares of the dense rows' outputs, summed over tokens, `[rows]`.
    squares: Vec<f32>,
    ranks: &'a Ranks,
}

/// The cosine similarity of dense and pruned outputs, for each row and for the whole output.
struct Survival {
    rows: Vec<f64>,
    whole: f64,
}

impl<'a> Rows<'a> {
    fn new(weight: &'a Tensor, gram: &'a Tensor, ranks: &'a Ranks) -> candle_core::Result<Self> {
        let wide = weight.to_dtype(DType::F32)?;
        let dense = wide.matmul(gram)?;
        let squares = (&dense * &wide)?.sum(1)?.to_vec1()?;
        Ok(Self { weight, values: wide.flatten_all()?.to_vec1()?, gram, dense, squares, ranks })
    }

    /// Returns the ratios with the highest similarity of the whole output.
    fn ratios(&self, share: f64, rows: usize) -> candle_core::Result<Vec<f64>> {
        let equal = vec![share; rows];
        let begun = self.survival(&equal)?.whole;
        let mut best = (equal.clone(), begun);
        for rates in [&RATES[..], &NEGATIVE_RATES[..]] {
            for rate in rates {
                let found = self.at_rate(&equal, share, *rate)?;
                if found.1 <= best.1 {
                    break;
                }
                best = found;
            }
            if best.1 > begun {
                break;
            }
        }
        Ok(best.0)
    }

    /// Moves ratios at one rate, and returns those of the best iteration with the similarity of the whole
    /// output.
    fn at_rate(&self, equal: &[f64], share: f64, rate: f64) -> candle_core::Result<(Vec<f64>, f64)> {
        let mut ratios = equal.to_vec();
        let mut survival = self.survival(&ratios)?;
        let mut best = (ratios.clone(), survival.whole);
        for _ in 0..ITERATIONS {
            moved(&mut ratios, &survival.rows, share, rate);
            survival = self.survival(&ratios)?;
            if survival.whole > best.1 {
                best = (ratios.clone(), survival.whole);
            }
        }
        Ok(best)
    }

    /// Returns the similarities when each row loses the whole weights of its ratio.
    fn survival(&self, ratios: &[f64]) -> candle_core::Result<Survival> {
        let (rows, columns) = self.weight.dims2()?;
        let counts: Vec<u32> = ratios.iter().map(|it| (it.clamp(0.0, 1.0) * columns as f64) as u32).collect();
        let counts = RowCounts::from(counts);
        let share = Share { rows: Some(counts.clone()), ..Share::new(0.0, counts.total()) };
        let masked = self.ranks.masked(&self.values, &share);
        let pruned = Tensor::from_vec(masked, (rows, columns), self.weight.device())?;
        let products: Vec<f32> = (&self.dense * &pruned)?.sum(1)?.to_vec1()?;
        let squares: Vec<f32> = (pruned.matmul(self.gram)? * &pruned)?.sum(1)?.to_vec1()?;
        let cosine = |product: f64, dense: f64, pruned: f64| {
            let size = (dense.max(0.0) * pruned.max(0.0)).sqrt();
            if size > 0.0 { product / size } else { 0.0 }
        };
        let of_row = |((product, dense), pruned): ((&f32, &f32), &f32)| {
            cosine((*product).into(), (*dense).into(), (*pruned).into())
        };
        let sum = |values: &[f32]| values.iter().map(|it| f64::from(*it)).sum::<f64>();
        Ok(Survival {
            rows: products.iter().zip(&self.squares).zip(&squares).map(of_row).collect(),
            whole: cosine(sum(&products), sum(&self.squares), sum(&squares)),
        })
    }
}

/// Moves ratios: rows that survive well lose more.
fn moved(ratios: &mut [f64], survival: &[f64], share: f64, rate: f64) {
    let n = ratios.len().max(1) as f64;
    let low = survival.iter().copied().fold(f64::INFINITY, f64::min);
    let high = survival.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let steps: Vec<f64> = survival.iter().map(|it| 2.0 * rate * (it - low) / (high - low + SMALL)).collect();
    let middle = steps.iter().sum::<f64>() / n;
    for (ratio, step) in ratios.iter_mut().zip(steps) {
        *ratio = (*ratio + step - middle).clamp(0.0, HIGHEST);
    }
    let missing = share - ratios.iter().sum::<f64>() / n;
    ratios.iter_mut().for_each(|ratio| *ratio += missing);
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::lang::types::Group;

    #[test]
    fn a_row_that_survives_well_loses_more_and_the_mean_stays() {
        let mut ratios = vec![0.5; 4];
        moved(&mut ratios, &[0.2, 0.9, 0.9, 0.2], 0.5, 0.1);
        assert!((ratios[0] - 0.4).abs() < 1e-6 && (ratios[1] - 0.6).abs() < 1e-6, "{ratios:?}");
        // The clipped amount is returned to all rows.
        let mut ratios = vec![0.93, 0.93, 0.1];
        moved(&mut ratios, &[1.0, 1.0, 0.0], 0.6, 0.2);
        assert!((ratios.iter().sum::<f64>() / 3.0 - 0.6).abs() < 1e-12, "{ratios:?}");
    }

    #[test]
    fn survival_is_the_cosine_of_outputs_and_the_result_is_at_least_as_good_as_equal_rows() {
        let (rows, columns, tokens) = (3, 8, 20);
        let number = |at: usize| ((at * 7919 % 101) as f32 - 50.0) / 25.0;
        let values: Vec<f32> =
            (0..rows * columns)
                // The last row depends on a single weight.
                .map(|at| {
                    if at / columns == 2 && at % columns > 0 { 0.001 * number(at) } else { number(at) + 0.01 }
                })
                .collect();
        let inputs: Vec<f32> = (0..tokens * columns).map(|at| number(at + 3)).collect();
        let weight = Tensor::from_slice(&values, (rows, columns), &Device::Cpu).expect("a weight");
        let input = Tensor::from_slice(&inputs, (1, tokens, columns), &Device::Cpu).expect("inputs");
        let mut grams = BTreeMap::new();
        add_gram(&mut grams, Site::MlpInput, &input).expect("a Gram matrix");
        let scores: Vec<f32> = values.iter().map(|it| it.abs()).collect();
        let ranks = Ranks::new(&scores, columns, Group::Row, None);
        let linear = Rows::new(&weight, &grams[&Site::MlpInput], &ranks).expect("rows");
        let found = linear.survival(&[0.5; 3]).expect("a similarity");
        let share = Share { rows: Some(RowCounts::from(vec![4; 3])), ..Share::new(0.5, 12) };
        let pruned = ranks.masked(&values, &share);
        for row in 0..rows {
            let output = |weights: &[f32], token: usize| -> f64 {
                let pairs = weights[row * columns..][..columns].iter().zip(&inputs[token * columns..]);
                pairs.map(|(weight, input)| f64::from(*weight) * f64::from(*input)).sum()
            };
            let sum = |a: &[f32], b: &[f32]| (0..tokens).map(|it| output(a, it) * output(b, it)).sum::<f64>();
            let cosine = sum(&values, &pruned) / (sum(&values, &values) * sum(&pruned, &pruned)).sqrt();
            assert!((found.rows[row] - cosine).abs() < 1e-5, "{} for {cosine}", found.rows[row]);
        }
        let ratios = linear.ratios(0.5, rows).expect("ratios");
        assert!(linear.survival(&ratios).expect("a similarity").whole >= found.whole);
        assert!(ratios[2] > 0.5, "{ratios:?}");
    }
}
