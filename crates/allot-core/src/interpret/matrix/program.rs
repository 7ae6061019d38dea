//! Elementwise chains as instructions on chunks.

use super::frame::{Chunk, Frame};
use crate::interpret::data::Values;
use crate::interpret::plan::{Plan, StepId, StepKind};
use crate::interpret::vector::{self, Binary, Kernel, Operand, Unary};
use crate::lang::ops::Terminal;
use crate::lang::types::Type;

/// The most weights in a chunk: a few registers of this size fit the first cache.
pub(in crate::interpret) const CHUNK: usize = 1024;

/// The instructions that compute some steps, the *roots*, a chunk at a time.
///
/// An instruction computes a step into a register. A root is given away as soon as it is known, and a register is used
/// again once nothing needs its step any more: the fewer there are, the more of them stay in the first cache.
pub(in crate::interpret) struct Program {
    pub(in crate::interpret) acts: Vec<Act>,
    pub(in crate::interpret) registers: usize,
    pub(in crate::interpret) reads_weight: bool,
    /// The steps that instructions take numbers, vectors and ranks from, each once.
    pub(in crate::interpret) scalars: Vec<StepId>,
    pub(in crate::interpret) inputs: Vec<StepId>,
    pub(in crate::interpret) outputs: Vec<StepId>,
    pub(in crate::interpret) ranks: Vec<StepId>,
}

pub(in crate::interpret) enum Act {
    /// Computes into a register.
    Compute(Instruction, usize),
    /// Gives away the root of this place.
    Give(usize, Source),
}

pub(in crate::interpret) enum Instruction {
    Gradient,
    Ranks(usize),
    Unary(Unary, Source),
    Binary(Binary, Source, Source),
    Select(Source, Source, Source),
}

/// Where an operand is, by its place among those of its kind.
#[derive(Clone, Copy)]
pub(in crate::interpret) enum Source {
    Weight,
    Register(usize),
    Scalar(usize),
    Input(usize),
    Output(usize),
}

/// What a program computes in; one for each thread.
pub(in crate::interpret) struct Registers {
    slots: Vec<Vec<f32>>,
    /// The chunk's weights, where they are stored in another type.
    widened: Vec<f32>,
    /// Operands with one value for each output, laid out.
    rows: [Vec<f32>; 3],
}

