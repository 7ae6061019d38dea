//! Which weights of one linear are pruned.

use half::{bf16, f16};
use sha2::{Digest, Sha256};

use crate::data::Values;
use crate::model::hexadecimal;

/// Which weights of one matrix are pruned, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    columns: usize,
    pruned: Vec<bool>,
}

impl Mask {
    /// Wraps marks, `[rows, columns]`, true for a pruned weight.
    pub fn new(columns: usize, pruned: Vec<bool>) -> Self {
        Self { columns, pruned }
    }

    /// Returns the number of rows: the output channels.
    pub fn rows(&self) -> usize {
        self.pruned.len().checked_div(self.columns).unwrap_or(0)
    }

    /// Returns the number of columns: the input channels.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Returns the marks, row-major, true for a pruned weight.
    pub fn pruned(&self) -> &[bool] {
        &self.pruned
    }

    /// Returns the number of pruned weights.
    pub fn count(&self) -> u64 {
        self.pruned.iter().map(|it| u64::from(*it)).sum()
    }

    /// Returns SHA-256 of one byte for each weight, row-major, 1 if it is pruned.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for row in self.pruned.chunks(self.columns.max(1)) {
            let bytes: Vec<u8> = row.iter().map(|it| u8::from(*it)).collect();
            hash.update(&bytes);
        }
        hexadecimal(&hash.finalize())
    }

    /// Returns the weights with the pruned ones set to 0 and all others unchanged, bit for bit.
    pub fn apply(&self, weights: &Values<'_>) -> Values<'static> {
        match weights {
            Values::F32(all) => Values::F32(self.zeroed(all, 0.0).into()),
            Values::F16(all) => Values::F16(self.zeroed(all, f16::ZERO).into()),
            Values::Bf16(all) => Values::Bf16(self.zeroed(all, bf16::ZERO).into()),
        }
    }

    fn zeroed<T: Copy>(&self, all: &[T], zero: T) -> Vec<T> {
        all.iter().zip(&self.pruned).map(|(value, pruned)| if *pruned { zero } else { *value }).collect()
    }
}
