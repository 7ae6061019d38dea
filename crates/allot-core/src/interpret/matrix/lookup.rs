//! Values of steps that are known, in one unit.

use crate::interpret::plan::StepId;
use crate::kernels::reduction::Reduced;

/// The value of a step that there is not one of for each weight, in one unit.
#[derive(Clone, Debug)]
pub(in crate::interpret) enum StepValue {
    /// One number.
    One(Reduced),
    /// One for each channel of each of the unit's linears.
    Channels {
        /// The values.
        values: Vec<Vec<f64>>,
        /// The mean magnitudes of the terms that a reduction added up; nothing where no reduction gave the values.
        magnitudes: Vec<Vec<f64>>,
    },
    /// One for each weight of each of the unit's linears: ranks.
    Weights(Vec<Vec<f32>>),
}

impl StepValue {
    /// Returns a number that no reduction gave.
    pub(in crate::interpret) fn one(value: f64) -> Self {
        Self::One(Reduced { value, ..Reduced::default() })
    }

    /// Returns values for the channels of each linear that no reduction gave.
    pub(in crate::interpret) fn channels(values: Vec<Vec<f64>>) -> Self {
        Self::Channels { values, magnitudes: Vec::new() }
    }
}

/// Where a round finds the values of steps that are already known.
pub(in crate::interpret) trait Lookup: Sync {
    /// Returns a step's number in a unit.
    fn number(&self, step: StepId, unit: usize) -> f64;
    /// Returns a step's values for the channels of a linear; `place` is the linear's place in the unit at hand.
    fn channels(&self, step: StepId, place: usize, linear: usize) -> &[f64];
    /// Returns a step's values for the weights of a linear of the unit at hand.
    fn weights(&self, step: StepId, place: usize) -> &[f32];
}
