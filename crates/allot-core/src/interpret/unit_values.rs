//! The values of a plan's steps in one unit.

use std::collections::BTreeMap;

use super::context::Context;
use super::error::InterpretError;
use super::matrix::{Lookup, Round, StepValue};
use super::plan::{Plan, StepId, StepKind};
use super::step_values::StepValues;
use super::terminal;
use super::units::UnitData;
use crate::kernels::reduce;
use crate::lang::ops::Elementwise;
use crate::lang::scalar;
use crate::lang::types::Type;

/// The values of steps in one unit: those that are known in all units, and results of the unit's own rounds so far.
pub(super) struct UnitValues<'k> {
    known: &'k StepValues,
    unit: &'k UnitData,
    local: BTreeMap<StepId, StepValue>,
}

impl<'k> UnitValues<'k> {
    /// Returns the known values of one unit.
    pub(super) fn new(known: &'k StepValues, unit: usize) -> Self {
        Self { known, unit: &known.units()[unit], local: BTreeMap::new() }
    }

    /// Runs a round on several units, and stores the results of each.
    ///
    /// # Errors
    /// As [`Round::run`].
    pub(super) fn run(
        units: &mut [Self],
        plan: &Plan<'_>,
        context: Context<'_>,
        round: &Round,
    ) -> Result<(), InterpretError> {
        let here: Vec<(&UnitData, &Self)> = units.iter().map(|values| (values.unit, values)).collect();
        let values = round.run(plan, context, &here)?;
        for (unit, values) in units.iter_mut().zip(values) {
            unit.local.extend(round.reductions().iter().copied().zip(values));
        }
        Ok(())
    }

    /// Stores a step's value.
    pub(super) fn insert(&mut self, step: StepId, value: StepValue) {
        self.local.insert(step, value);
    }

    /// Returns the results of the unit's own rounds.
    pub(super) fn into_own(self) -> Vec<(StepId, StepValue)> {
        self.local.into_iter().collect()
    }

    /// Computes a step that needs no weights.
    ///
    /// # Errors
    /// Fails on a step that needs weights or all units.
    pub(super) fn step(
        &self,
        plan: &Plan<'_>,
        context: Context<'_>,
        id: StepId,
    ) -> Result<StepValue, InterpretError> {
        let of_unit = self.unit;
        let step = &plan.steps[id];
        Ok(match &step.kind {
            StepKind::Number(value) => StepValue::one(*value),
            StepKind::Terminal(op) => terminal::value(*op, context, of_unit),
            StepKind::Map(op, operands) if matches!(step.of_type, Type::Input | Type::Output) => {
                let linears = of_unit.linears.iter().enumerate();
                StepValue::channels(
                    linears.map(|(place, linear)| self.map(plan, *op, operands, place, *linear)).collect(),
                )
            }
            StepKind::Map(op, operands) => {
                let operands: Vec<f64> =
                    operands.iter().map(|operand| self.number(*operand, self.unit.index)).collect();
                StepValue::one(scalar::apply(*op, &operands).unwrap_or(f64::NAN))
            }
            StepKind::Reduce(reduction, _, x) => {
                StepValue::One(reduce::reduce_doubles(*reduction, &self.all_channels(*x)))
            }
            StepKind::Ranks(x) => {
                let mut ranks = reduce::ranks(&self.all_channels(*x)).into_iter();
                let linears = of_unit.linears.iter().enumerate();
                StepValue::channels(
                    linears
                        .map(|(place, linear)| {
                            let length = self.channels(*x, place, *linear).len();
                            ranks.by_ref().take(length).collect()
                        })
                        .collect(),
                )
            }
            StepKind::MatrixReduce(..) | StepKind::Layerwise(..) => {
                return Err(InterpretError::internal(step.origin));
            }
        })
    }

    /// Applies an elementwise operator to the channels of a linear.
    fn map(
        &self,
        plan: &Plan<'_>,
        op: Elementwise,
        operands: &[StepId],
        place: usize,
        linear: usize,
    ) -> Vec<f64> {
        let vectors: Vec<Result<&[f64], f64>> = operands
            .iter()
            .map(|operand| match plan.steps[*operand].of_type {
                Type::Input | Type::Output => Ok(self.channels(*operand, place, linear)),
                _ => Err(self.number(*operand, self.unit.index)),
            })
            .collect();
        let length = vectors.iter().flatten().map(|values| values.len()).max().unwrap_or(0);
        let mut here = vec![0.0; operands.len()];
        (0..length)
            .map(|channel| {
                for (here, vector) in here.iter_mut().zip(&vectors) {
                    *here = match vector {
                        Ok(values) => values.get(channel).copied().unwrap_or(f64::NAN),
                        Err(number) => *number,
                    };
                }
                scalar::apply(op, &here).unwrap_or(f64::NAN)
            })
            .collect()
    }

    fn all_channels(&self, step: StepId) -> Vec<f64> {
        let linears = self.unit.linears.iter().enumerate();
        linears.flat_map(|(place, linear)| self.channels(step, place, *linear)).copied().collect()
    }
}

impl Lookup for UnitValues<'_> {
    fn number(&self, step: StepId, unit: usize) -> f64 {
        match self.local.get(&step) {
            Some(StepValue::One(reduced)) => reduced.value,
            _ => self.known.layer(step).get(unit).copied().unwrap_or(f64::NAN),
        }
    }

    fn channels(&self, step: StepId, place: usize, linear: usize) -> &[f64] {
        match self.local.get(&step) {
            Some(StepValue::Channels { values, .. }) => &values[place],
            _ => self.known.of_channels(step, linear),
        }
    }

    fn weights(&self, step: StepId, place: usize) -> &[f32] {
        match self.local.get(&step) {
            Some(StepValue::Weights(linears)) => &linears[place],
            _ => &[],
        }
    }
}
