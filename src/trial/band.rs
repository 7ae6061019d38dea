//! Bands: the weights whose ranks are near a threshold, on both sides.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The width of a band of ranks around a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Band {
    /// Share of all ranks that lies on each side of the threshold.
    pub share: f64,
    /// Minimum number of weights on each side.
    pub least: u64,
}

impl Default for Band {
    /// Returns a band of a fiftieth of the ranks on each side, and at least two weights.
    fn default() -> Self {
        Self { share: 0.02, least: 2 }
    }
}

/// The sum of a quantity over the weights of a band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BandSum {
    /// The sum.
    pub sum: f64,
    /// Number of weights summed over.
    pub weights: u64,
}

impl Band {
    /// Returns the ranks around the threshold that prunes the lowest `pruned` of `all` weights.
    ///
    /// Both sides have the same number of weights, so that second-order terms of single weights cancel as in
    /// the trapezoid rule. If one side is too short for the band, both are shortened to its length. If
    /// nothing or everything is pruned, the band lies on the only existing side, which is biased.
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
