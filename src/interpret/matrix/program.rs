//! Elementwise chains as instructions on chunks.

use std::ops::Range;

use super::Known;
use crate::interpret::data::{LinearData, ModelData, Values};
use crate::interpret::error::InterpretError;
use crate::interpret::plan::{Plan, StepId, StepKind};
use crate::interpret::units::Unit;
use crate::interpret::vector::{self, Binary, Operand, Unary};
use crate::lang::ops::Op;
use crate::lang::types::Type;

/// The most weights in a chunk: a few chunks fit the first cache.
pub(super) const CHUNK: usize = 1024;

/// The instructions that compute some steps, an instruction and a register for each step that they need.
pub(super) struct Program {
    instructions: Vec<Instruction>,
    /// The steps in the order of their registers.
    steps: Vec<StepId>,
    /// The numbers and vectors that instructions take, each once.
    scalars: Vec<StepId>,
    inputs: Vec<StepId>,
    outputs: Vec<StepId>,
}

enum Instruction {
    Weight,
    Gradient,
    Ranks(StepId),
    Unary(Unary, usize),
    Binary(Binary, Source, Source),
    Select(Source, Source, Source),
}

/// Where an instruction takes an operand from, by its place among those of its kind.
#[derive(Clone, Copy)]
enum Source {
    Register(usize),
    Scalar(usize),
    Input(usize),
    Output(usize),
}

/// A sum of an operator's values that need not be stored.
pub(super) struct FusedSum {
    op: Unary,
    register: usize,
}

impl FusedSum {
    /// Returns the sum over a chunk.
    pub(super) fn of(&self, registers: &[Vec<f32>], chunk: &Chunk) -> f64 {
        vector::sum_unary(self.op, &registers[self.register][..chunk.length])
    }
}

/// A piece of a linear that is computed at once: whole rows, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) linear: usize,
    /// The linear's place in its unit.
    pub(super) place: usize,
    pub(super) row: usize,
    pub(super) rows: usize,
    pub(super) column: usize,
    pub(super) length: usize,
}

