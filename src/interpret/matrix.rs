//! The matrix stage: reductions of values that there is one of for each weight.
//!
//! A pass visits a unit's weights in tasks of whole rows, each task in chunks that stay in the first cache: widen the
//! weights, apply the elementwise chains of all reductions of the round, feed what each collects. Tasks run on all cores
//! and are combined in their order, so results do not depend on the number of threads. Order statistics, ranks and
//! spectra need all values at once: for those the pass also fills buffers, of one unit.

mod blame;
mod program;
mod threshold;

use rayon::prelude::*;

use super::data::ModelData;
use super::error::InterpretError;
use super::plan::{Over, Plan, Reduction, StepId, StepKind};
use super::reduce::{self, Collected, Reduced};
use super::spectral;
use super::units::Unit;
use super::vector;

pub(super) use blame::first_not_finite;
use program::{Chunk, Frame, Program};
pub(super) use threshold::removed_by_threshold;

/// How many weights a task has, whole rows permitting.
const TASK: usize = 1 << 16;

/// The value of a step that there is not one of for each weight, in one unit.
#[derive(Clone, Debug)]
pub(super) enum UnitValue {
    /// One number.
    One(Reduced),
    /// One for each channel of each of the unit's linears.
    Channels(Vec<Vec<f64>>),
    /// One for each weight of each of the unit's linears: ranks.
    Weights(Vec<Vec<f32>>),
}

/// Where a pass finds the values of steps that are already known.
pub(super) trait Known: Sync {
    /// Returns a step's number in a unit.
    fn number(&self, step: StepId, unit: usize) -> f64;
    /// Returns a step's values for the channels of a linear; `place` is the linear's place in the unit.
    fn channels(&self, step: StepId, unit: usize, place: usize, linear: usize) -> &[f64];
    /// Returns a step's values for the weights of a linear of the unit at hand.
    fn weights(&self, step: StepId, place: usize) -> &[f32];
}

/// A piece of a linear: some rows.
#[derive(Clone, Debug)]
struct Task {
    /// The linear's place in the unit.
    place: usize,
    linear: usize,
    rows: std::ops::Range<usize>,
}

/// Runs one round of reductions on one unit.
///
/// Returns a value for each of `reductions`, which are steps whose operands are matrices.
///
/// # Errors
/// Fails when a terminal was not collected or a spectrum cannot be computed.
pub(super) fn run(
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    units: &[Unit],
    unit: usize,
    reductions: &[StepId],
    known: &impl Known,
) -> Result<Vec<UnitValue>, InterpretError> {
    let operand = |step: StepId| plan.uses(step)[0];
    let mut roots: Vec<StepId> = reductions.iter().map(|step| operand(*step)).collect();
    roots.sort_unstable();
    roots.dedup();
    let program = Program::new(plan, &roots);
    program.check(plan, model, &units[unit].linears)?;

    let streamed: Vec<(StepId, Reduction)> = reductions
        .iter()
        .filter_map(|step| match plan.steps[*step].kind {
            StepKind::Reduce(reduction, Over::Unit, _) if !reduction.needs_all_values() => {
                Some((*step, reduction))
            }
            _ => None,
        })
        .collect();
    let mut buffered: Vec<StepId> = reductions
        .iter()
        .filter(|step| streamed.iter().all(|(streamed, _)| streamed != *step))
        .map(|step| operand(*step))
        .collect();
    buffered.sort_unstable();
    buffered.dedup();

    let frame = Frame::new(&program, plan, model, &units[unit], unit, known);
    let tasks = tasks(model, &units[unit]);
    let centres = centres(&program, &frame, plan, &streamed, tasks.first());
    let mut buffers: Vec<Vec<Vec<f32>>> = buffered
        .iter()
        .map(|_| {
            let sizes = units[unit].linears.iter().map(|linear| &model.linears[*linear]);
            sizes.map(|linear| vec![0.0; linear.rows * linear.columns]).collect()
        })
        .collect();
    let work: Vec<(Task, Vec<&mut [f32]>)> = pieces(&tasks, model, &mut buffers);
    let fused = Fused::new(&program, plan, &streamed, &buffered);
    let collected: Vec<Vec<Collected>> = work
        .into_par_iter()
        .map(|(task, mut pieces)| {
            let mut collected: Vec<Collected> =
                centres.iter().map(|centre| Collected::new(*centre)).collect();
            run_task(
                &program,
                &frame,
                plan,
                &streamed,
                &fused,
                &buffered,
                &task,
                &mut pieces,
                &mut collected,
            );
            collected
        })
        .collect();
    let mut totals: Vec<Collected> = centres.iter().map(|centre| Collected::new(*centre)).collect();
    for task in &collected {
        for (total, part) in totals.iter_mut().zip(task) {
            total.merge(part);
        }
    }

    reductions
        .iter()
        .map(|step| {
            if let Some(index) = streamed.iter().position(|(streamed, _)| streamed == step) {
                return Ok(UnitValue::One(totals[index].finish(streamed[index].1)));
            }
            let buffer = buffered.iter().position(|buffered| *buffered == operand(*step)).unwrap_or(0);
            of_buffer(plan, model, &units[unit], *step, &buffers[buffer])
        })
        .collect()
}

