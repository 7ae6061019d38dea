//! The operands of a program's instructions on one unit.

use std::ops::Range;

use super::chunk::{CHUNK, Chunk};
use super::lookup::Lookup;
use super::piece::Piece;
use super::program::{OperandSource, Program};
use crate::data::ModelData;
use crate::interpret::units::UnitData;
use crate::kernels::vector::Operand;

/// The operands of a program's instructions on one unit.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The model.
    pub model: &'a ModelData<'a>,
    scalars: Vec<f32>,
    /// For each input vector and each of the unit's linears, its values, repeated to fill a chunk of whole rows.
    inputs: Vec<Vec<Vec<f32>>>,
    outputs: Vec<Vec<Vec<f32>>>,
    /// For each step of ranks and each of the unit's linears, the ranks.
    pub ranks: Vec<Vec<&'a [f32]>>,
}

impl<'a> Frame<'a> {
    /// Gathers the operands of a program on a unit.
    pub(in crate::interpret) fn new(
        program: &Program,
        model: &'a ModelData<'a>,
        unit: &UnitData,
        known: &'a impl Lookup,
    ) -> Self {
        let vectors = |step: usize, repeat: bool| -> Vec<Vec<f32>> {
            let linears = unit.linears.iter().enumerate();
            linears
                .map(|(place, linear)| {
                    let values = known.channels(step, place, *linear);
                    let times = if repeat { rows_in_chunk(model.linears[*linear].columns) } else { 1 };
                    let once: Vec<f32> = values.iter().map(|x| narrow(*x)).collect();
                    if times == 1 { once } else { once.repeat(times) }
                })
                .collect()
        };
        let ranks = |step: usize| (0..unit.linears.len()).map(|place| known.weights(step, place)).collect();
        Self {
            model,
            scalars: program.scalars.iter().map(|step| narrow(known.number(*step, unit.index))).collect(),
            inputs: program.inputs.iter().map(|step| vectors(*step, true)).collect(),
            outputs: program.outputs.iter().map(|step| vectors(*step, false)).collect(),
            ranks: program.ranks.iter().map(|step| ranks(*step)).collect(),
        }
    }

    /// Returns the operands of instructions in one of the unit's linears: each vector of inputs, then each of outputs, then the scalars.
    pub fn numbers(&self, place: usize, columns: usize) -> Vec<f32> {
        let mut numbers = Vec::new();
        for step in &self.inputs {
            // Vectors of inputs are stored repeated; one copy is enough here.
            numbers.extend_from_slice(&step[place][..columns.min(step[place].len())]);
        }
        for step in &self.outputs {
            numbers.extend_from_slice(&step[place]);
        }
        numbers.extend_from_slice(&self.scalars);
        numbers
    }

    /// Cuts a task into chunks.
    pub(in crate::interpret) fn chunks(&self, task: &Piece) -> impl Iterator<Item = Chunk> + use<> {
        let (linear, place) = (task.linear, task.place);
        let columns = self.model.linears[linear].columns;
        let Range { start, end } = task.rows;
        let together = rows_in_chunk(columns);
        (start..end).step_by(together).flat_map(move |row| {
            let rows = together.min(end - row);
            // A row is cut only if it is longer than a chunk.
            (0..columns).step_by(CHUNK.max(1)).map(move |column| {
                let length = if columns <= CHUNK { rows * columns } else { CHUNK.min(columns - column) };
                Chunk { linear, place, row, rows, column, length }
            })
        })
    }

    /// Returns an instruction's operand; `rows` holds it if it must be expanded first.
    pub(in crate::interpret) fn operand<'r>(
        &'r self,
        source: OperandSource,
        chunk: &Chunk,
        weight: &'r [f32],
        slots: &'r [Vec<f32>],
        rows: &'r mut Vec<f32>,
    ) -> Operand<'r> {
        match source {
            OperandSource::Weight => Operand::Slice(weight),
            OperandSource::Register(register) => Operand::Slice(&slots[register][..chunk.length]),
            OperandSource::Scalar(scalar) => Operand::Scalar(self.scalars[scalar]),
            OperandSource::Input(input) => {
                let vector = &self.inputs[input][chunk.place];
                Operand::Slice(&vector[chunk.column..chunk.column + chunk.length])
            }
            OperandSource::Output(output) => {
                let vector = &self.outputs[output][chunk.place];
                if chunk.rows == 1 {
                    return Operand::Scalar(vector[chunk.row]);
                }
                let columns = chunk.length / chunk.rows;
                rows.clear();
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

/// Returns the nearest f32, but not 0 for a value other than 0: a quotient by it would become 0 instead of too large.
fn narrow(x: f64) -> f32 {
    let single = x as f32;
    if single == 0.0 && x != 0.0 { f32::from_bits(1).copysign(single) } else { single }
}

#[cfg(test)]
mod tests {
    use super::narrow;

    #[test]
    fn small_numbers_stay_apart_from_zero() {
        assert_eq!(narrow(0.1), 0.1);
        assert_eq!(narrow(1e300), f32::INFINITY);
        assert_eq!(narrow(-1e-300), -f32::from_bits(1));
        assert_eq!(narrow(0.0).to_bits(), 0);
        assert!(narrow(f64::NAN).is_nan());
    }
}
