//! Which weights stand at a threshold: a band of ranks on both sides of it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// How wide a band of ranks around a threshold is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Band {
    /// How many of the ranks lie on each side of the threshold, as a share of all.
    pub share: f64,
    /// The fewest on each side, in weights.
    pub least: u64,
}

impl Default for Band {
    /// Returns a fiftieth of the ranks on each side, and two weights at least.
    fn default() -> Self {
        Self { share: 0.02, least: 2 }
    }
}

/// The sum of a number over the weights of a band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BandSum {
    /// The sum.
    pub sum: f64,
    /// Over how many weights.
    pub weights: u64,
}

impl Band {
    /// Returns the ranks around the threshold that prunes the `pruned` least of `all` weights.
    ///
    /// There are as many on either side, so that second-order terms of single weights cancel as in the trapezoid rule. Where one side has
    /// fewer than the band asks for, both have as many as that one. At a threshold of nothing or of all the band lies on the side that is
    /// there, which is biased.
    pub fn around(self, pruned: u64, all: u64) -> Range<u64> {
        let pruned = pruned.min(all);
        let wanted = ((self.share * all as f64).round() as u64).max(self.least).max(1);
        match wanted.min(pruned).min(all - pruned) {
            0 => pruned.saturating_sub(wanted)..(pruned + wanted).min(all),
            half => pruned - half..pruned + half,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_band_has_as_many_weights_on_either_side(
            all in 1u64..2000,
            pruned in 0.0f64..=1.0,
            share in 0.0f64..=0.5,
            least in 0u64..5,
        ) {
            let pruned = (pruned * all as f64) as u64;
            let found = Band { share, least }.around(pruned, all);
            prop_assert!(found.start < found.end && found.end <= all, "{found:?} of {all}");
            if 0 < pruned && pruned < all {
                prop_assert_eq!(pruned - found.start, found.end - pruned);
                let wanted = ((share * all as f64).round() as u64).max(least).max(1);
                prop_assert!(found.end - pruned <= wanted);
            }
        }
    }
}
