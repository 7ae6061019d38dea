//! Finds the first weight with a value that is not finite.

use crate::interpret::context::Context;
use crate::interpret::matrix::{Chunk, Frame, Lookup, Program, Registers, tasks};
use crate::interpret::plan::{Plan, StepId};
use crate::interpret::units::UnitData;
use crate::lang::types::Type;

/// A weight at which a step is not finite although its operands are.
pub(super) struct NotFiniteWeight {
    pub(super) step: StepId,
    pub(super) linear: usize,
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) value: f32,
    /// The step's operands and their values there.
    pub(super) operands: Vec<(StepId, f64)>,
}

/// Returns the first weight of a unit at which a step of the chains below `root` is not finite, with the deepest such step, or
/// `None` when they are finite everywhere; only `suspects`, in ascending order, are checked.
pub(super) fn first_not_finite(
    plan: &Plan<'_>,
    context: Context<'_>,
    unit: &UnitData,
    root: StepId,
    suspects: &[StepId],
    known: &impl Lookup,
) -> Option<NotFiniteWeight> {
    let steps = plan.matrix_steps_of(&[root]);
    let program = Program::new(plan, &steps);
    let model = context.model;
    let frame = Frame::new(&program, model, unit, known);
    let mut registers = Registers::new(&program);
    let mut find = |chunk: &Chunk| {
        let mut found: Option<(StepId, usize, f32)> = None;
        registers.run(&program, &frame, chunk, |root, values| {
            if found.is_none() && suspects.binary_search(&steps[root]).is_ok() {
                found = values.iter().position(|x| !x.is_finite()).map(|at| (steps[root], at, values[at]));
            }
        });
        let (step, at, value) = found?;
        let linear = &model.linears[chunk.linear];
        let place = chunk.row * linear.columns + chunk.column + at;
        let (row, column) = (place / linear.columns, place % linear.columns);
        let mut here = vec![f64::NAN; steps.len()];
        registers.run(&program, &frame, chunk, |root, values| here[root] = f64::from(values[at]));
        let number = |operand: StepId| {
            let channels = || known.channels(operand, chunk.place, chunk.linear);
            match plan.steps[operand].of_type {
                Type::Matrix => steps.binary_search(&operand).map_or(f64::NAN, |root| here[root]),
                Type::Input => channels()[column],
                Type::Output => channels()[row],
                _ => known.number(operand, unit.index),
            }
        };
        let operands = plan.uses(step).into_iter().map(|operand| (operand, number(operand))).collect();
        Some(NotFiniteWeight { step, linear: chunk.linear, row, column, value, operands })
    };
    tasks(model, unit).iter().find_map(|task| frame.chunks(task).find_map(|chunk| find(&chunk)))
}
