//! Credit for the variations that help at present.

use super::space::{VARIATIONS, Variation};

/// How often each variation was tried, and how often the child was better than its parent.
///
/// Variations that help are drawn more often: probability matching (Fialho, 2010), scaled by the table's
/// weights.
pub(super) struct VariationCredit {
    tried: Vec<f64>,
    helped: Vec<f64>,
}

impl VariationCredit {
    pub(super) fn new() -> Self {
        // Starts with a few imagined trials, so that the first real ones do not decide.
        Self { tried: vec![10.0; VARIATIONS.len()], helped: vec![2.0; VARIATIONS.len()] }
    }

    /// Records that a variation was tried, and whether it helped.
    pub(super) fn add(&mut self, variation: Variation, helped: bool) {
        let place = variation as usize;
        // Older trials count less.
        self.tried[place] = 0.98 * self.tried[place] + 1.0;
        self.helped[place] = 0.98 * self.helped[place] + f64::from(u8::from(helped));
    }

    /// Returns the factor for each variation's weight; always high enough that no variation dies out.
    pub(super) fn factors(&self) -> Vec<f64> {
        let rates: Vec<f64> =
            self.helped.iter().zip(&self.tried).map(|(helped, tried)| helped / tried).collect();
        let mean = (rates.iter().sum::<f64>() / rates.len() as f64).max(1e-9);
        rates.iter().map(|rate| 0.2 + 0.8 * rate / mean).collect()
    }
}
