//! Reductions that need all values of a linear or of a unit at once: along channels, order statistics, ranks, spectra.

use super::backend::Backend;
use super::frame::Frame;
use super::lookup::{Lookup, StepValue};
use super::piece::{Piece, tasks};
use super::program::Program;
use super::sweep::Sweep;
use crate::data::LinearData;
use crate::interpret::context::Context;
use crate::interpret::error::InterpretError;
use crate::interpret::plan::{Plan, Step, StepId, StepKind};
use crate::interpret::units::UnitData;
use crate::kernels::reduce;
use crate::kernels::reduction::{Aggregate, Reduced};
use crate::kernels::spectral;
use crate::kernels::vector::Histogram;
use crate::lang::types::Over;
use crate::threads;

/// A linear with more weights than this is buffered alone.
const LARGE_LINEAR: usize = 1 << 22;

/// The reductions of one round that need all values of one step at once.
pub(super) struct Buffered {
    program: Program,
    /// The reductions within linears, by their place in the round; then those of the unit.
    pub(super) within_linears: Vec<usize>,
    pub(super) of_unit: Vec<usize>,
}

impl Buffered {
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

    /// Computes the reductions on a unit, and stores each at its place in `values`.
    ///
    /// # Errors
    /// Fails when a spectrum cannot be computed, or as the device does.
    pub(super) fn run(
        &self,
        plan: &Plan<'_>,
        context: Context<'_>,
        unit: &UnitData,
        reductions: &[StepId],
        known: &impl Lookup,
        values: &mut [Option<StepValue>],
    ) -> Result<(), InterpretError> {
        let Context { model, backend, .. } = context;
        let frame = Frame::new(&self.program, model, unit, known);
        let tasks = tasks(model, unit);
        let sweep = Sweep { program: &self.program, frame: &frame, tasks: &tasks };
        if !self.within_linears.is_empty() {
            self.within_linears(plan, backend, unit, reductions, &sweep, values)?;
        }
        let mut left: Vec<usize> = Vec::new();
        for place in &self.of_unit {
            match &plan.steps[reductions[*place]].kind {
                StepKind::Reduce(Aggregate::Median, ..) if backend.counts() => {
                    values[*place] = Some(StepValue::One(counted(None, &sweep, backend)?));
                }
                StepKind::Reduce(Aggregate::Quantile(p), ..) if backend.counts() => {
                    values[*place] = Some(StepValue::One(counted(Some(*p), &sweep, backend)?));
                }
                StepKind::Reduce(Aggregate::Gini, ..) => match backend.gini(&sweep)? {
                    Some(value) => {
                        let reduced = Reduced { value, magnitude: value.abs(), alternative: None };
                        values[*place] = Some(StepValue::One(reduced));
                    }
                    None => left.push(*place),
                },
                _ => left.push(*place),
            }
        }
        if !left.is_empty() {
            let mut all = backend.values(&sweep)?;
            for place in &left {
                values[*place] = Some(match &plan.steps[reductions[*place]].kind {
                    StepKind::Reduce(reduction, ..) => StepValue::One(reduce::reduce(*reduction, &mut all)),
                    _ => {
                        let ranks = reduce::ranks_of_singles(&all);
                        let mut rest = ranks.as_slice();
                        let linears = unit.linears.iter().map(|linear| {
                            let (here, after) = rest.split_at(size(&model.linears[*linear]));
                            rest = after;
                            here.to_vec()
                        });
                        StepValue::Weights(linears.collect())
                    }
                });
            }
        }
        Ok(())
    }

    /// Sorts the reductions of the unit: those that reorder the values come after those that need their order, and the Gini
    /// coefficient, which takes absolute values, comes last.
    pub(super) fn order(&mut self, plan: &Plan<'_>, reductions: &[StepId]) {
        self.of_unit.sort_by_key(|place| match plan.steps[reductions[*place]].kind {
            StepKind::Reduce(Aggregate::Gini, ..) => 2,
            StepKind::Reduce(..) => 1,
            _ => 0,
        });
    }

