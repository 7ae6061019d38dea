//! A plan computed, read by read of the weights, and in each read unit by unit.

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

/// The results of one unit, before they are put with the others'.
type OfUnit = Vec<(StepId, StepValue)>;

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

/// Computes all steps of a plan but those that there is a value for each weight of.
///
/// # Errors
/// Fails when the model has no linears, or a spectrum cannot be computed.
pub(super) fn compute(plan: &Plan<'_>, context: Context<'_>) -> Result<StepValues, InterpretError> {
    complete(plan, context, &Vec::new())
}

/// Computes what is left of a plan, as [`compute`], when some reductions are given.
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
        for unit in 0..known.units().len() {
            let value = UnitValues::new(known, unit).step(plan, context, id)?;
            known.keep(plan, unit, id, value);
        }
    }
    Ok(())
}

/// Runs the rounds of one read of the weights, unit by unit.
fn run(
    known: &mut StepValues,
    plan: &Plan<'_>,
    context: Context<'_>,
    read: &Read,
) -> Result<(), InterpretError> {
    if read.rounds.is_empty() {
        return Ok(());
    }
    let buffers = !read.again.is_empty() || read.rounds.iter().any(|(round, _)| round.buffers());
    let large = known.units().iter().any(|unit| unit.parameters > LARGE_UNIT);
    let count = known.units().len();
    let one = |unit: usize| of_unit(known, plan, context, read, unit);
    let results: Vec<Result<OfUnit, InterpretError>> =
        if (buffers && large) || !context.backend.units_side_by_side() {
            (0..count).map(one).collect()
        } else {
            threads::map_range(count, one)
        };
    for (unit, values) in results.into_iter().enumerate() {
        for (step, value) in values? {
            known.keep(plan, unit, step, value);
        }
    }
    Ok(())
}

/// Runs the rounds of one read on one unit.
fn of_unit(
    known: &StepValues,
    plan: &Plan<'_>,
    context: Context<'_>,
    read: &Read,
    unit: usize,
) -> Result<OfUnit, InterpretError> {
    let mut values = UnitValues::new(known, unit);
    values.run(plan, context, &read.again)?;
    for (round, others) in &read.rounds {
        values.run(plan, context, std::slice::from_ref(round))?;
        for id in others {
            let value = values.step(plan, context, *id)?;
            values.insert(*id, value);
        }
    }
    Ok(values.into_own())
}

/// Returns what is known, and the ranks of a unit's weights, which are too large to keep for all units.
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
    values.run(plan, context, &ranks(plan, |_| true))?;
    Ok(values)
}
