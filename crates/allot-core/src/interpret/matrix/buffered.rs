//! Reductions that need all values of a linear or of a unit at once: along channels, order statistics, ranks, spectra.

use rayon::prelude::*;

use super::frame::Frame;
use super::program::Program;
use super::{Lookup, Stage, Task, UnitValue, tasks};
use crate::interpret::data::{LinearData, ModelData};
use crate::interpret::engine::Backend;
use crate::interpret::error::InterpretError;
use crate::interpret::plan::{Plan, Reduction, StepId, StepKind};
use crate::interpret::reduce::{self, Reduced};
use crate::interpret::spectral;
use crate::interpret::units::Unit;
use crate::interpret::vector::Histogram;
use crate::lang::types::Over;

/// A linear with more weights than this is buffered alone.
const LARGE_LINEAR: usize = 1 << 22;

/// The reductions of one round that need the values of one step at hand.
pub(super) struct Whole {
    program: Program,
    /// The reductions, by their place in the round: those within linears, then those of the unit.
    pub(super) within_linears: Vec<usize>,
    pub(super) of_unit: Vec<usize>,
}

impl Whole {
    /// Prepares the reductions of a step's values.
    pub(super) fn new(plan: &Plan<'_>, operand: StepId) -> Self {
        let program = Program::new(plan, &[operand]);
        Self { program, within_linears: Vec::new(), of_unit: Vec::new() }
    }

    /// Adds a reduction, by its place in the round.
    pub(super) fn add(&mut self, place: usize, kind: &StepKind) {
        match kind {
            StepKind::Reduce(_, Over::Inputs | Over::Outputs, _) | StepKind::MatrixReduce(..) => {
                self.within_linears.push(place);
            }
            _ => self.of_unit.push(place),
        }
    }

    /// Computes the reductions on a unit, putting each into its place among `values`.
    ///
    /// # Errors
    /// Fails when a spectrum cannot be computed, or as the device does.
    pub(super) fn run(
        &self,
        plan: &Plan<'_>,
        model: &ModelData<'_>,
        (unit, index): (&Unit, usize),
        reductions: &[StepId],
        known: &impl Lookup,
        values: &mut [Option<UnitValue>],
    ) -> Result<(), InterpretError> {
        let backend = model.home.engine.backend();
        let frame = Frame::new(&self.program, model, unit, index, known);
        let tasks = tasks(model, unit);
        if !self.within_linears.is_empty() {
            self.within_linears(plan, unit, reductions, (&frame, &tasks), values)?;
        }
        let stage = Stage { program: &self.program, frame: &frame, tasks: &tasks };
        let mut left: Vec<usize> = Vec::new();
        for place in &self.of_unit {
            match &plan.steps[reductions[*place]].kind {
                StepKind::Reduce(Reduction::Median, ..) if backend.counts() => {
                    values[*place] = Some(UnitValue::One(counted(None, &stage, backend)?));
                }
                StepKind::Reduce(Reduction::Quantile(p), ..) if backend.counts() => {
                    values[*place] = Some(UnitValue::One(counted(Some(*p), &stage, backend)?));
                }
                _ => left.push(*place),
            }
        }
        if !left.is_empty() {
            let mut all = backend.values(&stage)?;
            for place in &left {
                values[*place] = Some(match &plan.steps[reductions[*place]].kind {
                    StepKind::Reduce(reduction, ..) => UnitValue::One(reduce::reduce(*reduction, &mut all)),
                    _ => {
                        let ranks = reduce::ranks_of_singles(&all);
                        let mut rest = ranks.as_slice();
                        let linears = unit.linears.iter().map(|linear| {
                            let (here, after) = rest.split_at(size(&model.linears[*linear]));
                            rest = after;
                            here.to_vec()
                        });
                        UnitValue::Weights(linears.collect())
                    }
                });
            }
        }
        Ok(())
    }

    /// Sorts the reductions of the unit so that those which reorder the values come after those which need their order,
    /// and the Gini coefficient, which takes absolute values, last.
    pub(super) fn order(&mut self, plan: &Plan<'_>, reductions: &[StepId]) {
        self.of_unit.sort_by_key(|place| match plan.steps[reductions[*place]].kind {
            StepKind::Reduce(Reduction::Gini, ..) => 2,
            StepKind::Reduce(..) => 1,
            _ => 0,
        });
    }

