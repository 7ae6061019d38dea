//! What one threshold over all units removes, found by counting.

use super::frame::Frame;
use super::program::Program;
use super::{Lookup, Stage, tasks};
use crate::interpret::data::ModelData;
use crate::interpret::engine::Backend;
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
/// Fails as `known` and the device do.
pub(in crate::interpret) fn removed_by_threshold<K: Lookup>(
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    units: &[Unit],
    step: StepId,
    known: &impl Fn(usize) -> Result<K, InterpretError>,
    count: u64,
) -> Result<Result<Vec<u64>, usize>, InterpretError> {
    let nothing = vec![0; model.linears.len()];
    let Some(last) = count.checked_sub(1) else { return Ok(Ok(nothing)) };
    let program = Program::new(plan, &[step]);
    let sweep = Sweep { program: &program, model, units, known, backend: model.home.engine.backend() };
    let (coarse, bad) = sweep.histogram(None)?;
    if let Some(unit) = bad {
        return Ok(Err(unit));
    }
    let Some((upper, rank)) = coarse.locate(last) else {
        // More than there are: all of them.
        return Ok(Ok(model.linears.iter().map(|linear| (linear.rows * linear.columns) as u64).collect()));
    };
    let (fine, _) = sweep.histogram(Some(upper))?;
    let Some(threshold) = fine.value(rank) else { return Ok(Ok(nothing)) };
    // Below the threshold all go; of those at it, as many as are still needed, in the model's order.
    let counts = sweep.against(threshold)?;
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
    backend: &'s dyn Backend,
}

impl<K: Lookup, F: Fn(usize) -> Result<K, InterpretError>> Sweep<'_, F> {
    /// Counts the values, and finds the first unit in which one is NaN.
    fn histogram(&self, upper: Option<u16>) -> Result<(Histogram, Option<usize>), InterpretError> {
        let mut total = upper.map_or_else(Histogram::coarse, Histogram::fine);
        let mut bad = None;
        for (index, unit) in self.units.iter().enumerate() {
            let known = (self.known)(index)?;
            let frame = Frame::new(self.program, self.model, unit, index, &known);
            let tasks = tasks(self.model, unit);
            let stage = Stage { program: self.program, frame: &frame, tasks: &tasks };
            let (part, nan) = self.backend.histogram(&stage, upper)?;
            total.merge(&part);
            bad = bad.or(nan.then_some(index));
        }
        Ok((total, bad))
    }

    /// Returns for each linear how many values are below a threshold, and how many are equal to it.
    fn against(&self, threshold: f32) -> Result<Vec<(u64, u64)>, InterpretError> {
        let mut counts = vec![(0, 0); self.model.linears.len()];
        for (index, unit) in self.units.iter().enumerate() {
            let known = (self.known)(index)?;
            let frame = Frame::new(self.program, self.model, unit, index, &known);
            for tasks in tasks(self.model, unit).chunk_by(|a, b| a.linear == b.linear) {
                let stage = Stage { program: self.program, frame: &frame, tasks };
                counts[tasks[0].linear] = self.backend.against(&stage, threshold)?;
            }
        }
        Ok(counts)
    }
}
