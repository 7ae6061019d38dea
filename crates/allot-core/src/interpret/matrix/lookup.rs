//! Known values of steps, in one unit.

use crate::interpret::plan::StepId;
use crate::kernels::reduction::Reduced;

/// The value of a step in one unit.
#[derive(Clone, Debug)]
pub(in crate::interpret) enum StepValue {
    /// One number.
    One(Reduced),
    /// One for each channel of each of the unit's linears.
    Channels {
        /// The values.
        values: Vec<Vec<f64>>,
        /// The mean magnitudes of the terms of a reduction; empty for values that are not results of a reduction.
        magnitudes: Vec<Vec<f64>>,
    },
    /// One for each weight of each of the unit's linears: ranks.
    Weights(Vec<Vec<f32>>),
}

impl StepValue {
    /// Returns a number that is not the result of a reduction.
    pub(in crate::interpret) fn one(value: f64) -> Self {
        Self::One(Reduced { value, ..Reduced::default() })
    }

    /// Returns values for the channels of each linear that are not results of a reduction.
    pub(in crate::interpret) fn channels(values: Vec<Vec<f64>>) -> Self {
        Self::Channels { values, magnitudes: Vec::new() }
    }
}

/// Gives a round the known values of steps.
pub(in crate::interpret) trait Lookup: Sync {
    /// Returns a step's number in a unit.
    fn number(&self, step: StepId, unit: usize) -> f64;
    /// Returns a step's values for the channels of a linear; `place` is the linear's place in the current unit.
    fn channels(&self, step: StepId, place: usize, linear: usize) -> &[f64];
    /// Returns a step's values for the weights of a linear of the current unit.
    fn weights(&self, step: StepId, place: usize) -> &[f32];
}
