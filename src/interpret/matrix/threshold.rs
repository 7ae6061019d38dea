//! What one threshold over all units removes, found by counting.

use rayon::prelude::*;

use super::program::{Frame, Program};
use super::{Known, tasks};
use crate::interpret::data::ModelData;
use crate::interpret::error::{InterpretError, NotFinite};
use crate::interpret::plan::{Plan, StepId};
use crate::interpret::units::Unit;
use crate::interpret::vector::Histogram;
use crate::lang::print;

/// Returns, for each linear of the model, how many of its weights are among the `count` least of all values of `step`;
/// of equal values, those of earlier linears are removed first.
///
/// # Errors
/// Fails when a terminal was not collected, or a value is NaN.
pub(in crate::interpret) fn removed_by_threshold(
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    units: &[Unit],
    step: StepId,
    known: &impl Known,
    count: u64,
) -> Result<Vec<u64>, InterpretError> {
    let program = Program::new(plan, &[step]);
    let mut removed = vec![0; model.linears.len()];
    let every: Vec<usize> = (0..model.linears.len()).collect();
    program.check(plan, model, &every)?;
    if count == 0 {
        return Ok(removed);
    }
    let coarse = histogram(&program, plan, model, units, step, known, Histogram::coarse)?;
    let Some((prefix, before)) = coarse.locate(count - 1) else { return Ok(removed) };
    let fine = histogram(&program, plan, model, units, step, known, || Histogram::fine(prefix))?;
    let Some(threshold) = fine.value(count - 1 - before) else { return Ok(removed) };
    // Below the threshold all go; of those at it, as many as are still needed, in the model's order.
    let mut at_threshold = vec![0; model.linears.len()];
    let counted = visit(
        &program,
        model,
        units,
        plan,
        known,
        |task, values: &[f32], counts: &mut Vec<(u64, u64)>| {
            let below = values.iter().filter(|x| **x < threshold).count() as u64;
            let equal = values.iter().filter(|x| **x == threshold).count() as u64;
            counts[task].0 += below;
            counts[task].1 += equal;
        },
        step,
        vec![(0, 0); model.linears.len()],
        |total, part| {
            for (total, part) in total.iter_mut().zip(part) {
                total.0 += part.0;
                total.1 += part.1;
            }
        },
    );
    for (linear, (below, equal)) in counted.into_iter().enumerate() {
        removed[linear] = below;
        at_threshold[linear] = equal;
    }
    let mut left = count - removed.iter().sum::<u64>().min(count);
    for (removed, equal) in removed.iter_mut().zip(at_threshold) {
        let taken = left.min(equal);
        *removed += taken;
        left -= taken;
    }
    Ok(removed)
}

fn histogram(
    program: &Program,
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    units: &[Unit],
    step: StepId,
    known: &impl Known,
    empty: impl Fn() -> Histogram,
) -> Result<Histogram, InterpretError> {
    let start = (empty(), None);
    let (counted, bad) = visit(
        program,
        model,
        units,
        plan,
        known,
        |linear, values: &[f32], (counted, bad): &mut (Histogram, Option<(usize, f32)>)| {
            if let Some(value) = values.iter().find(|x| x.is_nan()) {
                bad.get_or_insert((linear, *value));
            }
            counted.add(values);
        },
        step,
        start,
        |total, part| {
            total.0.merge(&part.0);
            if total.1.is_none() {
                total.1 = part.1;
            }
        },
    );
    match bad {
        None => Ok(counted),
        Some((linear, value)) => Err(InterpretError::NotFinite(Box::new(NotFinite {
            expression: print::expr(plan.steps[step].origin),
            span: plan.steps[step].origin.span(),
            unit: model.linears[linear].name.clone(),
            weight: None,
            value: f64::from(value),
            operands: Vec::new(),
        }))),
    }
}

/// Calls `look` on a step's values, chunk by chunk, collecting for each unit on its own and merging in order.
#[expect(clippy::too_many_arguments, reason = "the one loop that three passes share")]
fn visit<T: Clone + Send + Sync>(
    program: &Program,
    model: &ModelData<'_>,
    units: &[Unit],
    plan: &Plan<'_>,
    known: &impl Known,
    look: impl Fn(usize, &[f32], &mut T) + Sync,
    step: StepId,
    start: T,
    merge: impl Fn(&mut T, T),
) -> T {
    let parts: Vec<T> = (0..units.len())
        .into_par_iter()
        .map(|unit| {
            let frame = Frame::new(program, plan, model, &units[unit], unit, known);
            let mut registers = program.registers();
            let mut part = start.clone();
            for task in tasks(model, &units[unit]) {
                for chunk in frame.chunks(task.place, task.linear, task.rows.clone()) {
                    program.run(&frame, &chunk, &[], &mut registers);
                    look(task.linear, program.value(&registers, step, &chunk), &mut part);
                }
            }
            part
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or(start);
    for part in parts {
        merge(&mut total, part);
    }
    total
}
