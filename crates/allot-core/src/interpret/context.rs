//! What an evaluation needs beside its expressions.

use super::matrix::Backend;
use crate::data::ModelData;
use crate::lang::program::Expr;
use crate::lang::types::{Group, UnitKind};
use crate::results::Reductions;

/// What an evaluation needs beside the expressions.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The model.
    pub model: &'a ModelData<'a>,
    /// What gets one value of type `Layer`; the projection, where rows are the units.
    pub unit: UnitKind,
    /// What `score` stands for, a `Matrix`.
    pub metric: &'a Expr,
    /// Among which weights the metric compares.
    pub per: Group,
    /// What `target` stands for.
    pub target: f64,
    /// What reductions gave in earlier calls on this model, and where what they give in this one is kept.
    pub reductions: Option<&'a Reductions>,
    /// Where the matrix stage runs; [`Processor`](super::matrix::Processor) unless the model lives on a device.
    pub backend: &'a dyn Backend,
}
