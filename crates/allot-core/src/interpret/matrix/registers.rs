//! Runs a program on the processor, one chunk at a time.

use super::chunk::{CHUNK, Chunk};
use super::frame::Frame;
use super::program::{Act, Instruction, OperandSource, Program};
use crate::data::Values;
use crate::kernels::vector::{self, Operand};

/// The memory in which a program computes; one for each thread.
pub(in crate::interpret) struct Registers {
    slots: Vec<Vec<f32>>,
    /// The chunk's weights, if they are stored in another type than f32.
    widened: Vec<f32>,
    /// Operands with one value for each output, expanded to one value for each weight.
    rows: [Vec<f32>; 3],
}

impl Registers {
    /// Returns registers for a program.
    pub(in crate::interpret) fn new(program: &Program) -> Self {
        Self {
            slots: vec![vec![0.0; CHUNK]; program.registers],
            widened: vec![0.0; CHUNK],
            rows: Default::default(),
        }
    }

    /// Computes a chunk with the program that the registers are for, and calls `give` with the place and the values of each root.
    pub(in crate::interpret) fn run(
        &mut self,
        program: &Program,
        frame: &Frame<'_>,
        chunk: &Chunk,
        mut give: impl FnMut(usize, &[f32]),
    ) {
        let linear = &frame.model.linears[chunk.linear];
        let start = chunk.row * linear.columns + chunk.column;
        let range = start..start + chunk.length;
        let mut widened = std::mem::take(&mut self.widened);
        let weight: &[f32] = match &linear.weight {
            _ if !program.reads_weight => &[],
            // Used in place.
            Values::F32(weight) => &weight[range.clone()],
            weight => {
                vector::widen(weight, range.clone(), &mut widened[..chunk.length]);
                &widened[..chunk.length]
            }
        };
        for act in &program.acts {
            match act {
                Act::Give(root, OperandSource::Register(register)) => {
                    give(*root, &self.slots[*register][..chunk.length]);
                }
                Act::Give(root, _) => give(*root, weight),
                Act::Compute(instruction, register) => {
                    // An instruction never reads the register that it writes: taking that out leaves the others in place.
                    let mut out = std::mem::take(&mut self.slots[*register]);
                    let values = &mut out[..chunk.length];
                    let Self { slots, rows, .. } = &mut *self;
                    let operand =
                        |source: OperandSource, rows| frame.operand(source, chunk, weight, slots, rows);
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
                            // Only an operand with one value for each weight makes a matrix.
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
                    self.slots[*register] = out;
                }
            }
        }
        self.widened = widened;
    }
}
