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
        /// The type of what comes in.
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

/// Where a value stands that a hole stands for.
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

/// Something that fits where a hole stands.
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
