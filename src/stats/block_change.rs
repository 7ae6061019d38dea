//! How a block changes the residual stream: the cosine similarity of input and output, and the size of the
//! difference.

use candle_core::{D, DType, Tensor};
use rayon::prelude::*;

use crate::data::BlockChange;
use crate::model::ModelError;

/// Sums over the tokens that went through one block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChangeSums {
    tokens: usize,
    similarity: f64,
    relative: f64,
}

impl ChangeSums {
    /// Adds the tokens of one batch: the hidden states before and after the block, `[samples, length, hidden]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(super) fn add(&mut self, before: &Tensor, after: &Tensor) -> Result<(), ModelError> {
        let width = before.dim(D::Minus1)?.max(1);
        let [before, after] = [values(before)?, values(after)?];
        let pairs = before.par_chunks(width).zip(after.par_chunks(width));
        let of_tokens: Vec<BlockChange> = pairs.map(|(before, after)| change(before, after)).collect();
        // In order, so that the sum does not depend on the number of threads.
        for of_token in &of_tokens {
            self.similarity += of_token.similarity;
            self.relative += of_token.relative;
        }
        self.tokens += of_tokens.len();
        Ok(())
    }

    /// Returns the means over tokens.
    pub(super) fn mean(self) -> BlockChange {
        let tokens = self.tokens.max(1) as f64;
        BlockChange { similarity: self.similarity / tokens, relative: self.relative / tokens }
    }
}

fn values(hidden: &Tensor) -> Result<Vec<f32>, ModelError> {
    Ok(hidden.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// Returns the change of one token; 0 where a divisor is 0.
fn change(before: &[f32], after: &[f32]) -> BlockChange {
    let (mut product, mut own, mut other, mut difference) = (0.0, 0.0, 0.0, 0.0);
    for (x, y) in before.iter().zip(after) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        product += x * y;
        own += x * x;
        other += y * y;
        difference += (y - x) * (y - x);
    }
    let over = |value: f64, divisor: f64| if divisor == 0.0 { 0.0 } else { value / divisor };
    BlockChange {
        similarity: over(product, own.sqrt() * other.sqrt()),
        relative: over(difference.sqrt(), own.sqrt()),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn changes_are_means_over_tokens() {
        let tensor = |values: &[f32]| {
            Tensor::from_slice(values, (1, values.len() / 2, 2), &Device::Cpu).expect("a tensor")
        };
        let mut sums = ChangeSums::default();
        // The same, the opposite at twice the length, at a right angle; and a token without an input.
        let before = tensor(&[3.0, 4.0, 1.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
        let after = tensor(&[3.0, 4.0, -2.0, 0.0, 0.0, 2.0, 1.0, 0.0]);
        sums.add(&before, &after).expect("a sum");
        let found = sums.mean();
        assert!((found.similarity - (1.0 - 1.0) / 4.0).abs() < 1e-12, "{found:?}");
        assert!((found.relative - (0.0 + 3.0 + 2.0_f64.sqrt()) / 4.0).abs() < 1e-12, "{found:?}");
    }
}
