//! The matrix stage: reductions of values that there is one of for each weight.
//!
//! A [`Round`] visits a unit's weights in tasks of whole rows, each task in chunks that stay in the first cache: widen the
//! weights, run the elementwise chains of all reductions of the round ([`program`]), and feed what each of them adds up
//! ([`tally`](super::tally)). Tasks run on all cores and are combined in their order, so results do not depend on the number
//! of threads. Order statistics, ranks, spectra and reductions along channels need all values of a unit or a linear at once:
//! for those the weights are read again into a buffer, one step after another ([`whole`]).

mod blame;
mod frame;
mod processor;
mod program;
mod threshold;
mod whole;

use super::data::ModelData;
use super::engine::EngineError;
use super::error::InterpretError;
use super::plan::{Plan, StepId, StepKind};
use super::reduce::Reduced;
use super::tally::Tally;
use super::units::Unit;
use crate::lang::types::{Over, Type};

pub(super) use blame::{NotFiniteWeight, first_not_finite};
pub(super) use frame::Frame;
pub(super) use processor::Processor;
#[cfg(any(feature = "cuda", test))]
pub(super) use processor::centre;
pub(super) use program::Program;
#[cfg(any(feature = "cuda", test))]
pub(super) use program::{Act, Instruction, Source};
pub(super) use threshold::removed_by_threshold;
use whole::Whole;

/// The fewest weights that a task has, whole rows and the unit's size permitting.
const TASK: usize = 1 << 16;
/// The most tasks that a unit's linears are cut into, each linear's last apart: enough for all cores, and few enough for
/// what they collect to be small.
const TASKS: u64 = 64;

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

/// Where a round finds the values of steps that are already known.
pub(super) trait Lookup: Sync {
    /// Returns a step's number in a unit.
    fn number(&self, step: StepId, unit: usize) -> f64;
    /// Returns a step's values for the channels of a linear; `place` is the linear's place in the unit at hand.
    fn channels(&self, step: StepId, place: usize, linear: usize) -> &[f64];
    /// Returns a step's values for the weights of a linear of the unit at hand.
    fn weights(&self, step: StepId, place: usize) -> &[f32];
}

/// A piece of a linear: some rows.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// The linear's place in the unit.
    pub(super) place: usize,
    pub(super) linear: usize,
    pub(super) rows: std::ops::Range<usize>,
}

/// A program on some of a unit's weights.
#[derive(Clone, Copy)]
pub(super) struct Stage<'a> {
    pub(super) program: &'a Program,
    pub(super) frame: &'a Frame<'a>,
    pub(super) tasks: &'a [Task],
}

/// The reductions that share a read of a unit's weights, ready to run on any unit.
pub(super) struct Round {
    reductions: Vec<StepId>,
    /// For each reduction, the tally that it is made of, unless it needs all values at hand.
    made_of: Vec<Option<usize>>,
    program: Program,
    /// What is added up, and for each root of the program which of it takes the root's values.
    tallies: Vec<Tally>,
    takers: Vec<Vec<usize>>,
    wholes: Vec<Whole>,
}

impl Round {
    /// Prepares reductions: steps whose operands are matrices.
    pub(super) fn new(plan: &Plan<'_>, reductions: Vec<StepId>) -> Self {
        let streamed: Vec<Option<(Tally, StepId)>> =
            reductions.iter().map(|step| tally_of(plan, *step)).collect();
        // Sorted, so that the first of equal ones is found by searching.
        let mut roots: Vec<StepId> = streamed.iter().flatten().map(|(_, operand)| *operand).collect();
        roots.sort_unstable();
        roots.dedup();
        let mut tallies: Vec<Tally> = Vec::new();
        let mut takers: Vec<Vec<usize>> = vec![Vec::new(); roots.len()];
        let made_of = streamed
            .into_iter()
            .map(|tally| {
                let (tally, operand) = tally?;
                let takers = &mut takers[roots.binary_search(&operand).ok()?];
                Some(takers.iter().copied().find(|taker| tallies[*taker] == tally).unwrap_or_else(|| {
                    tallies.push(tally);
                    takers.push(tallies.len() - 1);
                    tallies.len() - 1
                }))
            })
            .collect();
        let program = Program::new(plan, &roots);
        let mut round = Self { made_of, program, tallies, takers, wholes: Vec::new(), reductions };
        round.prepare_wholes(plan);
        round
    }

