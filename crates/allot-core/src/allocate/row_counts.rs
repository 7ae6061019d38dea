//! Counts of the weights that each output channel of a projection loses.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::round::pruned_in_row;

/// Resolution of the remainders of rows, in parts of a weight: remainders that differ by less are equal.
const PARTS: f64 = (1_u64 << 32) as f64;

/// How many weights each row of a projection loses, `[rows]`.
// Clones share the counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "Vec<u32>", into = "Vec<u32>")]
#[cfg_attr(feature = "schema", schemars(with = "Vec<u32>"))]
pub struct RowCounts(Arc<[u32]>);

impl From<Vec<u32>> for RowCounts {
    fn from(counts: Vec<u32>) -> Self {
        Self(counts.into())
    }
}

impl From<RowCounts> for Vec<u32> {
    fn from(counts: RowCounts) -> Self {
        counts.0.to_vec()
    }
}

impl RowCounts {
    /// Distributes `pruned` weights over rows of `columns` weights at the ratios `sparsity`, `[rows]`, by largest remainder.
    ///
    /// Of rows with equal remainders, those that lose one more are spread evenly, so equal ratios give the counts of
    /// [`pruned_in_row`]. No row loses more than it has; a count beyond all weights of the rows is cut off.
    pub fn round(sparsity: &[f64], columns: usize, pruned: u64) -> Self {
        // In whole parts of a weight, so that ratios that differ only by rounding are equal.
        let quotas: Vec<u64> =
            sparsity.iter().map(|ratio| (ratio * columns as f64 * PARTS).round() as u64).collect();
        let mut counts: Vec<u32> = quotas.iter().map(|it| ((it >> 32) as u32).min(columns as u32)).collect();
        let remainders: Vec<u32> = quotas.iter().map(|it| *it as u32).collect();
        let total = |counts: &[u32]| counts.iter().map(|it| u64::from(*it)).sum::<u64>();
        loop {
            let missing = i128::from(pruned) - i128::from(total(&counts));
            let more = missing > 0;
            let mut open: Vec<usize> = (0..counts.len())
                .filter(|row| if more { counts[*row] < columns as u32 } else { counts[*row] > 0 })
                .collect();
            if missing == 0 || open.is_empty() {
                return Self(counts.into());
            }
            // A stable sort keeps rows of equal remainders in order, so that an even choice is possible.
            open.sort_by(|a, b| match more {
                true => remainders[*b].cmp(&remainders[*a]),
                false => remainders[*a].cmp(&remainders[*b]),
            });
            let mut left = (missing.unsigned_abs() as usize).min(open.len());
            for equal in open.chunk_by(|a, b| remainders[*a] == remainders[*b]) {
                let taken = left.min(equal.len());
                left -= taken;
                for (place, row) in equal.iter().enumerate() {
                    let one = pruned_in_row(place as u64, equal.len() as u64, taken as u64) as u32;
                    counts[*row] = if more { counts[*row] + one } else { counts[*row] - one };
                }
            }
        }
    }

    /// Returns how many weights each row loses.
    pub fn counts(&self) -> &[u32] {
        &self.0
    }

    /// Returns how many weights all rows lose together.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|it| u64::from(*it)).sum()
    }

    /// Returns how many rows lose all of their `columns` weights.
    pub fn dead(&self, columns: usize) -> usize {
        self.0.iter().filter(|it| **it as usize >= columns).count()
    }

    /// Returns whether each row loses as many weights as if only the projection's count were given.
    pub fn are_even(&self) -> bool {
        let (rows, pruned) = (self.0.len() as u64, self.total());
        self.0.iter().enumerate().all(|(row, it)| u64::from(*it) == pruned_in_row(row as u64, rows, pruned))
    }
}
