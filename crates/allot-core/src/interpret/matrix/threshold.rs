//! Counts the weights that one threshold over all units removes.

use super::frame::Frame;
use super::lookup::Lookup;
use super::piece::tasks;
use super::program::Program;
use super::sweep::Sweep;
use crate::interpret::context::Context;
use crate::interpret::error::InterpretError;
use crate::interpret::plan::{Plan, StepId};
use crate::interpret::units::UnitData;
use crate::kernels::vector::Histogram;

/// The weights that one threshold removes.
pub(in crate::interpret) struct Removed {
    /// How many weights of each linear of the model are removed.
    pub(in crate::interpret) of_linears: Vec<u64>,
    /// The largest value that is removed; `None` if no weight is removed, or all are.
    pub(in crate::interpret) threshold: Option<f32>,
}

/// There is no threshold, because a value is NaN.
pub(in crate::interpret) struct NotANumber {
    /// The first unit with a NaN.
    pub(in crate::interpret) unit: usize,
}

/// Returns, for each linear of the model, how many of its weights are among the `count` smallest of all values of `step`; of
/// equal values, those of earlier linears are removed first.
///
/// `known` returns the known values of a unit. Reads the weights three times, and keeps half a megabyte for each thread.
///
/// # Errors
/// Fails as `known` and the device do.
pub(in crate::interpret) fn removed_by_threshold<K: Lookup>(
    plan: &Plan<'_>,
    context: Context<'_>,
    units: &[UnitData],
    step: StepId,
    known: &impl Fn(usize) -> Result<K, InterpretError>,
    count: u64,
) -> Result<Result<Removed, NotANumber>, InterpretError> {
    let linears = &context.model.linears;
    let nothing = || Ok(Removed { of_linears: vec![0; linears.len()], threshold: None });
    let Some(last) = count.checked_sub(1) else { return Ok(nothing()) };
    let program = Program::new(plan, &[step]);
    let counter = Counter { program: &program, context, units, known };
    let (coarse, bad) = counter.histogram(None)?;
    if let Some(unit) = bad {
        return Ok(Err(NotANumber { unit }));
    }
    let Some((upper, rank)) = coarse.locate(last) else {
        // The count exceeds the number of weights, so all are removed.
        let all = linears.iter().map(|linear| (linear.rows * linear.columns) as u64);
        return Ok(Ok(Removed { of_linears: all.collect(), threshold: None }));
    };
    let (fine, _) = counter.histogram(Some(upper))?;
    let Some(threshold) = fine.value(rank) else { return Ok(nothing()) };
    // All values below the threshold are removed; of those at it, as many as are still needed, in the model's order.
    let counts = counter.against(threshold)?;
    let mut left = count.saturating_sub(counts.iter().map(|(below, _)| below).sum());
    let removed = counts.into_iter().map(|(below, equal)| {
        let taken = left.min(equal);
        left -= taken;
        below + taken
    });
    Ok(Ok(Removed { of_linears: removed.collect(), threshold: Some(threshold) }))
}

/// Counts the values of one step, over all units.
struct Counter<'s, F> {
    program: &'s Program,
    context: Context<'s>,
    units: &'s [UnitData],
    known: &'s F,
}

impl<K: Lookup, F: Fn(usize) -> Result<K, InterpretError>> Counter<'_, F> {
    /// Counts the values, and finds the first unit in which one is NaN.
    fn histogram(&self, upper: Option<u16>) -> Result<(Histogram, Option<usize>), InterpretError> {
        let mut total = upper.map_or_else(Histogram::coarse, Histogram::fine);
        let mut bad = None;
        for unit in self.units {
            let known = (self.known)(unit.index)?;
            let frame = Frame::new(self.program, self.context.model, unit, &known);
            let tasks = tasks(self.context.model, unit);
            let sweep = Sweep { program: self.program, frame: &frame, tasks: &tasks };
            let (part, nan) = self.context.backend.histogram(&sweep, upper)?;
            total.merge(&part);
            bad = bad.or(nan.then_some(unit.index));
        }
        Ok((total, bad))
    }

    /// Returns for each linear how many values are below a threshold, and how many are equal to it.
    fn against(&self, threshold: f32) -> Result<Vec<(u64, u64)>, InterpretError> {
        let mut counts = vec![(0, 0); self.context.model.linears.len()];
        for unit in self.units {
            let known = (self.known)(unit.index)?;
            let frame = Frame::new(self.program, self.context.model, unit, &known);
            for tasks in tasks(self.context.model, unit).chunk_by(|a, b| a.linear == b.linear) {
                let sweep = Sweep { program: self.program, frame: &frame, tasks };
                counts[tasks[0].linear] = self.context.backend.against(&sweep, threshold)?;
            }
        }
        Ok(counts)
    }
}
