//! What a backend works on: a program, what it takes in one unit, and the tasks.

use super::frame::Frame;
use super::piece::Piece;
use super::program::Program;
use crate::kernels::tally::Tally;

/// A program on some of a unit's weights.
#[derive(Clone, Copy, Debug)]
pub struct Sweep<'a> {
    /// What is computed for each weight.
    pub program: &'a Program,
    /// What the program takes in this unit.
    pub frame: &'a Frame<'a>,
    /// The weights.
    pub tasks: &'a [Piece],
}

/// What is added up of the values of a program's roots.
#[derive(Clone, Debug, Default)]
pub struct Collecting {
    /// The tallies.
    pub tallies: Vec<Tally>,
    /// For each root of the program, the places of the tallies that take its values.
    pub takers: Vec<Vec<usize>>,
}
