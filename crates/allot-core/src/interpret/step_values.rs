//! What is known of a plan's steps: computed read by read, and in each read unit by unit.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::cache::Given;
use super::error::InterpretError;
use super::evaluate::Context;
use super::layer::layerwise;
use super::matrix::{Lookup, Round, UnitValue};
use super::plan::{Need, Plan, Step, StepId, StepKind};
use super::reduce::{self, Reduced};
use super::terminal::{self, one};
use super::units::{self, Unit};
use crate::lang::ops::Elementwise;
use crate::lang::scalar;
use crate::lang::types::Type;

/// Units that are buffered are read one after another when one has more weights than this.
const LARGE_UNIT: u64 = 1 << 23;

/// What is known of a plan's steps, for all units.
pub(super) struct Known {
    units: Vec<Unit>,
    /// For each step, its number in each unit.
    layers: Vec<Vec<f64>>,
    /// For each reduction, what it is in each unit.
    reduced: Vec<Vec<Reduced>>,
    /// For each step with a value for each channel, its values in each linear; nothing for other steps.
    channels: Vec<Vec<Vec<f64>>>,
}

/// The results of one unit, before they are put with the others'.
type OfUnit = Vec<(StepId, UnitValue)>;

/// One read of the weights, ready to run on any unit.
struct Read {
    /// Ranks of earlier reads, which are too large to have been kept.
    again: Vec<Round>,
    /// The rounds, each with the steps that are known when it is done.
    rounds: Vec<(Round, Vec<StepId>)>,
}

impl Read {
    fn new(plan: &Plan<'_>, read: usize) -> Self {
        let last = plan.steps.iter().filter(|step| step.read == read).map(|step| step.round).max();
        let rounds = (1..=last.unwrap_or(0))
            .map(|round| {
                let here = |id: &StepId| {
                    let step = &plan.steps[*id];
                    step.need == Need::Computed && step.read == read && step.round == round
                };
                let (of_weights, others): (Vec<StepId>, Vec<StepId>) =
                    (0..plan.steps.len()).filter(here).partition(|id| plan.steps[*id].needs_weights(plan));
                let others = others.into_iter().filter(|id| plan.steps[*id].of_type != Type::Matrix);
                (Round::new(plan, of_weights), others.collect())
            })
            .collect();
        Self { again: ranks(plan, |step| step.read < read), rounds }
    }
}

/// Returns rounds that compute the ranks of weights among some steps, each on its own, for one may need another.
fn ranks(plan: &Plan<'_>, wanted: impl Fn(&Step<'_>) -> bool) -> Vec<Round> {
    let ranks = plan.steps.iter().enumerate().filter(|(_, step)| {
        matches!(step.kind, StepKind::Ranks(_))
            && step.of_type == Type::Matrix
            && step.need == Need::Computed
            && wanted(step)
    });
    ranks.map(|(id, _)| Round::new(plan, vec![id])).collect()
}

impl Known {
    /// Computes all steps of a plan but those that there is a value for each weight of.
    ///
    /// # Errors
    /// Fails when the model has no linears, or a spectrum cannot be computed.
    pub(super) fn compute(plan: &Plan<'_>, context: Context<'_>) -> Result<Self, InterpretError> {
        Self::complete(plan, context, &Vec::new())
    }

