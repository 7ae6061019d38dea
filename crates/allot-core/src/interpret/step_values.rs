//! The values of a plan's steps that are known, in all units.

use std::sync::Arc;

use super::matrix::StepValue;
use super::plan::{Plan, StepId};
use super::units::UnitData;
use crate::kernels::reduction::Reduced;

/// Reductions of a plan whose results are at hand, in order.
pub(super) type Given = Vec<(StepId, Arc<[Reduced]>)>;

/// The values of a plan's steps that are known, in all units; nothing for steps with a value for each weight.
pub(super) struct StepValues {
    units: Vec<UnitData>,
    /// For each step, its number in each unit.
    layers: Vec<Vec<f64>>,
    /// For each reduction, what it is in each unit.
    reduced: Vec<Vec<Reduced>>,
    /// For each step with a value for each channel, its values in each linear; nothing for other steps.
    channels: Vec<Vec<Vec<f64>>>,
}

impl StepValues {
    /// Returns no values of a number of steps in some units.
    pub(super) fn new(steps: usize, units: Vec<UnitData>) -> Self {
        Self {
            layers: vec![Vec::new(); steps],
            reduced: vec![Vec::new(); steps],
            channels: vec![Vec::new(); steps],
            units,
        }
    }

    /// Returns the model's units.
    pub(super) fn units(&self) -> &[UnitData] {
        &self.units
    }

    /// Returns a step's number in each unit.
    pub(super) fn layer(&self, step: StepId) -> &[f64] {
        &self.layers[step]
    }

    /// Returns what a reduction is in each unit.
    pub(super) fn reduced(&self, step: StepId) -> &[Reduced] {
        &self.reduced[step]
    }

    /// Returns a step's values for the channels of a linear.
    pub(super) fn of_channels(&self, step: StepId, linear: usize) -> &[f64] {
        self.channels[step].get(linear).map_or(&[], Vec::as_slice)
    }

    /// Takes the results of a reduction in all units.
    pub(super) fn give(&mut self, step: StepId, reduced: &[Reduced]) {
        self.layers[step] = reduced.iter().map(|reduced| reduced.value).collect();
        self.reduced[step] = reduced.to_vec();
    }

    /// Takes a step's number in each unit.
    pub(super) fn set_layer(&mut self, step: StepId, values: Vec<f64>) {
        self.layers[step] = values;
    }

    /// Takes a step's value in one unit.
    pub(super) fn keep(&mut self, plan: &Plan<'_>, unit: usize, step: StepId, value: StepValue) {
        match value {
            StepValue::One(reduced) => {
                let units = self.units.len();
                self.layers[step].resize(units, f64::NAN);
                self.layers[step][unit] = reduced.value;
                if plan.steps[step].is_reduction() {
                    self.reduced[step].resize(units, Reduced::default());
                    self.reduced[step][unit] = reduced;
                }
            }
            StepValue::Channels(linears) => {
                for (linear, values) in self.units[unit].linears.iter().zip(linears) {
                    let of_step = &mut self.channels[step];
                    of_step.resize(of_step.len().max(linear + 1), Vec::new());
                    of_step[*linear] = values;
                }
            }
            // Ranks serve the unit's own rounds, and are computed anew for others.
            StepValue::Weights(_) => {}
        }
    }
}
