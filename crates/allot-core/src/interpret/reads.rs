//! Computes a plan, one read of the weights after another.

use std::ops::Range;

use super::context::Context;
use super::error::InterpretError;
use super::layer::layerwise;
use super::matrix::{Round, StepValue};
use super::plan::{Need, Plan, Step, StepId, StepKind};
use super::step_values::{Given, StepValues};
use super::unit_values::UnitValues;
use super::units;
use crate::lang::types::Type;
use crate::threads;

/// Units that are buffered are read one after another when one has more weights than this.
const LARGE_UNIT: u64 = 1 << 23;

/// The results of one unit, before they are merged with the others'.
type OfUnit = Vec<(StepId, StepValue)>;

/// One read of the weights, ready to run on any unit.
struct Read {
    /// Ranks of earlier reads, which are computed again because they are too large to keep.
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

    /// Returns whether all values of a unit, or of one of its linears, must be in memory at once.
    fn buffers(&self) -> bool {
        !self.again.is_empty() || self.rounds.iter().any(|(round, _)| round.buffers())
    }

    /// Returns whether a unit's rounds keep a number for each of its weights, which ranks do.
    fn keeps_weights(&self, plan: &Plan<'_>) -> bool {
        let ranks = |step: &StepId| matches!(plan.steps[*step].kind, StepKind::Ranks(_));
        !self.again.is_empty() || self.rounds.iter().any(|(round, _)| round.reductions().iter().any(ranks))
    }
}

/// Returns rounds that compute those ranks of weights that `wanted` accepts, one in each round, because one may need another.
fn ranks(plan: &Plan<'_>, wanted: impl Fn(&Step<'_>) -> bool) -> Vec<Round> {
    let ranks = plan.steps.iter().enumerate().filter(|(_, step)| {
        matches!(step.kind, StepKind::Ranks(_))
            && step.of_type == Type::Matrix
            && step.need == Need::Computed
            && wanted(step)
    });
    ranks.map(|(id, _)| Round::new(plan, vec![id])).collect()
}

/// Computes every step of a plan except per-weight ones.
///
/// # Errors
/// Fails when the model has no linears, or a spectrum cannot be computed.
pub(super) fn compute(plan: &Plan<'_>, context: Context<'_>) -> Result<StepValues, InterpretError> {
    complete(plan, context, &Vec::new())
}

/// Computes the remaining steps of a plan, as [`compute`], when some reductions are given.
///
/// # Errors
/// As [`compute`].
pub(super) fn complete(
    plan: &Plan<'_>,
    context: Context<'_>,
    given: &Given,
) -> Result<StepValues, InterpretError> {
    let units = units::units(context.model, context.unit);
    if units.is_empty() {
        return Err(InterpretError::NoLinears);
    }
    let mut known = StepValues::new(plan.steps.len(), units);
    for (step, reduced) in given {
        known.give(*step, reduced);
    }
    let last = plan.steps.iter().map(|step| step.read).max().unwrap_or(0);
    for read in 0..=last {
        for (id, step) in plan.steps.iter().enumerate() {
            if step.need == Need::Computed && step.read == read && step.round == 0 {
                compute_step(&mut known, plan, context, id)?;
            }
        }
        run(&mut known, plan, context, &Read::new(plan, read))?;
    }
    Ok(known)
}

/// Computes a step for all units at once.
fn compute_step(
    known: &mut StepValues,
    plan: &Plan<'_>,
    context: Context<'_>,
    id: StepId,
) -> Result<(), InterpretError> {
    if let StepKind::Layerwise(op, parameters, x) = &plan.steps[id].kind {
        let values = layerwise(*op, parameters, known.layer(*x), known.units());
        known.set_layer(id, values);
    } else if plan.steps[id].of_type != Type::Matrix {
        // In parallel, because a step may have a number for each channel of the model.
        let values = threads::map_range(known.units().len(), |unit| {
            UnitValues::new(known, unit).step(plan, context, id)
        });
        for (unit, value) in values.into_iter().enumerate() {
            known.keep(plan, unit, id, value?);
        }
    }
    Ok(())
}

/// Runs the rounds of one read of the weights.
///
/// A device that takes units together gets all of them at once, or one after another if ranks are kept for each weight. The processor
/// runs units in parallel, or one after another if a large unit is buffered.
fn run(
    known: &mut StepValues,
    plan: &Plan<'_>,
    context: Context<'_>,
    read: &Read,
) -> Result<(), InterpretError> {
    if read.rounds.is_empty() {
        return Ok(());
    }
    let count = known.units().len();
    let of_units = |units: Range<usize>| of_units(known, plan, context, read, units);
    let one = |unit: usize| of_units(unit..unit + 1);
    let results: Vec<Result<Vec<OfUnit>, InterpretError>> = if context.backend.takes_units_together() {
        if read.keeps_weights(plan) { (0..count).map(one).collect() } else { vec![of_units(0..count)] }
    } else {
        let large = known.units().iter().any(|unit| unit.parameters > LARGE_UNIT);
        if read.buffers() && large { (0..count).map(one).collect() } else { threads::map_range(count, one) }
    };
    let results: Vec<Vec<OfUnit>> = results.into_iter().collect::<Result<_, _>>()?;
    for (unit, values) in results.into_iter().flatten().enumerate() {
        for (step, value) in values {
            known.keep(plan, unit, step, value);
        }
    }
    Ok(())
}

/// Runs the rounds of one read on some units.
fn of_units(
    known: &StepValues,
    plan: &Plan<'_>,
    context: Context<'_>,
    read: &Read,
    units: Range<usize>,
) -> Result<Vec<OfUnit>, InterpretError> {
    let mut all: Vec<UnitValues<'_>> = units.map(|unit| UnitValues::new(known, unit)).collect();
    for round in &read.again {
        UnitValues::run(&mut all, plan, context, round)?;
    }
    for (round, others) in &read.rounds {
        UnitValues::run(&mut all, plan, context, round)?;
        for values in &mut all {
            for id in others {
                let value = values.step(plan, context, *id)?;
                values.insert(*id, value);
            }
        }
    }
    Ok(all.into_iter().map(UnitValues::into_own).collect())
}

/// Returns the known values, with the ranks of a unit's weights, which are too large to keep for all units.
///
/// # Errors
/// As [`compute`].
pub(super) fn with_ranks<'k>(
    known: &'k StepValues,
    plan: &Plan<'_>,
    context: Context<'_>,
    unit: usize,
) -> Result<UnitValues<'k>, InterpretError> {
    let mut values = UnitValues::new(known, unit);
    for round in ranks(plan, |_| true) {
        UnitValues::run(std::slice::from_mut(&mut values), plan, context, &round)?;
    }
    Ok(values)
}