impl Program {
    /// Compiles the chains that give `roots`.
    pub(super) fn new(plan: &Plan<'_>, roots: &[StepId]) -> Self {
        let steps = plan.matrix_steps_of(roots);
        let mut program = Self {
            instructions: Vec::new(),
            steps,
            scalars: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        for index in 0..program.steps.len() {
            let step = program.steps[index];
            let instruction = match &plan.steps[step].kind {
                StepKind::Terminal(Op::Gradient) => Instruction::Gradient,
                StepKind::Ranks(_) => Instruction::Ranks(step),
                StepKind::Map(op, operands) => {
                    let sources: Vec<Source> =
                        operands.iter().map(|operand| program.source(plan, *operand)).collect();
                    match (&sources[..], Unary::of(*op), Binary::of(*op)) {
                        ([Source::Register(x)], Some(op), _) => Instruction::Unary(op, *x),
                        ([x, y], _, Some(op)) => Instruction::Binary(op, *x, *y),
                        ([condition, x, y], ..) => Instruction::Select(*condition, *x, *y),
                        // Every elementwise operator is an instruction, and none of one operand widens it.
                        _ => Instruction::Weight,
                    }
                }
                _ => Instruction::Weight,
            };
            program.instructions.push(instruction);
        }
        program
    }

    fn source(&mut self, plan: &Plan<'_>, step: StepId) -> Source {
        let place = |list: &mut Vec<StepId>| match list.iter().position(|known| *known == step) {
            Some(place) => place,
            None => {
                list.push(step);
                list.len() - 1
            }
        };
        match plan.steps[step].of_type {
            Type::Matrix => Source::Register(self.steps.binary_search(&step).unwrap_or(0)),
            Type::Input => Source::Input(place(&mut self.inputs)),
            Type::Output => Source::Output(place(&mut self.outputs)),
            _ => Source::Scalar(place(&mut self.scalars)),
        }
    }

    /// Checks that what the instructions read was collected for some linears.
    pub(super) fn check(
        &self,
        plan: &Plan<'_>,
        model: &ModelData<'_>,
        linears: &[usize],
    ) -> Result<(), InterpretError> {
        for (instruction, step) in self.instructions.iter().zip(&self.steps) {
            if !matches!(instruction, Instruction::Gradient) {
                continue;
            }
            for linear in linears.iter().map(|linear| &model.linears[*linear]) {
                let name = || linear.name.clone();
                match &linear.gradient {
                    None => {
                        let span = plan.steps[*step].origin.span();
                        return Err(InterpretError::NotCollected { op: Op::Gradient, span, linear: name() });
                    }
                    Some(values) if values.len() != linear.rows * linear.columns => {
                        return Err(InterpretError::WrongLength {
                            op: Op::Gradient,
                            linear: name(),
                            found: values.len(),
                            expected: linear.rows * linear.columns,
                        });
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Returns registers to compute in.
    pub(super) fn registers(&self) -> Vec<Vec<f32>> {
        vec![vec![0.0; CHUNK]; self.steps.len()]
    }

    /// Returns a step's values in a chunk.
    pub(super) fn value<'r>(&self, registers: &'r [Vec<f32>], step: StepId, chunk: &Chunk) -> &'r [f32] {
        match self.steps.binary_search(&step) {
            Ok(register) => &registers[register][..chunk.length],
            Err(_) => &[],
        }
    }

    /// Returns the steps that have registers, in order.
    pub(super) fn steps(&self) -> &[StepId] {
        &self.steps
    }

    /// Returns how many instructions use a step's register.
    pub(super) fn users_of(&self, step: StepId) -> usize {
        let Ok(register) = self.steps.binary_search(&step) else { return 0 };
        let is = |source: &Source| matches!(source, Source::Register(r) if *r == register);
        self.instructions
            .iter()
            .map(|instruction| match instruction {
                Instruction::Unary(_, x) => usize::from(*x == register),
                Instruction::Binary(_, x, y) => [x, y].into_iter().filter(|s| is(s)).count(),
                Instruction::Select(c, x, y) => [c, x, y].into_iter().filter(|s| is(s)).count(),
                _ => 0,
            })
            .sum()
    }

    /// Returns how to sum a step's values without storing them, where that pays.
    pub(super) fn fused_sum(&self, step: StepId) -> Option<FusedSum> {
        let register = self.steps.binary_search(&step).ok()?;
        match self.instructions[register] {
            Instruction::Unary(op, from) if vector::fuses_with_sum(op) => {
                Some(FusedSum { op, register: from })
            }
            _ => None,
        }
    }

    /// Computes a chunk, but for the steps of `skip`.
    pub(super) fn run(&self, frame: &Frame<'_>, chunk: &Chunk, skip: &[StepId], registers: &mut [Vec<f32>]) {
        let linear = &frame.model.linears[chunk.linear];
        for (register, instruction) in self.instructions.iter().enumerate() {
            if skip.contains(&self.steps[register]) {
                continue;
            }
            // A register is computed once, from others: taking it out leaves those in place.
            let mut out = std::mem::take(&mut registers[register]);
            let values = &mut out[..chunk.length];
            match instruction {
                Instruction::Weight => load(&linear.weight, linear, chunk, values),
                Instruction::Gradient => match &linear.gradient {
                    Some(gradient) => load(gradient, linear, chunk, values),
                    None => values.fill(f32::NAN),
                },
                Instruction::Ranks(step) => {
                    let start = chunk.row * linear.columns + chunk.column;
                    values.copy_from_slice(&frame.ranks(*step, chunk.place)[start..start + chunk.length]);
                }
                Instruction::Unary(op, x) => vector::unary(*op, &registers[*x][..chunk.length], values),
                Instruction::Binary(op, x, y) => {
                    let mut rows = [Vec::new(), Vec::new()];
                    let [first, second] = &mut rows;
                    let x = frame.operand(*x, chunk, registers, first);
                    let y = frame.operand(*y, chunk, registers, second);
                    vector::binary(*op, x, y, values);
                }
                Instruction::Select(condition, x, y) => {
                    let mut rows = [Vec::new(), Vec::new(), Vec::new()];
                    let [first, second, third] = &mut rows;
                    let condition = frame.operand(*condition, chunk, registers, first);
                    let x = frame.operand(*x, chunk, registers, second);
                    let y = frame.operand(*y, chunk, registers, third);
                    vector::select(condition, x, y, values);
                }
            }
            registers[register] = out;
        }
    }
}

fn load(values: &Values<'_>, linear: &LinearData<'_>, chunk: &Chunk, out: &mut [f32]) {
    let start = chunk.row * linear.columns + chunk.column;
    vector::widen(values, start..start + chunk.length, out);
}

/// What a program's instructions take on one unit.
pub(super) struct Frame<'a> {
    model: &'a ModelData<'a>,
    scalars: Vec<f32>,
    /// For each input vector and each of the unit's linears, the vector, repeated to fill a chunk of whole rows.
    inputs: Vec<Vec<Vec<f32>>>,
    outputs: Vec<Vec<Vec<f32>>>,
    ranks: Vec<(StepId, Vec<&'a [f32]>)>,
}

impl<'a> Frame<'a> {
    /// Gathers what a program takes on a unit.
    pub(super) fn new(
        program: &Program,
        plan: &Plan<'_>,
        model: &'a ModelData<'a>,
        unit: &Unit,
        index: usize,
        known: &'a impl Known,
    ) -> Self {
        let vectors = |step: &StepId, repeat: bool| -> Vec<Vec<f32>> {
            unit.linears
                .iter()
                .enumerate()
                .map(|(place, linear)| {
                    let values: Vec<f32> =
                        known.channels(*step, index, place, *linear).iter().map(|x| *x as f32).collect();
                    let times = if repeat { rows_in_chunk(model.linears[*linear].columns) } else { 1 };
                    values.repeat(times)
                })
                .collect()
        };
        let is_ranks = |step: &&StepId| matches!(plan.steps[**step].kind, StepKind::Ranks(_));
        Self {
            model,
            scalars: program.scalars.iter().map(|step| known.number(*step, index) as f32).collect(),
            inputs: program.inputs.iter().map(|step| vectors(step, true)).collect(),
            outputs: program.outputs.iter().map(|step| vectors(step, false)).collect(),
            ranks: program
                .steps
                .iter()
                .filter(is_ranks)
                .map(|step| {
                    (*step, (0..unit.linears.len()).map(|place| known.weights(*step, place)).collect())
                })
                .collect(),
        }
    }

    fn ranks(&self, step: StepId, place: usize) -> &'a [f32] {
        self.ranks.iter().find(|(known, _)| *known == step).map_or(&[], |(_, linears)| linears[place])
    }

    /// Cuts rows of a linear into chunks.
    pub(super) fn chunks(
        &self,
        place: usize,
        linear: usize,
        rows: Range<usize>,
    ) -> impl Iterator<Item = Chunk> + use<> {
        let columns = self.model.linears[linear].columns;
        let together = rows_in_chunk(columns);
        let last = rows.end;
        rows.step_by(together).flat_map(move |row| {
            let rows = together.min(last - row);
            (0..columns).step_by(CHUNK.max(columns.min(CHUNK))).map(move |column| {
                let length =
                    if rows > 1 || columns <= CHUNK { rows * columns } else { CHUNK.min(columns - column) };
                Chunk { linear, place, row, rows, column, length }
            })
        })
    }

    /// Returns an instruction's operand; `rows` holds it where it must be laid out first.
    fn operand<'r>(
        &'r self,
        source: Source,
        chunk: &Chunk,
        registers: &'r [Vec<f32>],
        rows: &'r mut Vec<f32>,
    ) -> Operand<'r> {
        match source {
            Source::Register(register) => Operand::Slice(&registers[register][..chunk.length]),
            Source::Scalar(scalar) => Operand::Scalar(self.scalars[scalar]),
            Source::Input(input) => {
                let vector = &self.inputs[input][chunk.place];
                Operand::Slice(&vector[chunk.column..chunk.column + chunk.length])
            }
            Source::Output(output) => {
                let vector = &self.outputs[output][chunk.place];
                if chunk.rows == 1 {
                    return Operand::Scalar(vector[chunk.row]);
                }
                let columns = chunk.length / chunk.rows;
                for value in &vector[chunk.row..chunk.row + chunk.rows] {
                    rows.extend(std::iter::repeat_n(*value, columns));
                }
                Operand::Slice(rows)
            }
        }
    }
}

/// Returns how many whole rows make a chunk.
fn rows_in_chunk(columns: usize) -> usize {
    (CHUNK / columns.max(1)).max(1)
}