    fn within_linears(
        &self,
        plan: &Plan<'_>,
        backend: &dyn Backend,
        unit: &UnitData,
        reductions: &[StepId],
        sweep: &Sweep<'_>,
        values: &mut [Option<StepValue>],
    ) -> Result<(), InterpretError> {
        let kinds: Vec<&StepKind> =
            self.within_linears.iter().map(|place| &plan.steps[reductions[*place]].kind).collect();
        let wanted: Option<Vec<(Aggregate, Over)>> = kinds.iter().map(|kind| along(kind)).collect();
        if let Some(wanted) = wanted
            && let Some(found) = backend.channels(sweep, &wanted)?
        {
            for (kind, place) in self.within_linears.iter().enumerate() {
                let of_linears: Vec<Vec<f64>> =
                    found.iter().map(|of_linear| of_linear[kind].clone()).collect();
                // The device does not return the sizes of the terms; those of the results stand in for them.
                let size = |values: &Vec<f64>| values.iter().map(|value| value.abs()).collect();
                let magnitudes = of_linears.iter().map(size).collect();
                values[*place] = Some(StepValue::Channels { values: of_linears, magnitudes });
            }
            return Ok(());
        }
        let linears = &sweep.frame.model.linears;
        let of_linear = |place: usize| -> Result<Vec<Within>, InterpretError> {
            let tasks: Vec<Piece> = sweep.tasks.iter().filter(|task| task.place == place).cloned().collect();
            let values = backend.values(&Sweep { tasks: &tasks, ..*sweep })?;
            let linear = &linears[unit.linears[place]];
            self.within_linears
                .iter()
                .map(|place| &plan.steps[reductions[*place]])
                .map(|step| within(step, linear, &values))
                .collect()
        };
        // A spectrum uses one core, so linears run in parallel; anything else has work for all cores in one linear.
        let large = unit.linears.iter().any(|linear| size(&linears[*linear]) > LARGE_LINEAR);
        let spectral = kinds.iter().any(|kind| matches!(kind, StepKind::MatrixReduce(..)));
        let count = unit.linears.len();
        let found: Vec<Vec<Within>> = if (large && !spectral) || backend.takes_units_together() {
            (0..count).map(of_linear).collect::<Result<_, _>>()?
        } else {
            threads::map_range(count, of_linear).into_iter().collect::<Result<_, _>>()?
        };
        let mut channels: Vec<Vec<Vec<Reduced>>> = vec![Vec::new(); kinds.len()];
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
                    StepValue::One(Reduced { value: sum / n, magnitude: magnitude / n, alternative: None })
                }
                _ => {
                    let each = |of: fn(&Reduced) -> f64| {
                        channels.iter().map(|linear| linear.iter().map(of).collect()).collect()
                    };
                    let (values, magnitudes) = (each(|it| it.value), each(|it| it.magnitude));
                    StepValue::Channels { values, magnitudes }
                }
            });
        }
        Ok(())
    }
}

/// Returns a reduction along channels and its axis; `None` for a spectrum.
fn along(kind: &StepKind) -> Option<(Aggregate, Over)> {
    match kind {
        StepKind::Reduce(reduction, over @ (Over::Inputs | Over::Outputs), _) => Some((*reduction, *over)),
        _ => None,
    }
}

/// The result of a reduction within a linear.
enum Within {
    Number(f64),
    Channels(Vec<Reduced>),
}

fn within(step: &Step<'_>, linear: &LinearData<'_>, values: &[f32]) -> Result<Within, InterpretError> {
    Ok(match &step.kind {
        StepKind::Reduce(reduction, Over::Outputs, _) => {
            Within::Channels(of_columns(*reduction, values, linear.columns))
        }
        StepKind::MatrixReduce(op, parameters, _) => {
            let value = spectral::value(*op, parameters, values, linear.rows, linear.columns);
            Within::Number(value.ok_or_else(|| InterpretError::NoSpectrum { linear: linear.name.clone() })?)
        }
        StepKind::Reduce(reduction, ..) => Within::Channels(of_rows(*reduction, values, linear.columns)),
        // `add` accepts nothing else.
        StepKind::Number(_)
        | StepKind::Terminal(_)
        | StepKind::Map(..)
        | StepKind::Ranks(_)
        | StepKind::Layerwise(..) => return Err(InterpretError::internal(step.origin)),
    })
}

/// Finds a quantile of a sweep's values by counting, or their lower median without a share.
fn counted(share: Option<f64>, sweep: &Sweep<'_>, backend: &dyn Backend) -> Result<Reduced, InterpretError> {
    let (coarse, nan) = backend.histogram(sweep, None)?;
    let place = match share {
        Some(p) => p * coarse.count().saturating_sub(1) as f64,
        None => (coarse.count().saturating_sub(1) / 2) as f64,
    };
    let mut fine: Option<(u16, Histogram)> = None;
    let mut at = |rank: u64| -> Result<Option<f64>, InterpretError> {
        let Some((upper, rank)) = coarse.locate(rank) else { return Ok(None) };
        if fine.as_ref().is_none_or(|(known, _)| *known != upper) {
            fine = Some((upper, backend.histogram(sweep, Some(upper))?.0));
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

fn of_rows(reduction: Aggregate, values: &[f32], columns: usize) -> Vec<Reduced> {
    let of_row = |row: &[f32]| match reduce::tallied(reduction, row) {
        Some(reduced) => reduced,
        None => reduce::reduce(reduction, &mut row.to_vec()),
    };
    threads::map_chunks(values, columns.max(1), of_row)
}

fn of_columns(reduction: Aggregate, values: &[f32], columns: usize) -> Vec<Reduced> {
    /// How many neighbouring columns are gathered together, so that each line of memory is used whole.
    const STRIP: usize = 16;
    let starts: Vec<usize> = (0..columns).step_by(STRIP).collect();
    let of_strip = |start: &usize| -> Vec<Reduced> {
        let width = STRIP.min(columns - start);
        let mut strip: Vec<Vec<f32>> = vec![Vec::with_capacity(values.len() / columns.max(1)); width];
        for row in values.chunks(columns.max(1)) {
            for (column, value) in strip.iter_mut().zip(&row[*start..start + width]) {
                column.push(*value);
            }
        }
        strip.into_iter().map(|mut column| reduce::reduce(reduction, &mut column)).collect()
    };
    threads::map(&starts, of_strip).concat()
}
