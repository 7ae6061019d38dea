//! AlphaPruning's metric: `data/MODEL/alpha_peak.npy`, float64, one value for each linear.
//!
//! The tool takes the mean `q` of each block's values and maps it to
//! `s = eta (1 - e + 2 e (q - min) / (max - min))`, where `eta` meets the budget by parameters (AlphaPruning,
//! NeurIPS 2024, arXiv 2410.10912, released code, `block_wise`). With the ratios themselves as the metric and
//! `e = (max s - min s) / (max s + min s)`, the mapping returns the ratios.

use super::modules::{Ratios, linear_ratios, linears, one_for_each_block};
use super::{ExchangeError, Format, Unsaid};
use crate::allocate::{Allocation, Unit, mean_sparsity};

/// A metric, and the `epsilon` with which it yields an allocation's ratios.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// One value for each linear, in the model's order.
    pub values: Vec<f64>,
    /// The required value of `--epsilon`.
    pub epsilon: f64,
}

/// Returns the metric that AlphaPruning maps to an allocation's ratios.
///
/// # Errors
/// When the linears of a block have different ratios, or all blocks have the same ratio.
pub fn metric(allocation: &Allocation) -> Result<Metric, ExchangeError> {
    let ratios = linear_ratios(allocation)?;
    let blocks = one_for_each_block(&ratios, Format::AlphaPruning)?;
    let (least, most) = range(&blocks);
    if least >= most {
        return Err(ExchangeError::Uniform { ratio: least });
    }
    let epsilon = (most - least) / (most + least);
    Ok(Metric { values: ratios.iter().map(|linear| linear.sparsity).collect(), epsilon })
}

/// Maps a metric, one value for each linear, to a ratio for each block, as AlphaPruning does.
///
/// Without `epsilon`, the values are ratios themselves; without `target`, the target is the ratios' mean by
/// parameters.
///
/// # Errors
/// When the number of values is not that of the linears, the values are all equal or not finite, or they are
/// not ratios and `epsilon` is missing.
pub fn read(
    values: &[f64],
    epsilon: Option<f64>,
    target: Option<f64>,
    blocks: &[Unit],
) -> Result<Ratios, ExchangeError> {
    let wrong = |problem: &str| ExchangeError::malformed(Format::AlphaPruning, problem);
    let linears = linears(blocks).count();
    if values.len() != linears {
        let (found, blocks) = (values.len(), blocks.len());
        return Err(ExchangeError::Count { found, blocks, linears });
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(wrong("a value is not finite"));
    }
    let mut rest = values;
    let metric: Vec<f64> = blocks
        .iter()
        .map(|block| {
            let size = block.projections.len();
            let (of_block, others) = rest.split_at(size);
            rest = others;
            // Relative to the first value, so that the mean of equal values is exact.
            of_block[0] + of_block.iter().map(|value| value - of_block[0]).sum::<f64>() / size as f64
        })
        .collect();
    let Some(epsilon) = epsilon else {
        return match metric.iter().all(|value| (0.0..=1.0).contains(value)) {
            true => Ok(Ratios::Blocks(metric)),
            false => {
                Err(ExchangeError::Missing { format: Format::AlphaPruning.name(), what: Unsaid::Mapping })
            }
        };
    };
    let target = target
        .ok_or(ExchangeError::Missing { format: Format::AlphaPruning.name(), what: Unsaid::Sparsity })?;
    let (least, most) = range(&metric);
    if least >= most {
        return Err(wrong("all values are equal, but its mapping divides by their range"));
    }
    let factor = |value: &f64| 1.0 - epsilon + 2.0 * epsilon * (value - least) / (most - least);
    let factors: Vec<f64> = metric.iter().map(factor).collect();
    let parameters: Vec<u64> = blocks.iter().map(Unit::parameters).collect();
    let eta = target / mean_sparsity(&factors, &parameters)?;
    Ok(Ratios::Blocks(factors.iter().map(|factor| eta * factor).collect()))
}

fn range(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    (least, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}