    /// Computes what is left of a plan, as [`Known::compute`], when some reductions are given.
    ///
    /// # Errors
    /// As [`Known::compute`].
    pub(super) fn complete(
        plan: &Plan<'_>,
        context: Context<'_>,
        given: &Given,
    ) -> Result<Self, InterpretError> {
        let units = units::units(context.model, context.unit);
        if units.is_empty() {
            return Err(InterpretError::NoLinears);
        }
        let steps = plan.steps.len();
        let mut known = Self {
            layers: vec![Vec::new(); steps],
            reduced: vec![Vec::new(); steps],
            channels: vec![Vec::new(); steps],
            units,
        };
        for (step, reduced) in given {
            known.layers[*step] = reduced.iter().map(|reduced| reduced.value).collect();
            known.reduced[*step] = reduced.to_vec();
        }
        let last = plan.steps.iter().map(|step| step.read).max().unwrap_or(0);
        for read in 0..=last {
            for (id, step) in plan.steps.iter().enumerate() {
                if step.need == Need::Computed && step.read == read && step.round == 0 {
                    known.step(plan, context, id);
                }
            }
            known.read(plan, context, &Read::new(plan, read))?;
        }
        Ok(known)
    }

    /// Returns the model's units.
    pub(super) fn units(&self) -> &[Unit] {
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

    /// Computes a step for all units at once.
    fn step(&mut self, plan: &Plan<'_>, context: Context<'_>, id: StepId) {
        if let StepKind::Layerwise(op, parameters, x) = &plan.steps[id].kind {
            self.layers[id] = layerwise(*op, parameters, &self.layers[*x], &self.units);
        } else if plan.steps[id].of_type != Type::Matrix {
            for unit in 0..self.units.len() {
                let value = Overlay::new(self, unit).step(plan, context, id);
                self.keep(plan, unit, id, value);
            }
        }
    }

    /// Runs the rounds of one read of the weights, unit by unit.
    fn read(&mut self, plan: &Plan<'_>, context: Context<'_>, read: &Read) -> Result<(), InterpretError> {
        if read.rounds.is_empty() {
            return Ok(());
        }
        let buffers = !read.again.is_empty() || read.rounds.iter().any(|(round, _)| round.buffers());
        let large = self.units.iter().any(|unit| unit.parameters > LARGE_UNIT);
        let one = |unit: usize| self.unit(plan, context, read, unit);
        let results: Vec<Result<OfUnit, InterpretError>> =
            if (buffers && large) || !context.model.home.engine.backend().units_side_by_side() {
                (0..self.units.len()).map(one).collect()
            } else {
                (0..self.units.len()).into_par_iter().map(one).collect()
            };
        for (unit, values) in results.into_iter().enumerate() {
            for (step, value) in values? {
                self.keep(plan, unit, step, value);
            }
        }
        Ok(())
    }

    fn unit(
        &self,
        plan: &Plan<'_>,
        context: Context<'_>,
        read: &Read,
        unit: usize,
    ) -> Result<OfUnit, InterpretError> {
        let mut overlay = Overlay::new(self, unit);
        overlay.run(plan, context, &read.again)?;
        for (round, others) in &read.rounds {
            overlay.run(plan, context, std::slice::from_ref(round))?;
            for id in others {
                let value = overlay.step(plan, context, *id);
                overlay.local.insert(*id, value);
            }
        }
        Ok(overlay.into_values())
    }

    /// Returns what is known, and the ranks of a unit's weights, which are too large to keep for all units.
    ///
    /// # Errors
    /// As [`Known::compute`].
    pub(super) fn with_ranks(
        &self,
        plan: &Plan<'_>,
        context: Context<'_>,
        unit: usize,
    ) -> Result<Overlay<'_>, InterpretError> {
        let mut overlay = Overlay::new(self, unit);
        overlay.run(plan, context, &ranks(plan, |_| true))?;
        Ok(overlay)
    }

    fn keep(&mut self, plan: &Plan<'_>, unit: usize, step: StepId, value: UnitValue) {
        match value {
            UnitValue::One(reduced) => {
                let units = self.units.len();
                self.layers[step].resize(units, f64::NAN);
                self.layers[step][unit] = reduced.value;
                if plan.steps[step].is_reduction() {
                    self.reduced[step].resize(units, Reduced::default());
                    self.reduced[step][unit] = reduced;
                }
            }
            UnitValue::Channels(linears) => {
                for (linear, values) in self.units[unit].linears.iter().zip(linears) {
                    let of_step = &mut self.channels[step];
                    of_step.resize(of_step.len().max(linear + 1), Vec::new());
                    of_step[*linear] = values;
                }
            }
            // Ranks serve the unit's own rounds; `with_ranks` computes them anew.
            UnitValue::Weights(_) => {}
        }
    }
}