impl Program {
    /// Compiles the chains that give `roots`, steps of type `Matrix` in ascending order.
    pub(in crate::interpret) fn new(plan: &Plan<'_>, roots: &[StepId]) -> Self {
        let steps = plan.matrix_steps_of(roots);
        let index_of = |step: StepId| steps.binary_search(&step).ok();
        // Ranks are read, not computed here.
        let operands = |step: StepId| match plan.steps[step].kind {
            StepKind::Ranks(_) => Vec::new(),
            _ => plan.uses(step),
        };
        let mut users = vec![0_usize; steps.len()];
        for used in steps.iter().flat_map(|step| operands(*step)).filter_map(index_of) {
            users[used] += 1;
        }
        let mut program = Self {
            acts: Vec::new(),
            registers: 0,
            reads_weight: false,
            scalars: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            ranks: Vec::new(),
        };
        let mut homes: Vec<Source> = Vec::with_capacity(steps.len());
        let mut free: Vec<usize> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let sources: Vec<Source> = operands(*step)
                .into_iter()
                .map(|operand| match index_of(operand) {
                    Some(index) => homes[index],
                    None => program.outside(plan, operand),
                })
                .collect();
            let home = match program.instruction(*step, &plan.steps[*step].kind, &sources) {
                None => {
                    program.reads_weight = true;
                    Source::Weight
                }
                Some(instruction) => {
                    let register = free.pop().unwrap_or_else(|| {
                        program.registers += 1;
                        program.registers - 1
                    });
                    program.acts.push(Act::Compute(instruction, register));
                    Source::Register(register)
                }
            };
            homes.push(home);
            if let Ok(root) = roots.binary_search(step) {
                program.acts.push(Act::Give(root, home));
            }
            // Whom nobody needs any more gives its register back.
            let mut done: Vec<usize> = operands(*step).into_iter().filter_map(index_of).collect();
            for used in &done {
                users[*used] -= 1;
            }
            done.push(index);
            done.sort_unstable();
            done.dedup();
            free.extend(done.into_iter().filter_map(|done| match (users[done], homes[done]) {
                (0, Source::Register(register)) => Some(register),
                _ => None,
            }));
        }
        program
    }

    /// Returns the instruction that computes a step; `None` for the weight, which is there already.
    fn instruction(&mut self, step: StepId, kind: &StepKind, sources: &[Source]) -> Option<Instruction> {
        let source = |place: usize| sources.get(place).copied();
        Some(match kind {
            StepKind::Terminal(Terminal::Gradient) => Instruction::Gradient,
            StepKind::Ranks(_) => Instruction::Ranks(place_in(&mut self.ranks, step)),
            StepKind::Map(op, _) => match Kernel::of(*op) {
                Kernel::Unary(op) => Instruction::Unary(op, source(0)?),
                Kernel::Binary(op) => Instruction::Binary(op, source(0)?, source(1)?),
                Kernel::Select => Instruction::Select(source(0)?, source(1)?, source(2)?),
            },
            // No other step has one value for each weight.
            StepKind::Terminal(_)
            | StepKind::Number(_)
            | StepKind::Reduce(..)
            | StepKind::MatrixReduce(..)
            | StepKind::Layerwise(..) => return None,
        })
    }

    /// Returns where an operand is that there is not one of for each weight.
    fn outside(&mut self, plan: &Plan<'_>, step: StepId) -> Source {
        match plan.steps[step].of_type {
            Type::Input => Source::Input(place_in(&mut self.inputs, step)),
            Type::Output => Source::Output(place_in(&mut self.outputs, step)),
            _ => Source::Scalar(place_in(&mut self.scalars, step)),
        }
    }

    /// Returns registers to compute in.
    pub(in crate::interpret) fn registers(&self) -> Registers {
        Registers {
            slots: vec![vec![0.0; CHUNK]; self.registers],
            widened: vec![0.0; CHUNK],
            rows: Default::default(),
        }
    }

    /// Computes a chunk, giving each root's values away under its place among the roots.
    pub(in crate::interpret) fn run(
        &self,
        frame: &Frame<'_>,
        chunk: &Chunk,
        registers: &mut Registers,
        mut give: impl FnMut(usize, &[f32]),
    ) {
        let linear = &frame.model.linears[chunk.linear];
        let start = chunk.row * linear.columns + chunk.column;
        let range = start..start + chunk.length;
        let mut widened = std::mem::take(&mut registers.widened);
        let weight: &[f32] = match &linear.weight {
            _ if !self.reads_weight => &[],
            // Used where they lie.
            Values::F32(weight) => &weight[range.clone()],
            weight => {
                vector::widen(weight, range.clone(), &mut widened[..chunk.length]);
                &widened[..chunk.length]
            }
        };
        for act in &self.acts {
            match act {
                Act::Give(root, Source::Register(register)) => {
                    give(*root, &registers.slots[*register][..chunk.length]);
                }
                Act::Give(root, _) => give(*root, weight),
                Act::Compute(instruction, register) => {
                    // An instruction never reads the register that it writes: taking that out leaves the others in place.
                    let mut out = std::mem::take(&mut registers.slots[*register]);
                    let values = &mut out[..chunk.length];
                    let Registers { slots, rows, .. } = registers;
                    let operand = |source: Source, rows| frame.operand(source, chunk, weight, slots, rows);
                    let [first, second, third] = rows;
                    match instruction {
                        Instruction::Gradient => match &linear.gradient {
                            Some(gradient) => vector::widen(gradient, range.clone(), values),
                            None => values.fill(f32::NAN),
                        },
                        Instruction::Ranks(place) => {
                            values.copy_from_slice(&frame.ranks[*place][chunk.place][range.clone()]);
                        }
                        Instruction::Unary(op, x) => match operand(*x, first) {
                            Operand::Slice(x) => vector::unary(*op, x, values),
                            // No operator of one operand makes a matrix of anything else.
                            Operand::Scalar(_) => values.fill(f32::NAN),
                        },
                        Instruction::Binary(op, x, y) => {
                            vector::binary(*op, operand(*x, first), operand(*y, second), values);
                        }
                        Instruction::Select(condition, x, y) => {
                            let condition = operand(*condition, first);
                            vector::select(condition, operand(*x, second), operand(*y, third), values);
                        }
                    }
                    registers.slots[*register] = out;
                }
            }
        }
        registers.widened = widened;
    }
}

/// Returns the place of a step in a list, to which it is added unless it is there.
fn place_in(list: &mut Vec<StepId>, step: StepId) -> usize {
    list.iter().position(|known| *known == step).unwrap_or_else(|| {
        list.push(step);
        list.len() - 1
    })
}
