//! Compiles elementwise chains to instructions on chunks.

use crate::interpret::plan::{Plan, StepId, StepKind};
use crate::kernels::vector::{Binary, Kernel, Unary};
use crate::lang::ops::Terminal;
use crate::lang::types::Type;

/// The instructions that compute some steps, the *roots*, one chunk at a time.
///
/// An instruction computes a step into a register. A root is returned as soon as it is known, and a register is reused when no
/// instruction needs its step any longer, because few registers fit the first cache.
#[derive(Clone, Debug)]
pub struct Program {
    /// The actions, in order.
    pub acts: Vec<Act>,
    /// How many registers there are.
    pub registers: usize,
    /// Whether an instruction uses the weight, or a root is the weight.
    pub reads_weight: bool,
    /// The steps with one number for the unit that instructions use, each once.
    pub scalars: Vec<StepId>,
    /// The steps with one number for each input that they use.
    pub inputs: Vec<StepId>,
    /// The steps with one number for each output that they use.
    pub outputs: Vec<StepId>,
    /// The steps of ranks that they use.
    pub ranks: Vec<StepId>,
}

/// One action of a program.
#[derive(Clone, Debug)]
pub enum Act {
    /// Computes into a register.
    Compute(Instruction, usize),
    /// Returns the root at this place among the roots.
    Give(usize, OperandSource),
}

/// An instruction, which computes one number for each weight.
#[derive(Clone, Debug)]
pub enum Instruction {
    /// Reads the gradient.
    Gradient,
    /// Reads ranks, by their step's place among [`Program::ranks`].
    Ranks(usize),
    /// Computes a function of one operand.
    Unary(Unary, OperandSource),
    /// Computes a function of two operands.
    Binary(Binary, OperandSource, OperandSource),
    /// Takes the second operand where the first is not 0, and the third elsewhere.
    Select(OperandSource, OperandSource, OperandSource),
}

/// The source of an operand, with its place among those of its kind.
#[derive(Clone, Copy, Debug)]
pub enum OperandSource {
    /// The weight.
    Weight,
    /// A register.
    Register(usize),
    /// A number, the same for the whole unit.
    Scalar(usize),
    /// A number for each input.
    Input(usize),
    /// A number for each output.
    Output(usize),
}

impl Program {
    /// Compiles the chains that compute `roots`, steps of type `Matrix` in ascending order.
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
        let mut homes: Vec<OperandSource> = Vec::with_capacity(steps.len());
        let mut free: Vec<usize> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let sources: Vec<OperandSource> = operands(*step)
                .into_iter()
                .map(|operand| match index_of(operand) {
                    Some(index) => homes[index],
                    None => program.outside(plan, operand),
                })
                .collect();
            let home = match program.instruction(*step, &plan.steps[*step].kind, &sources) {
                None => {
                    program.reads_weight = true;
                    OperandSource::Weight
                }
                Some(instruction) => {
                    let register = free.pop().unwrap_or_else(|| {
                        program.registers += 1;
                        program.registers - 1
                    });
                    program.acts.push(Act::Compute(instruction, register));
                    OperandSource::Register(register)
                }
            };
            homes.push(home);
            if let Ok(root) = roots.binary_search(step) {
                program.acts.push(Act::Give(root, home));
            }
            // Frees the registers of steps without remaining users.
            let mut done: Vec<usize> = operands(*step).into_iter().filter_map(index_of).collect();
            for used in &done {
                users[*used] -= 1;
            }
            done.push(index);
            done.sort_unstable();
            done.dedup();
            free.extend(done.into_iter().filter_map(|done| match (users[done], homes[done]) {
                (0, OperandSource::Register(register)) => Some(register),
                _ => None,
            }));
        }
        program
    }

    /// Returns the instruction that computes a step; `None` for the weight, which needs none.
    fn instruction(
        &mut self,
        step: StepId,
        kind: &StepKind,
        sources: &[OperandSource],
    ) -> Option<Instruction> {
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

    /// Returns the source of an operand that is not per-weight.
    fn outside(&mut self, plan: &Plan<'_>, step: StepId) -> OperandSource {
        match plan.steps[step].of_type {
            Type::Input => OperandSource::Input(place_in(&mut self.inputs, step)),
            Type::Output => OperandSource::Output(place_in(&mut self.outputs, step)),
            _ => OperandSource::Scalar(place_in(&mut self.scalars, step)),
        }
    }
}

/// Returns the place of a step in a list, and adds it if necessary.
fn place_in(list: &mut Vec<StepId>, step: StepId) -> usize {
    list.iter().position(|known| *known == step).unwrap_or_else(|| {
        list.push(step);
        list.len() - 1
    })
}