    fn within_linears(
        &self,
        plan: &Plan<'_>,
        unit: &Unit,
        reductions: &[StepId],
        (frame, tasks): (&Frame<'_>, &[Task]),
        values: &mut [Option<UnitValue>],
    ) -> Result<(), InterpretError> {
        let backend = frame.model.home.engine.backend();
        let kinds: Vec<&StepKind> =
            self.within_linears.iter().map(|place| &plan.steps[reductions[*place]].kind).collect();
        let of_linear = |(place, linear): (usize, &usize)| -> Result<Vec<Within>, InterpretError> {
            let tasks: Vec<Task> = tasks.iter().filter(|task| task.place == place).cloned().collect();
            let values = backend.values(&Stage { program: &self.program, frame, tasks: &tasks })?;
            kinds.iter().map(|kind| within(kind, &frame.model.linears[*linear], &values)).collect()
        };
        // Spectra take one core each, so linears go side by side; anything else has work for all cores in one linear.
        let large = unit.linears.iter().any(|linear| size(&frame.model.linears[*linear]) > LARGE_LINEAR);
        let spectral = kinds.iter().any(|kind| matches!(kind, StepKind::MatrixReduce(..)));
        let found: Vec<Vec<Within>> = if (large && !spectral) || !backend.units_side_by_side() {
            unit.linears.iter().enumerate().map(of_linear).collect::<Result<_, _>>()?
        } else {
            unit.linears.par_iter().enumerate().map(of_linear).collect::<Result<_, _>>()?
        };
        let mut channels: Vec<Vec<Vec<f64>>> = vec![Vec::new(); kinds.len()];
        let mut sums = vec![(0.0, 0.0); kinds.len()];
        // One linear after another in a fixed order: the same digits for any number of threads.
        for linear in found {
            for (kind, within) in linear.into_iter().enumerate() {
                match within {
                    Within::Channels(values) => channels[kind].push(values),
                    Within::Number(value) => {
                        sums[kind].0 += value;
                        sums[kind].1 += value.abs();
                    }
                }
            }
        }
        let n = unit.linears.len() as f64;
        for (kind, (channels, (sum, magnitude))) in channels.into_iter().zip(sums).enumerate() {
            values[self.within_linears[kind]] = Some(match kinds[kind] {
                StepKind::MatrixReduce(..) => {
                    UnitValue::One(Reduced { value: sum / n, magnitude: magnitude / n, alternative: None })
                }
                _ => UnitValue::Channels(channels),
            });
        }
        Ok(())
    }
}

/// What a reduction gives within a linear.
enum Within {
    Number(f64),
    Channels(Vec<f64>),
}

fn within(kind: &StepKind, linear: &LinearData<'_>, values: &[f32]) -> Result<Within, InterpretError> {
    Ok(match kind {
        StepKind::Reduce(reduction, Over::Outputs, _) => {
            Within::Channels(of_columns(*reduction, values, linear.columns))
        }
        StepKind::MatrixReduce(op, parameters, _) => {
            let value = spectral::value(*op, parameters, values, linear.rows, linear.columns);
            Within::Number(value.ok_or_else(|| InterpretError::NoSpectrum { linear: linear.name.clone() })?)
        }
        StepKind::Reduce(reduction, ..) => Within::Channels(of_rows(*reduction, values, linear.columns)),
        // `add` takes nothing else in.
        StepKind::Number(_)
        | StepKind::Terminal(_)
        | StepKind::Map(..)
        | StepKind::Ranks(_)
        | StepKind::Layerwise(..) => Within::Number(f64::NAN),
    })
}

/// Returns a quantile of a stage's values, or without a share their lower median, found by counting.
fn counted(share: Option<f64>, stage: &Stage<'_>, backend: &dyn Backend) -> Result<Reduced, InterpretError> {
    let (coarse, nan) = backend.histogram(stage, None)?;
    let place = match share {
        Some(p) => p * coarse.count().saturating_sub(1) as f64,
        None => (coarse.count().saturating_sub(1) / 2) as f64,
    };
    let mut fine: Option<(u16, Histogram)> = None;
    let mut at = |rank: u64| -> Result<Option<f64>, InterpretError> {
        let Some((upper, rank)) = coarse.locate(rank) else { return Ok(None) };
        if fine.as_ref().is_none_or(|(known, _)| *known != upper) {
            fine = Some((upper, backend.histogram(stage, Some(upper))?.0));
        }
        Ok(fine.as_ref().and_then(|(_, fine)| fine.value(rank)).map(f64::from))
    };
    let below = place.floor();
    let value = match (at(below as u64)?, at(below as u64 + 1)?) {
        _ if nan => f64::NAN,
        (Some(low), Some(high)) => low + (high - low) * (place - below),
        (Some(low), None) => low,
        _ => f64::NAN,
    };
    Ok(Reduced { value, magnitude: value.abs(), alternative: None })
}

fn size(linear: &LinearData<'_>) -> usize {
    linear.rows * linear.columns
}

fn of_rows(reduction: Reduction, values: &[f32], columns: usize) -> Vec<f64> {
    let of_row = |row: &[f32]| match reduce::tallied(reduction, row) {
        Some(reduced) => reduced.value,
        None => reduce::reduce(reduction, &mut row.to_vec()).value,
    };
    values.par_chunks(columns.max(1)).map(of_row).collect()
}

fn of_columns(reduction: Reduction, values: &[f32], columns: usize) -> Vec<f64> {
    /// How many neighbouring columns are gathered together, so that each line of memory is used whole.
    const STRIP: usize = 16;
    let starts: Vec<usize> = (0..columns).step_by(STRIP).collect();
    starts
        .into_par_iter()
        .flat_map_iter(|start| {
            let width = STRIP.min(columns - start);
            let mut strip: Vec<Vec<f32>> = vec![Vec::with_capacity(values.len() / columns.max(1)); width];
            for row in values.chunks(columns.max(1)) {
                for (column, value) in strip.iter_mut().zip(&row[start..start + width]) {
                    column.push(*value);
                }
            }
            strip.into_iter().map(move |mut column| reduce::reduce(reduction, &mut column).value)
        })
        .collect()
}