/// What is known of all units, and of the one at hand what its own rounds gave so far.
pub(super) struct Overlay<'k> {
    known: &'k Known,
    unit: usize,
    local: BTreeMap<StepId, UnitValue>,
}

impl<'k> Overlay<'k> {
    const fn new(known: &'k Known, unit: usize) -> Self {
        Self { known, unit, local: BTreeMap::new() }
    }

    /// Runs rounds on the unit, one after another.
    fn run(&mut self, plan: &Plan<'_>, context: Context<'_>, rounds: &[Round]) -> Result<(), InterpretError> {
        for round in rounds {
            let of_unit = (&self.known.units[self.unit], self.unit);
            let values = round.run(plan, context.model, of_unit, self)?;
            self.local.extend(round.reductions().iter().copied().zip(values));
        }
        Ok(())
    }

    fn into_values(self) -> OfUnit {
        self.local.into_iter().collect()
    }

    /// Computes a step that needs no weights.
    fn step(&self, plan: &Plan<'_>, context: Context<'_>, id: StepId) -> UnitValue {
        let of_unit = &self.known.units[self.unit];
        let step = &plan.steps[id];
        match &step.kind {
            StepKind::Number(value) => one(*value),
            StepKind::Terminal(op) => terminal::value(*op, context, of_unit),
            StepKind::Map(op, operands) if matches!(step.of_type, Type::Input | Type::Output) => {
                let linears = of_unit.linears.iter().enumerate();
                UnitValue::Channels(
                    linears.map(|(place, linear)| self.map(plan, *op, operands, place, *linear)).collect(),
                )
            }
            StepKind::Map(op, operands) => {
                let operands: Vec<f64> =
                    operands.iter().map(|operand| self.number(*operand, self.unit)).collect();
                one(scalar::apply(*op, &operands).unwrap_or(f64::NAN))
            }
            StepKind::Reduce(reduction, _, x) => {
                UnitValue::One(reduce::reduce_doubles(*reduction, &self.all_channels(*x)))
            }
            StepKind::Ranks(x) => {
                let mut ranks = reduce::ranks(&self.all_channels(*x)).into_iter();
                let linears = of_unit.linears.iter().enumerate();
                UnitValue::Channels(
                    linears
                        .map(|(place, linear)| {
                            let length = self.channels(*x, place, *linear).len();
                            ranks.by_ref().take(length).collect()
                        })
                        .collect(),
                )
            }
            StepKind::MatrixReduce(..) | StepKind::Layerwise(..) => one(f64::NAN),
        }
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
                _ => Err(self.number(*operand, self.unit)),
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
        let linears = self.known.units[self.unit].linears.iter().enumerate();
        linears.flat_map(|(place, linear)| self.channels(step, place, *linear)).copied().collect()
    }
}

impl Lookup for Overlay<'_> {
    fn number(&self, step: StepId, unit: usize) -> f64 {
        match self.local.get(&step) {
            Some(UnitValue::One(reduced)) => reduced.value,
            _ => self.known.layers[step].get(unit).copied().unwrap_or(f64::NAN),
        }
    }

    fn channels(&self, step: StepId, place: usize, linear: usize) -> &[f64] {
        match self.local.get(&step) {
            Some(UnitValue::Channels(linears)) => &linears[place],
            _ => self.known.of_channels(step, linear),
        }
    }

    fn weights(&self, step: StepId, place: usize) -> &[f32] {
        match self.local.get(&step) {
            Some(UnitValue::Weights(linears)) => &linears[place],
            _ => &[],
        }
    }
}
