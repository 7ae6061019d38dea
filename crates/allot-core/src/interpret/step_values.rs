//! The known values of a plan's steps, in all units.

use std::sync::Arc;

use super::matrix::StepValue;
use super::plan::{Plan, StepId};
use super::units::UnitData;
use crate::kernels::reduction::Reduced;
use crate::lang::types::Type;

/// Reductions of a plan whose results are known, in order.
pub(super) type Given = Vec<(StepId, Arc<[Reduced]>)>;

/// The known values of a plan's steps, in all units; empty for per-weight steps.
pub(super) struct StepValues {
    units: Vec<UnitData>,
    /// For each step, its number in each unit.
    layers: Vec<Vec<f64>>,
    /// For each reduction, its result in each unit.
    reduced: Vec<Vec<Reduced>>,
    /// For each step with a value for each channel, its values in each linear; empty for other steps.
    channels: Vec<Vec<Vec<f64>>>,
    /// For each reduction within linears, the mean magnitude of its terms in each channel.
    magnitudes: Vec<Vec<Vec<f64>>>,
    /// For each step, the first unit with a channel whose value is not finite; found once, because every formula needs it.
    not_finite: Vec<Option<usize>>,
}

impl StepValues {
    /// Returns an empty collection for a number of steps in some units.
    pub(super) fn new(steps: usize, units: Vec<UnitData>) -> Self {
        Self {
            layers: vec![Vec::new(); steps],
            reduced: vec![Vec::new(); steps],
            channels: vec![Vec::new(); steps],
            magnitudes: vec![Vec::new(); steps],
            not_finite: vec![None; steps],
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

    /// Returns a reduction's result in each unit.
    pub(super) fn reduced(&self, step: StepId) -> &[Reduced] {
        &self.reduced[step]
    }

    /// Returns a step's values for the channels of a linear.
    pub(super) fn of_channels(&self, step: StepId, linear: usize) -> &[f64] {
        self.channels[step].get(linear).map_or(&[], Vec::as_slice)
    }

    /// Returns the first unit in which a step has a value for a channel that is not finite.
    pub(super) fn not_finite_channel(&self, step: StepId) -> Option<usize> {
        self.not_finite[step]
    }

    /// Returns the mean magnitudes of a reduction's terms for the channels of a linear.
    pub(super) fn magnitudes(&self, step: StepId, linear: usize) -> &[f64] {
        self.magnitudes[step].get(linear).map_or(&[], Vec::as_slice)
    }

    /// Returns a root's values: one for each unit, or one for each channel of each unit's linears if the root has channels.
    pub(super) fn of_root(&self, plan: &Plan<'_>, root: StepId) -> Vec<f64> {
        match plan.steps[root].of_type {
            Type::Input | Type::Output => self
                .units
                .iter()
                .flat_map(|unit| &unit.linears)
                .flat_map(|linear| self.of_channels(root, *linear))
                .copied()
                .collect(),
            _ => self.layer(root).to_vec(),
        }
    }

    /// Stores the results of a reduction in all units.
    pub(super) fn give(&mut self, step: StepId, reduced: &[Reduced]) {
        self.layers[step] = reduced.iter().map(|reduced| reduced.value).collect();
        self.reduced[step] = reduced.to_vec();
    }

    /// Stores a step's number in each unit.
    pub(super) fn set_layer(&mut self, step: StepId, values: Vec<f64>) {
        self.layers[step] = values;
    }

    /// Stores a step's value in one unit.
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
            StepValue::Channels { values, magnitudes } => {
                if self.not_finite[step].is_none_or(|first| unit < first)
                    && values.iter().flatten().any(|x| !x.is_finite())
                {
                    self.not_finite[step] = Some(unit);
                }
                let linears = &self.units[unit].linears;
                put(&mut self.channels[step], linears, values);
                put(&mut self.magnitudes[step], linears, magnitudes);
            }
            // Ranks are used only in the unit's own rounds, and computed again in others.
            StepValue::Weights(_) => {}
        }
    }
}

/// Stores the values of a unit's linears at the places of the linears in the model.
fn put(of_step: &mut Vec<Vec<f64>>, linears: &[usize], values: Vec<Vec<f64>>) {
    for (linear, values) in linears.iter().zip(values) {
        of_step.resize(of_step.len().max(linear + 1), Vec::new());
        of_step[*linear] = values;
    }
}
