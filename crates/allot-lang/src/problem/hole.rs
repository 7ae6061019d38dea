//! Typed holes: what one stands for, and what fits there.

use crate::ops::Op;
use crate::types::Type;

/// What a typed hole stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// A value of one of some types.
    Value {
        /// Where the value stands.
        place: ValuePlace,
        /// The types.
        types: &'static [Type],
    },
    /// A stage of a pipeline.
    Stage {
        /// The type of the stage's input.
        input: Type,
        /// The operator of the stage after it.
        next: Option<Op>,
    },
    /// The value of a parameter.
    Parameter {
        /// The operator.
        op: Op,
        /// The parameter's name.
        parameter: &'static str,
    },
}

/// The place of a hole that stands for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuePlace {
    /// In an expression.
    Expression,
    /// Where a metric scores the weights.
    Score,
    /// At the end of the script.
    Allocation,
    /// Among an operator's arguments.
    Operand {
        /// The operator.
        op: Op,
        /// The operand's name.
        operand: &'static str,
    },
    /// Before a pipeline's first stage, of this operator.
    Input(Op),
}

/// Something that fits into a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// A name that the script binds.
    Binding {
        /// The name.
        name: String,
        /// The type of what it stands for.
        ty: Type,
    },
    /// An operator; its row of the catalogue has its signature.
    Operator {
        /// The operator.
        op: Op,
        /// Whether it fits only with `over`.
        over: bool,
    },
}
