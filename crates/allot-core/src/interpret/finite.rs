//! Finds values that are not finite: the deepest sub-expression with one, its unit, and the values that it was computed from.

mod weights;

use super::context::Context;
use super::error::{InterpretError, NotFinite};
use super::plan::{Plan, StepId, StepKind};
use super::reads;
use super::step_values::StepValues;
use super::terminal;
use crate::lang::print;
use crate::lang::program::Expr;
use crate::lang::types::Type;
use weights::NotFiniteWeight;

/// Checks that a root and the steps below it are finite where they must be; `expr` is the root's expression.
///
/// # Errors
/// Fails on the deepest step that is not.
pub(super) fn check(
    plan: &Plan<'_>,
    known: &StepValues,
    context: Context<'_>,
    root: StepId,
    expr: &Expr,
) -> Result<(), InterpretError> {
    match first(plan, known, root) {
        None => Ok(()),
        Some((id, unit)) => {
            let found = blame(plan, known, context, root, expr, id, unit);
            Err(InterpretError::NotFinite(Box::new(found)))
        }
    }
}

/// Returns the deepest step below a root with a value that is not finite although it must be, and the first unit with one.
pub(super) fn first(plan: &Plan<'_>, known: &StepValues, root: StepId) -> Option<(StepId, usize)> {
    plan.must_be_finite(root).into_iter().find_map(|id| Some((id, in_unit(plan, known, id)?)))
}

/// Returns whether the values of a step are finite; per-weight values are not checked.
pub(super) fn is_finite(plan: &Plan<'_>, known: &StepValues, id: StepId) -> bool {
    in_unit(plan, known, id).is_none()
}

/// Returns the first unit in which a value of a step is not finite.
fn in_unit(plan: &Plan<'_>, known: &StepValues, id: StepId) -> Option<usize> {
    match plan.steps[id].of_type {
        Type::Matrix => None,
        Type::Input | Type::Output => known.not_finite_channel(id),
        _ => known.layer(id).iter().position(|value| !value.is_finite()),
    }
}

/// Returns an error that says where the values of a root of type `Matrix` stop being finite in a unit.
pub(super) fn blame_weights(
    plan: &Plan<'_>,
    known: &StepValues,
    context: Context<'_>,
    root: StepId,
    expr: &Expr,
    unit: usize,
) -> InterpretError {
    let found = blame(plan, known, context, root, expr, root, unit);
    InterpretError::NotFinite(Box::new(found))
}

/// Describes where a step's value in a unit stops being finite.
fn blame(
    plan: &Plan<'_>,
    known: &StepValues,
    context: Context<'_>,
    root: StepId,
    expr: &Expr,
    id: StepId,
    unit: usize,
) -> NotFinite {
    let step = &plan.steps[id];
    let of_unit = &known.units()[unit];
    // Expressions share steps; the error must quote this expression's own.
    let own = Plan::new([expr], context.metric);
    let origin = |id: StepId| {
        let digest = plan.steps[id].digest;
        own.steps.iter().find(|step| step.digest == digest).map_or(plan.steps[id].origin, |step| step.origin)
    };
    // A constant need not be listed with its value.
    let named = |operands: Vec<(StepId, f64)>| {
        let operands =
            operands.into_iter().filter(|(id, _)| !matches!(plan.steps[*id].kind, StepKind::Number(_)));
        operands.map(|(operand, value)| (print::expr(origin(operand)), value)).collect()
    };
    // A part of the metric may have no place in the script, but the score has one.
    let span = |id: StepId| origin(id).span().or_else(|| terminal::score_span(expr));
    if let Some(found) = in_weights(plan, known, context, root, id, unit) {
        return NotFinite {
            expression: print::expr(origin(found.step)),
            span: span(found.step),
            unit: of_unit.name.clone(),
            weight: Some((context.model.linears[found.linear].name.clone(), found.row, found.column)),
            channel: None,
            value: f64::from(found.value),
            operands: named(found.operands),
        };
    }
    let channel = match step.of_type {
        Type::Input | Type::Output => of_unit.linears.iter().find_map(|linear| {
            let values = known.of_channels(id, *linear);
            Some((*linear, values.iter().position(|x| !x.is_finite())?))
        }),
        _ => None,
    };
    let number = |id: StepId| match (plan.steps[id].of_type, channel) {
        (Type::Number | Type::Layer, _) => known.layer(id).get(unit).copied(),
        (Type::Input | Type::Output, Some((linear, channel))) => {
            known.of_channels(id, linear).get(channel).copied()
        }
        _ => None,
    };
    let operands =
        plan.uses(id).into_iter().filter_map(|operand| Some((operand, number(operand)?))).collect();
    NotFinite {
        expression: print::expr(origin(id)),
        span: span(id),
        unit: of_unit.name.clone(),
        weight: None,
        channel: channel.map(|(linear, channel)| (context.model.linears[linear].name.clone(), channel)),
        value: number(id).unwrap_or(f64::NAN),
        operands: named(operands),
    }
}

/// Returns the first weight of a unit at which a step or one below it is not finite: below ranks first, then below the step.
fn in_weights(
    plan: &Plan<'_>,
    known: &StepValues,
    context: Context<'_>,
    root: StepId,
    id: StepId,
    unit: usize,
) -> Option<NotFiniteWeight> {
    let step = &plan.steps[id];
    let last = match step.of_type {
        Type::Matrix => Some(id),
        _ if step.needs_weights(plan) => plan.uses(id).first().copied(),
        _ => None,
    }?;
    let below = plan.below(id, |_| true);
    let ranked = below.into_iter().filter(|id| {
        matches!(plan.steps[*id].kind, StepKind::Ranks(_)) && plan.steps[*id].of_type == Type::Matrix
    });
    let of_unit = reads::with_ranks(known, plan, context, unit).ok()?;
    let suspects = plan.must_be_finite(root);
    let unit = &known.units()[unit];
    ranked
        .flat_map(|ranks| plan.uses(ranks))
        .chain([last])
        .find_map(|operand| weights::first_not_finite(plan, context, unit, operand, &suspects, &of_unit))
}
