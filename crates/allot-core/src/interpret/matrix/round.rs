//! Rounds: the reductions that share a read of a unit's weights.

use super::backend::BackendError;
use super::buffered::Buffered;
use super::frame::Frame;
use super::lookup::{Lookup, StepValue};
use super::piece::{Piece, tasks};
use super::program::Program;
use super::sweep::{Collecting, Sweep};
use crate::interpret::context::Context;
use crate::interpret::error::InterpretError;
use crate::interpret::plan::{Plan, StepId, StepKind};
use crate::interpret::units::UnitData;
use crate::kernels::tally::Tally;
use crate::lang::types::{Over, Type};
use crate::threads;

/// The reductions that share a read of a unit's weights, ready to run on any unit.
pub(in crate::interpret) struct Round {
    reductions: Vec<StepId>,
    /// For each reduction, the tally that it is computed from, unless it needs all values at once.
    made_of: Vec<Option<usize>>,
    program: Program,
    collecting: Collecting,
    buffered: Vec<Buffered>,
}

impl Round {
    /// Prepares reductions: steps whose operands are matrices.
    pub(in crate::interpret) fn new(plan: &Plan<'_>, reductions: Vec<StepId>) -> Self {
        let streamed: Vec<Option<(Tally, StepId)>> =
            reductions.iter().map(|step| tally_of(plan, *step)).collect();
        // Sorted for the binary search below.
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
        let collecting = Collecting { tallies, takers };
        let mut round = Self { made_of, program, collecting, buffered: Vec::new(), reductions };
        round.prepare_buffered(plan);
        round
    }

    fn prepare_buffered(&mut self, plan: &Plan<'_>) {
        let mut operands: Vec<(StepId, usize)> = (0..self.reductions.len())
            .filter(|place| self.made_of[*place].is_none())
            .map(|place| (plan.uses(self.reductions[place])[0], place))
            .collect();
        operands.sort_unstable();
        for group in operands.chunk_by(|a, b| a.0 == b.0) {
            let mut buffered = Buffered::new(plan, group[0].0);
            for (_, place) in group {
                buffered.add(*place, &plan.steps[self.reductions[*place]].kind);
            }
            buffered.order(plan, &self.reductions);
            self.buffered.push(buffered);
        }
    }

    /// Returns the reductions, in the order of their values.
    pub(in crate::interpret) fn reductions(&self) -> &[StepId] {
        &self.reductions
    }

    /// Returns whether all values of a unit, or of one of its linears, must be in memory at once.
    pub(in crate::interpret) fn buffers(&self) -> bool {
        !self.buffered.is_empty()
    }

    /// Computes the reductions on some units, each with its known values, and returns the results for each.
    ///
    /// # Errors
    /// Fails when a spectrum cannot be computed, or as the device does.
    pub(in crate::interpret) fn run<K: Lookup>(
        &self,
        plan: &Plan<'_>,
        context: Context<'_>,
        units: &[(&UnitData, &K)],
    ) -> Result<Vec<Vec<StepValue>>, InterpretError> {
        let mut values: Vec<Vec<Option<StepValue>>> = vec![vec![None; self.reductions.len()]; units.len()];
        if !self.collecting.tallies.is_empty() {
            let frames: Vec<(Frame<'_>, Vec<Piece>)> = threads::map(units, |(unit, known)| {
                let frame = Frame::new(&self.program, context.model, unit, *known);
                (frame, tasks(context.model, unit))
            });
            let sweeps: Vec<Sweep<'_>> =
                frames.iter().map(|(frame, tasks)| Sweep { program: &self.program, frame, tasks }).collect();
            let totals = context.backend.collect(&sweeps, &self.collecting)?;
            for (values, totals) in values.iter_mut().zip(&totals) {
                for (place, tally) in self.made_of.iter().enumerate() {
                    if let (Some(tally), StepKind::Reduce(reduction, ..)) =
                        (tally, &plan.steps[self.reductions[place]].kind)
                    {
                        values[place] = Some(StepValue::One(totals[*tally].finish(*reduction)));
                    }
                }
            }
        }
        for buffered in &self.buffered {
            for ((unit, known), values) in units.iter().zip(&mut values) {
                buffered.run(plan, context, unit, &self.reductions, *known, values)?;
            }
        }
        let found = |(value, step): (Option<StepValue>, &StepId)| {
            value.ok_or_else(|| InterpretError::internal(plan.steps[*step].origin))
        };
        values
            .into_iter()
            .map(|values| values.into_iter().zip(&self.reductions).map(found).collect())
            .collect()
    }
}

/// Returns the tally that a reduction is computed from, and the step whose values it adds up.
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
pub(in crate::interpret) fn values(
    plan: &Plan<'_>,
    context: Context<'_>,
    unit: &UnitData,
    linear: usize,
    step: StepId,
    known: &impl Lookup,
) -> Result<Vec<f32>, BackendError> {
    let program = Program::new(plan, &[step]);
    let frame = Frame::new(&program, context.model, unit, known);
    let tasks: Vec<Piece> =
        tasks(context.model, unit).into_iter().filter(|task| task.linear == linear).collect();
    context.backend.values(&Sweep { program: &program, frame: &frame, tasks: &tasks })
}
