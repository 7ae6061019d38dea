//! Where a value that is not finite first appears among the weights.

use super::program::{Frame, Program};
use super::{Known, tasks};
use crate::interpret::data::ModelData;
use crate::interpret::error::NotFinite;
use crate::interpret::plan::{Plan, StepId};
use crate::interpret::units::Unit;
use crate::lang::print;
use crate::lang::types::Type;

/// Returns the first weight of a unit at which one of the steps that give `root` is not finite while its operands are,
/// or `None` when the chains are finite everywhere.
pub(in crate::interpret) fn first_not_finite(
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    units: &[Unit],
    unit: usize,
    root: StepId,
    known: &impl Known,
) -> Option<NotFinite> {
    let program = Program::new(plan, &[root]);
    let frame = Frame::new(&program, plan, model, &units[unit], unit, known);
    let mut registers = program.registers();
    for task in tasks(model, &units[unit]) {
        for chunk in frame.chunks(task.place, task.linear, task.rows.clone()) {
            program.run(&frame, &chunk, &[], &mut registers);
            for step in program.steps() {
                let values = program.value(&registers, *step, &chunk);
                let Some(at) = values.iter().position(|x| !x.is_finite()) else { continue };
                let linear = &model.linears[task.linear];
                let place = chunk.row * linear.columns + chunk.column + at;
                let (row, column) = (place / linear.columns, place % linear.columns);
                let operands = plan
                    .uses(*step)
                    .into_iter()
                    .map(|operand| {
                        let value = match plan.steps[operand].of_type {
                            Type::Matrix => f64::from(program.value(&registers, operand, &chunk)[at]),
                            Type::Input => known.channels(operand, unit, task.place, task.linear)[column],
                            Type::Output => known.channels(operand, unit, task.place, task.linear)[row],
                            _ => known.number(operand, unit),
                        };
                        (print::expr(plan.steps[operand].origin), value)
                    })
                    .collect();
                return Some(NotFinite {
                    expression: print::expr(plan.steps[*step].origin),
                    span: plan.steps[*step].origin.span(),
                    unit: units[unit].name.clone(),
                    weight: Some((linear.name.clone(), row, column)),
                    value: f64::from(values[at]),
                    operands,
                });
            }
        }
    }
    None
}
