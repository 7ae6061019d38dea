//! How operators act on types, and conditions on where they may be used.

use crate::types::Type;

/// How an operator acts on types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A leaf of the given type.
    Terminal(Type),
    /// Operands of any shapes to the smallest shape that all of them broadcast to.
    Elementwise,
    /// A `Layer`, `Input`, `Output` or `Matrix` to itself.
    Normaliser,
    /// A `Matrix`, `Input` or `Output` to a `Layer`; with `over`, a `Matrix` to an `Output` or `Input`.
    Reduction,
    /// A `Matrix` to a `Layer`: once for each linear, then the plain mean over the unit's linears.
    MatrixReduction,
    /// A `Layer` to a `Layer`, across the units.
    Layerwise,
    /// An importance, or no operand, to a `Sparsity`. An allocator of a `Layer` also takes an `Output` where rows are units.
    Allocator(Option<Type>),
}

impl Class {
    /// Returns the heading under which operators of this class are listed.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Terminal(_) => "Terminals",
            Self::Elementwise => "Elementwise operators",
            Self::Normaliser => "Normalisers",
            Self::Reduction => "Reductions",
            Self::MatrixReduction => "Matrix reductions",
            Self::Layerwise => "Layer operators",
            Self::Allocator(_) => "Allocators",
        }
    }
}

/// A condition on where an operator may be used, besides the types of its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The units must be projections or rows.
    Projections,
    /// The metric must be complete, so the metric itself cannot use it.
    Metric,
    /// The parameters must be in ascending order.
    Ascending,
}

/// A stage of the `dsa` search space (DSA, section 3: pre-process, reduce, transform, post-process).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DsaStage {
    /// Acts on element scores.
    PreProcess,
    /// Turns a unit's scores into one number.
    Reduce,
    /// Acts on a unit's number.
    Transform,
    /// Acts on the units' numbers at the end.
    PostProcess,
}