    fn prepare_wholes(&mut self, plan: &Plan<'_>) {
        let mut operands: Vec<(StepId, usize)> = (0..self.reductions.len())
            .filter(|place| self.made_of[*place].is_none())
            .map(|place| (plan.uses(self.reductions[place])[0], place))
            .collect();
        operands.sort_unstable();
        for group in operands.chunk_by(|a, b| a.0 == b.0) {
            let mut whole = Whole::new(plan, group[0].0);
            for (_, place) in group {
                whole.add(*place, &plan.steps[self.reductions[*place]].kind);
            }
            whole.order(plan, &self.reductions);
            self.wholes.push(whole);
        }
    }

    /// Returns the reductions, in the order of their values.
    pub(super) fn reductions(&self) -> &[StepId] {
        &self.reductions
    }

    /// Returns whether all values of a unit, or of one of its linears, must be at hand at once.
    pub(super) fn buffers(&self) -> bool {
        !self.wholes.is_empty()
    }

    /// Computes the reductions on the `index`-th unit.
    ///
    /// # Errors
    /// Fails when a spectrum cannot be computed, or as the device does.
    pub(super) fn run(
        &self,
        plan: &Plan<'_>,
        model: &ModelData<'_>,
        (unit, index): (&Unit, usize),
        known: &impl Lookup,
    ) -> Result<Vec<UnitValue>, InterpretError> {
        let mut values: Vec<Option<UnitValue>> = vec![None; self.reductions.len()];
        if !self.tallies.is_empty() {
            let frame = Frame::new(&self.program, model, unit, index, known);
            let tasks = tasks(model, unit);
            let stage = Stage { program: &self.program, frame: &frame, tasks: &tasks };
            let totals = model.home.engine.backend().collect(&stage, &self.tallies, &self.takers)?;
            for (place, tally) in self.made_of.iter().enumerate() {
                if let (Some(tally), StepKind::Reduce(reduction, ..)) =
                    (tally, &plan.steps[self.reductions[place]].kind)
                {
                    values[place] = Some(UnitValue::One(totals[*tally].finish(*reduction)));
                }
            }
        }
        for whole in &self.wholes {
            whole.run(plan, model, (unit, index), &self.reductions, known, &mut values)?;
        }
        let nothing = || UnitValue::One(Reduced { value: f64::NAN, ..Reduced::default() });
        Ok(values.into_iter().map(|value| value.unwrap_or_else(nothing)).collect())
    }
}

/// Returns the tally that a reduction is made of, and the step whose values it adds up.
fn tally_of(plan: &Plan<'_>, step: StepId) -> Option<(Tally, StepId)> {
    let StepKind::Reduce(reduction, Over::Unit, mut operand) = plan.steps[step].kind else { return None };
    let mut tally = Tally::of(reduction).ok()?;
    while let StepKind::Map(op, operands) = &plan.steps[operand].kind
        && let [inner] = operands[..]
        && plan.steps[inner].of_type == Type::Matrix
        && let Some(through) = tally.through(*op)
    {
        (tally, operand) = (through, inner);
    }
    Some((tally, operand))
}

/// Returns a step's values in one linear of a unit, `[rows, columns]`.
///
/// # Errors
/// Fails as the device does.
pub(super) fn values(
    plan: &Plan<'_>,
    model: &ModelData<'_>,
    (unit, index): (&Unit, usize),
    linear: usize,
    step: StepId,
    known: &impl Lookup,
) -> Result<Vec<f32>, EngineError> {
    let program = Program::new(plan, &[step]);
    let frame = Frame::new(&program, model, unit, index, known);
    let tasks: Vec<Task> = tasks(model, unit).into_iter().filter(|task| task.linear == linear).collect();
    model.home.engine.backend().values(&Stage { program: &program, frame: &frame, tasks: &tasks })
}

/// Returns a unit's tasks, in order.
fn tasks(model: &ModelData<'_>, unit: &Unit) -> Vec<Task> {
    let size = usize::try_from(unit.parameters / TASKS).unwrap_or(usize::MAX).max(TASK);
    let mut tasks = Vec::new();
    for (place, linear) in unit.linears.iter().enumerate() {
        let shape = &model.linears[*linear];
        let step = (size / shape.columns.max(1)).max(1);
        let rows = if shape.columns == 0 { 0 } else { shape.rows };
        tasks.extend((0..rows).step_by(step).map(|row| Task {
            place,
            linear: *linear,
            rows: row..rows.min(row.saturating_add(step)),
        }));
    }
    tasks
}
