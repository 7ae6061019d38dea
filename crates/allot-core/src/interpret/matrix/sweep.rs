//! The work of a backend: a program, its operands in one unit, and the tasks.

use super::frame::Frame;
use super::piece::Piece;
use super::program::Program;
use crate::kernels::tally::Tally;

/// A program on some of a unit's weights.
#[derive(Clone, Copy, Debug)]
pub struct Sweep<'a> {
    /// The program to run for each weight.
    pub program: &'a Program,
    /// The program's operands in this unit.
    pub frame: &'a Frame<'a>,
    /// The pieces of the linears to run it on.
    pub tasks: &'a [Piece],
}

/// The tallies of the values of a program's roots.
#[derive(Clone, Debug, Default)]
pub struct Collecting {
    /// The tallies.
    pub tallies: Vec<Tally>,
    /// For each root of the program, the places of the tallies that take its values.
    pub takers: Vec<Vec<usize>>,
}