/// Returns a step's values in one linear of a unit, `[rows, columns]`.
///
/// # Errors
/// Fails when a terminal was not collected.
pub(super) fn values(
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    units: &[Unit],
    unit: usize,
    linear: usize,
    step: StepId,
    known: &impl Known,
) -> Result<Vec<f32>, InterpretError> {
    let program = Program::new(plan, &[step]);
    program.check(plan, model, &[linear])?;
    let frame = Frame::new(&program, plan, model, &units[unit], unit, known);
    let parts: Vec<Vec<f32>> = tasks(model, &units[unit])
        .into_par_iter()
        .filter(|task| task.linear == linear)
        .map(|task| {
            let mut registers = program.registers();
            let mut values = Vec::with_capacity(task.rows.len() * model.linears[linear].columns);
            for chunk in frame.chunks(task.place, linear, task.rows) {
                program.run(&frame, &chunk, &[], &mut registers);
                values.extend_from_slice(program.value(&registers, step, &chunk));
            }
            values
        })
        .collect();
    Ok(parts.concat())
}

/// Returns a unit's tasks, in order.
fn tasks(model: &ModelData<'_>, unit: &Unit) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (place, linear) in unit.linears.iter().enumerate() {
        let shape = &model.linears[*linear];
        let step = (TASK / shape.columns.max(1)).max(1);
        let mut row = 0;
        while row < shape.rows && shape.columns > 0 {
            let end = (row + step).min(shape.rows);
            tasks.push(Task { place, linear: *linear, rows: row..end });
            row = end;
        }
    }
    tasks
}

