//! The instructions of the vector layer: the catalogue's elementwise operators, by the number of their operands.
//!
//! [`scalar`] defines the value of each for every input, in double precision.

use crate::lang::ops::Elementwise;
use crate::lang::scalar;

macro_rules! instructions {
    (
        Unary { $($unary:ident = $of_one:ident,)* }
        Binary { $($binary:ident = $of_two:ident,)* }
        Select { $of_three:ident }
    ) => {
        /// The elementwise operators of one operand.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Unary {
            $(#[doc = concat!("[`Elementwise::", stringify!($of_one), "`].")] $unary,)*
        }

        /// The elementwise operators of two operands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Binary {
            $(#[doc = concat!("[`Elementwise::", stringify!($of_two), "`].")] $binary,)*
        }

        impl Unary {
            /// Every instruction, in order.
            pub const ALL: &[Self] = &[$(Self::$unary,)*];

            /// Returns the operator that the instruction computes.
            pub const fn op(self) -> Elementwise {
                match self {
                    $(Self::$unary => Elementwise::$of_one,)*
                }
            }
        }

        impl Binary {
            /// Every instruction, in order.
            pub const ALL: &[Self] = &[$(Self::$binary,)*];

            /// Returns the operator that the instruction computes.
            pub const fn op(self) -> Elementwise {
                match self {
                    $(Self::$binary => Elementwise::$of_two,)*
                }
            }
        }

        impl Kernel {
            /// Returns the kernel that computes an operator.
            pub const fn of(op: Elementwise) -> Self {
                match op {
                    $(Elementwise::$of_one => Self::Unary(Unary::$unary),)*
                    $(Elementwise::$of_two => Self::Binary(Binary::$binary),)*
                    Elementwise::$of_three => Self::Select,
                }
            }
        }
    };
}

/// The kernel of an elementwise operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// A kernel of one operand.
    Unary(Unary),
    /// A kernel of two operands.
    Binary(Binary),
    /// The choice between two operands by the first of three.
    Select,
}

instructions! {
    Unary {
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
    Binary {
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
    Select { Where }
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

    #[test]
    fn every_elementwise_operator_is_an_instruction_of_its_operands() {
        for op in Elementwise::ALL {
            let (computed, operands) = match Kernel::of(*op) {
                Kernel::Unary(instruction) => (instruction.op(), 1),
                Kernel::Binary(instruction) => (instruction.op(), 2),
                Kernel::Select => (Elementwise::Where, 3),
            };
            assert_eq!((computed, operands), (*op, op.info().operands.len()));
        }
    }
}
