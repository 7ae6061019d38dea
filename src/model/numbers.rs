//! What is counted and looked for among the numbers of a tensor.

use rayon::prelude::*;

use crate::data::Values;

/// Returns the index of the first number that is NaN or infinite.
pub fn first_not_finite(values: &Values<'_>) -> Option<usize> {
    match values {
        Values::F32(all) => all.par_iter().position_first(|it| !it.is_finite()),
        Values::F16(all) => all.par_iter().position_first(|it| !it.is_finite()),
        Values::Bf16(all) => all.par_iter().position_first(|it| !it.is_finite()),
    }
}

/// Returns how many numbers are 0, of either sign.
pub(crate) fn count_zeros(values: &Values<'_>) -> u64 {
    let count = match values {
        Values::F32(all) => all.iter().filter(|it| **it == 0.0).count(),
        Values::F16(all) => all.iter().filter(|it| it.to_bits() << 1 == 0).count(),
        Values::Bf16(all) => all.iter().filter(|it| it.to_bits() << 1 == 0).count(),
    };
    count as u64
}
