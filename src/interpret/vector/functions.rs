//! The instructions of the vector layer: the catalogue's elementwise operators, by the number of their operands.
//!
//! What each gives for every input is defined by [`scalar`], in double precision.

use crate::lang::ops::Op;
use crate::lang::scalar;

macro_rules! instructions {
    ($(#[$doc:meta])* $name:ident: $($instruction:ident = $op:ident,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("[`Op::", stringify!($op), "`].")] $instruction,)*
        }

        impl $name {
            /// Every instruction, in order.
            pub const ALL: &[Self] = &[$(Self::$instruction,)*];

            /// Returns the operator that the instruction computes.
            pub const fn op(self) -> Op {
                match self {
                    $(Self::$instruction => Op::$op,)*
                }
            }

            /// Returns the instruction that computes an operator, or `None` for one of another kind.
            pub const fn of(op: Op) -> Option<Self> {
                match op {
                    $(Op::$op => Some(Self::$instruction),)*
                    _ => None,
                }
            }
        }
    };
}

instructions! {
    /// The elementwise operators of one operand.
    Unary:
    Neg = Negate,
    Abs = Absolute,
    Sqrt = SquareRoot,
    Square = Square,
    Exp = Exponential,
    Log = Logarithm,
    AbsLog = AbsoluteLogarithm,
    Reciprocal = Reciprocal,
    Sigmoid = Sigmoid,
    Tanh = HyperbolicTangent,
    Softplus = Softplus,
    Sin = Sine,
    Cos = Cosine,
    Tan = Tangent,
    Asin = ArcSine,
    Acos = ArcCosine,
    Atan = ArcTangent,
    Relu = Rectify,
    DsaLog = DsaLog,
    RawLog = DsaLn,
    RawAsin = DsaAsin,
    RawAcos = DsaAcos,
    Sanitize = DsaSanitize,
}

instructions! {
    /// The elementwise operators of two operands.
    Binary:
    Add = Add,
    Sub = Subtract,
    Mul = Multiply,
    Div = Divide,
    Power = Power,
    Minimum = Minimum,
    Maximum = Maximum,
    Less = Less,
    LessEqual = LessEqual,
    Greater = Greater,
    GreaterEqual = GreaterEqual,
}

impl Unary {
    /// Returns the operator's value, in double precision.
    pub fn apply(self, x: f64) -> f64 {
        scalar::apply(self.op(), &[x]).unwrap_or(f64::NAN)
    }
}

impl Binary {
    /// Returns the operator's value, in double precision.
    pub fn apply(self, x: f64, y: f64) -> f64 {
        scalar::apply(self.op(), &[x, y]).unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::ops::{CATALOGUE, Class};

    #[test]
    fn every_elementwise_operator_is_an_instruction() {
        for row in CATALOGUE.iter().filter(|row| row.class == Class::Elementwise && row.op != Op::Where) {
            match row.operands.len() {
                1 => assert_eq!(Unary::of(row.op).map(Unary::op), Some(row.op)),
                _ => assert_eq!(Binary::of(row.op).map(Binary::op), Some(row.op)),
            }
        }
    }
}