/// Pairs each task with the piece of each buffer that it fills.
fn pieces<'b>(
    tasks: &[Task],
    model: &ModelData<'_>,
    buffers: &'b mut [Vec<Vec<f32>>],
) -> Vec<(Task, Vec<&'b mut [f32]>)> {
    let mut work: Vec<(Task, Vec<&'b mut [f32]>)> =
        tasks.iter().map(|task| (task.clone(), Vec::new())).collect();
    for buffer in buffers {
        let mut rest: Vec<&'b mut [f32]> = buffer.iter_mut().map(Vec::as_mut_slice).collect();
        for (task, pieces) in &mut work {
            let size = task.rows.len() * model.linears[task.linear].columns;
            let whole = std::mem::take(&mut rest[task.place]);
            let (piece, after) = whole.split_at_mut(size.min(whole.len()));
            rest[task.place] = after;
            pieces.push(piece);
        }
    }
    work
}

/// Which sums of a logarithm are taken without storing the logarithms.
struct Fused {
    /// For each streamed reduction, the register that the logarithm is taken of.
    logarithms: Vec<Option<program::FusedSum>>,
    /// Registers that are computed.
    skip: Vec<StepId>,
}

impl Fused {
    /// Finds sums and means that alone use the last operator of their chain.
    fn new(
        program: &Program,
        plan: &Plan<'_>,
        streamed: &[(StepId, Reduction)],
        buffered: &[StepId],
    ) -> Self {
        let users = |step: StepId| {
            let in_reductions =
                streamed.iter().filter(|(reduction, _)| plan.uses(*reduction)[0] == step).count();
            in_reductions + program.users_of(step) + usize::from(buffered.contains(&step))
        };
        let mut skip = Vec::new();
        let logarithms = streamed
            .iter()
            .map(|(step, reduction)| {
                let operand = plan.uses(*step)[0];
                if !matches!(reduction, Reduction::Mean | Reduction::Sum) || users(operand) > 1 {
                    return None;
                }
                let fused = program.fused_sum(operand)?;
                skip.push(operand);
                Some(fused)
            })
            .collect();
        Self { logarithms, skip }
    }
}

/// Returns about which value each streamed reduction takes its moments: the mean of the unit's first chunk.
fn centres(
    program: &Program,
    frame: &Frame<'_>,
    plan: &Plan<'_>,
    streamed: &[(StepId, Reduction)],
    first: Option<&Task>,
) -> Vec<f64> {
    let none = || vec![0.0; streamed.len()];
    let Some(task) = first else { return none() };
    if !streamed.iter().any(|(_, reduction)| reduce::needs_centre(*reduction)) {
        return none();
    }
    let mut registers = program.registers();
    let Some(chunk) = frame.chunks(task.place, task.linear, task.rows.clone()).next() else { return none() };
    program.run(frame, &chunk, &[], &mut registers);
    streamed
        .iter()
        .map(|(step, _)| {
            let values = program.value(&registers, plan.uses(*step)[0], &chunk);
            let mean = vector::sum(values) / values.len() as f64;
            if mean.is_finite() { mean } else { 0.0 }
        })
        .collect()
}

#[expect(clippy::too_many_arguments, reason = "the loop that everything hangs on")]
fn run_task(
    program: &Program,
    frame: &Frame<'_>,
    plan: &Plan<'_>,
    streamed: &[(StepId, Reduction)],
    fused: &Fused,
    buffered: &[StepId],
    task: &Task,
    pieces: &mut [&mut [f32]],
    collected: &mut [Collected],
) {
    let mut registers = program.registers();
    let mut offset = 0;
    for (index, chunk) in frame.chunks(task.place, task.linear, task.rows.clone()).enumerate() {
        // A sample is enough to know how large the terms of a sum are, and there every value is needed.
        let sampling = index == 0;
        let skip = if sampling { &[][..] } else { &fused.skip[..] };
        program.run(frame, &chunk, skip, &mut registers);
        for ((place, (step, reduction)), collected) in streamed.iter().enumerate().zip(collected.iter_mut()) {
            match &fused.logarithms[place] {
                Some(sum) if !sampling => {
                    collected.add_sum(sum.of(&registers, &chunk), chunk.len());
                }
                _ => {
                    let values = program.value(&registers, plan.uses(*step)[0], &chunk);
                    collected.add(*reduction, values);
                    if sampling {
                        collected.add_sample(values);
                    }
                }
            }
        }
        for (step, piece) in buffered.iter().zip(pieces.iter_mut()) {
            let values = program.value(&registers, *step, &chunk);
            piece[offset..offset + values.len()].copy_from_slice(values);
        }
        offset += chunk.len();
    }
}

/// Returns the value of a reduction whose operand's values are all at hand, a buffer for each linear.
fn of_buffer(
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    unit: &Unit,
    step: StepId,
    buffers: &[Vec<f32>],
) -> Result<UnitValue, InterpretError> {
    Ok(match &plan.steps[step].kind {
        StepKind::Reduce(reduction, Over::Unit, _) => {
            let mut all: Vec<f32> = buffers.concat();
            UnitValue::One(reduce::reduce(*reduction, &mut all))
        }
        StepKind::Reduce(reduction, over, _) => {
            let linears = unit.linears.iter().map(|linear| &model.linears[*linear]);
            UnitValue::Channels(
                linears
                    .zip(buffers)
                    .map(|(linear, values)| match over {
                        Over::Outputs => of_columns(*reduction, values, linear.columns),
                        _ => of_rows(*reduction, values, linear.columns),
                    })
                    .collect(),
            )
        }
        StepKind::MatrixReduce(op, parameters, _) => {
            let mut sum = 0.0;
            let mut magnitude = 0.0;
            // One linear after another in a fixed order, each on one core: the same digits for any number of threads.
            let values: Vec<f64> = unit
                .linears
                .par_iter()
                .zip(buffers)
                .map(|(linear, values)| {
                    let shape = &model.linears[*linear];
                    spectral::value(*op, parameters, values, shape.rows, shape.columns)
                        .ok_or_else(|| InterpretError::NoSpectrum { linear: shape.name.clone() })
                })
                .collect::<Result<_, _>>()?;
            for value in &values {
                sum += value;
                magnitude += value.abs();
            }
            let n = unit.linears.len() as f64;
            UnitValue::One(Reduced { value: sum / n, magnitude: magnitude / n, alternative: None })
        }
        _ => {
            let all: Vec<f64> = buffers.iter().flatten().map(|x| f64::from(*x)).collect();
            let mut ranks = reduce::ranks(&all).into_iter().map(|rank| rank as f32);
            UnitValue::Weights(
                buffers.iter().map(|buffer| ranks.by_ref().take(buffer.len()).collect()).collect(),
            )
        }
    })
}

fn of_rows(reduction: Reduction, values: &[f32], columns: usize) -> Vec<f64> {
    values.par_chunks(columns.max(1)).map(|row| reduce::reduce(reduction, &mut row.to_vec()).value).collect()
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

impl Chunk {
    /// Returns how many weights the chunk has.
    const fn len(&self) -> usize {
        self.length
    }
}
