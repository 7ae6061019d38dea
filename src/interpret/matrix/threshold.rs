//! What one threshold over all units removes, found by counting.

use rayon::prelude::*;

use super::frame::Frame;
use super::program::Program;
use super::{Lookup, tasks};
use crate::interpret::data::ModelData;
use crate::interpret::error::InterpretError;
use crate::interpret::plan::{Plan, StepId};
use crate::interpret::units::Unit;
use crate::interpret::vector::Histogram;

/// Returns, for each linear of the model, how many of its weights are among the `count` least of all values of `step`, or the
/// first unit in which a value is NaN; of equal values, those of earlier linears are removed first.
///
/// `known` gives what is known in a unit. Reads the weights three times, and keeps half a megabyte for each thread.
///
/// # Errors
/// Fails as `known` does.
pub(in crate::interpret) fn removed_by_threshold<K: Lookup>(
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    units: &[Unit],
    step: StepId,
    known: &(impl Fn(usize) -> Result<K, InterpretError> + Sync),
    count: u64,
) -> Result<Result<Vec<u64>, usize>, InterpretError> {
    let nothing = vec![0; model.linears.len()];
    let Some(last) = count.checked_sub(1) else { return Ok(Ok(nothing)) };
    let program = Program::new(plan, &[step]);
    let sweep = Sweep { program: &program, model, units, known };
    let (coarse, bad) = sweep.histogram(Histogram::coarse)?;
    if let Some(unit) = bad {
        return Ok(Err(unit));
    }
    let Some((prefix, rank)) = coarse.locate(last) else {
        // More than there are: all of them.
        return Ok(Ok(model.linears.iter().map(|linear| (linear.rows * linear.columns) as u64).collect()));
    };
    let (fine, _) = sweep.histogram(|| Histogram::fine(prefix))?;
    let Some(threshold) = fine.value(rank) else { return Ok(Ok(nothing)) };
    // Below the threshold all go; of those at it, as many as are still needed, in the model's order.
    let look = |(_, linear): (usize, usize), values: &[f32], counts: &mut Vec<(u64, u64)>| {
        counts[linear].0 += values.iter().filter(|x| **x < threshold).count() as u64;
        counts[linear].1 += values.iter().filter(|x| **x == threshold).count() as u64;
    };
    let merge = |mut total: Vec<(u64, u64)>, part: Vec<(u64, u64)>| {
        for (total, part) in total.iter_mut().zip(part) {
            total.0 += part.0;
            total.1 += part.1;
        }
        total
    };
    let counts = sweep.run(|| vec![(0, 0); model.linears.len()], look, merge)?;
    let mut left = count.saturating_sub(counts.iter().map(|(below, _)| below).sum());
    let removed = counts.into_iter().map(|(below, equal)| {
        let taken = left.min(equal);
        left -= taken;
        below + taken
    });
    Ok(Ok(removed.collect()))
}

/// A read of all values of one step.
struct Sweep<'s, F> {
    program: &'s Program,
    model: &'s ModelData<'s>,
    units: &'s [Unit],
    known: &'s F,
}

impl<K: Lookup, F: Fn(usize) -> Result<K, InterpretError> + Sync> Sweep<'_, F> {
    /// Counts the values, and finds the first unit in which one is NaN.
    fn histogram(
        &self,
        empty: impl Fn() -> Histogram + Sync + Send,
    ) -> Result<(Histogram, Option<usize>), InterpretError> {
        let look = |(unit, _): (usize, usize), values: &[f32], counted: &mut (Histogram, Option<usize>)| {
            if counted.1.is_none() && values.iter().any(|x| x.is_nan()) {
                counted.1 = Some(unit);
            }
            counted.0.add(values);
        };
        let merge = |mut total: (Histogram, Option<usize>), part: (Histogram, Option<usize>)| {
            total.0.merge(&part.0);
            total.1 = total.1.into_iter().chain(part.1).min();
            total
        };
        self.run(|| (empty(), None), look, merge)
    }

    /// Calls `look` on the values, chunk by chunk, with the unit and the linear.
    ///
    /// What it collects must not depend on an order: counts do not.
    fn run<T: Send>(
        &self,
        empty: impl Fn() -> T + Sync + Send,
        look: impl Fn((usize, usize), &[f32], &mut T) + Sync + Send,
        merge: impl Fn(T, T) -> T + Sync + Send,
    ) -> Result<T, InterpretError> {
        let mut total = empty();
        for (index, unit) in self.units.iter().enumerate() {
            let known = (self.known)(index)?;
            let frame = Frame::new(self.program, self.model, unit, index, &known);
            let part = tasks(self.model, unit)
                .par_iter()
                .fold(&empty, |mut part, task| {
                    let mut registers = self.program.registers();
                    for chunk in frame.chunks(task) {
                        self.program.run(&frame, &chunk, &mut registers, |_, values| {
                            look((index, task.linear), values, &mut part);
                        });
                    }
                    part
                })
                .reduce(&empty, &merge);
            total = merge(total, part);
        }
        Ok(total)
    }
}
