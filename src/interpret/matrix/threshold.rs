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
///
/// `known` gives what is known in a unit.
pub(in crate::interpret) fn removed_by_threshold<K: Known>(
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    units: &[Unit],
    step: StepId,
    known: &(impl Fn(usize) -> Result<K, InterpretError> + Sync),
    count: u64,
) -> Result<Vec<u64>, InterpretError> {
    let mut removed = vec![0; model.linears.len()];
    if count == 0 {
        return Ok(removed);
    }
    let program = Program::new(plan, &[step]);
    let every: Vec<usize> = (0..model.linears.len()).collect();
    program.check(plan, model, &every)?;
    let sweep = Sweep { program: &program, plan, model, units, step, known };
    let coarse = sweep.histogram(Histogram::coarse)?;
    let Some((prefix, rank)) = coarse.locate(count - 1) else { return Ok(removed) };
    let fine = sweep.histogram(|| Histogram::fine(prefix))?;
    let Some(threshold) = fine.value(rank) else { return Ok(removed) };
    // Below the threshold all go; of those at it, as many as are still needed, in the model's order.
    let look = |linear: usize, values: &[f32], counts: &mut Vec<(u64, u64)>| {
        counts[linear].0 += values.iter().filter(|x| **x < threshold).count() as u64;
        counts[linear].1 += values.iter().filter(|x| **x == threshold).count() as u64;
    };
    let merge = |total: &mut Vec<(u64, u64)>, part: Vec<(u64, u64)>| {
        for (total, part) in total.iter_mut().zip(part) {
            total.0 += part.0;
            total.1 += part.1;
        }
    };
    let counts = sweep.run(vec![(0, 0); model.linears.len()], look, merge)?;
    let mut left = count.saturating_sub(counts.iter().map(|(below, _)| below).sum());
    for (removed, (below, equal)) in removed.iter_mut().zip(counts) {
        let taken = left.min(equal);
        *removed = below + taken;
        left -= taken;
    }
    Ok(removed)
}

/// A read of all values of one step.
struct Sweep<'s, F> {
    program: &'s Program,
    plan: &'s Plan<'s>,
    model: &'s ModelData<'s>,
    units: &'s [Unit],
    step: StepId,
    known: &'s F,
}

impl<K: Known, F: Fn(usize) -> Result<K, InterpretError> + Sync> Sweep<'_, F> {
    /// Counts the values, and fails on one that is NaN.
    fn histogram(&self, empty: impl Fn() -> Histogram) -> Result<Histogram, InterpretError> {
        let look = |linear: usize, values: &[f32], (counted, bad): &mut (Histogram, Option<(usize, f32)>)| {
            if let Some(value) = values.iter().find(|x| x.is_nan()) {
                bad.get_or_insert((linear, *value));
            }
            counted.add(values);
        };
        let merge = |total: &mut (Histogram, Option<(usize, f32)>),
                     part: (Histogram, Option<(usize, f32)>)| {
            total.0.merge(&part.0);
            total.1 = total.1.or(part.1);
        };
        let (counted, bad) = self.run((empty(), None), look, merge)?;
        match bad {
            None => Ok(counted),
            Some((linear, value)) => {
                let origin = self.plan.steps[self.step].origin;
                Err(InterpretError::NotFinite(Box::new(NotFinite {
                    expression: print::expr(origin),
                    span: origin.span(),
                    unit: self.model.linears[linear].name.clone(),
                    weight: None,
                    value: f64::from(value),
                    operands: Vec::new(),
                })))
            }
        }
    }

    /// Calls `look` on the values, chunk by chunk, collecting for each unit on its own and merging in order.
    fn run<T: Clone + Send + Sync>(
        &self,
        start: T,
        look: impl Fn(usize, &[f32], &mut T) + Sync,
        merge: impl Fn(&mut T, T),
    ) -> Result<T, InterpretError> {
        let of_unit = |unit: usize| {
            let known = (self.known)(unit)?;
            let frame = Frame::new(self.program, self.plan, self.model, &self.units[unit], unit, &known);
            let mut registers = self.program.registers();
            let mut part = start.clone();
            for task in tasks(self.model, &self.units[unit]) {
                for chunk in frame.chunks(task.place, task.linear, task.rows.clone()) {
                    self.program.run(&frame, &chunk, &[], &mut registers);
                    look(task.linear, self.program.value(&registers, self.step, &chunk), &mut part);
                }
            }
            Ok(part)
        };
        let parts: Vec<T> = (0..self.units.len()).into_par_iter().map(of_unit).collect::<Result<_, _>>()?;
        let mut parts = parts.into_iter();
        let mut total = parts.next().unwrap_or(start);
        for part in parts {
            merge(&mut total, part);
        }
        Ok(total)
    }
}
