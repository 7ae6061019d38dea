//! What every elementwise function means, for every input, in double precision.

/// The elementwise functions of one argument.
///
/// A NaN argument gives NaN, in every function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unary {
    /// `-x`.
    Neg,
    /// `|x|`.
    Abs,
    /// The square root; 0 for a negative number.
    Sqrt,
    /// `x * x`.
    Square,
    /// e to the power of x.
    Exp,
    /// The natural logarithm; 0 for x <= 0.
    Log,
    /// `ln |x|`; 0 at 0.
    AbsLog,
    /// `1 / x`; 0 at 0.
    Reciprocal,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `ln(1 + exp(x))`, which is x above 20.
    Softplus,
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
    /// The tangent.
    Tan,
    /// The arc sine of x clamped to [-1, 1].
    Asin,
    /// The arc cosine of x clamped to [-1, 1].
    Acos,
    /// The arc tangent.
    Atan,
    /// x where it is positive, else 0.
    Relu,
    /// `ln(x + 1e-6)`, with 1 in the place of every x <= 0.
    DsaLog,
    /// The natural logarithm as IEEE has it: -inf at 0, NaN below.
    RawLog,
    /// The arc sine as IEEE has it: NaN outside [-1, 1].
    RawAsin,
    /// The arc cosine as IEEE has it: NaN outside [-1, 1].
    RawAcos,
}

impl Unary {
    /// Every function, in order.
    pub const ALL: [Self; 22] = [
        Self::Neg,
        Self::Abs,
        Self::Sqrt,
        Self::Square,
        Self::Exp,
        Self::Log,
        Self::AbsLog,
        Self::Reciprocal,
        Self::Sigmoid,
        Self::Tanh,
        Self::Softplus,
        Self::Sin,
        Self::Cos,
        Self::Tan,
        Self::Asin,
        Self::Acos,
        Self::Atan,
        Self::Relu,
        Self::DsaLog,
        Self::RawLog,
        Self::RawAsin,
        Self::RawAcos,
    ];

    /// Returns the function of `x`, in double precision.
    pub fn apply(self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        match self {
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Sqrt => x.max(0.0).sqrt(),
            Self::Square => x * x,
            Self::Exp => x.exp(),
            Self::Log if x <= 0.0 => 0.0,
            Self::AbsLog if x == 0.0 => 0.0,
            Self::Log => x.ln(),
            Self::AbsLog => x.abs().ln(),
            Self::Reciprocal if x == 0.0 => 0.0,
            Self::Reciprocal => x.recip(),
            Self::Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Softplus if x > 20.0 => x,
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tan => x.tan(),
            Self::Asin => x.clamp(-1.0, 1.0).asin(),
            Self::Acos => x.clamp(-1.0, 1.0).acos(),
            Self::Atan => x.atan(),
            Self::Relu => x.max(0.0),
            Self::DsaLog => (if x <= 0.0 { 1.0 } else { x } + 1e-6).ln(),
            Self::RawLog => x.ln(),
            Self::RawAsin => x.asin(),
            Self::RawAcos => x.acos(),
        }
    }
}

/// The elementwise functions of two arguments.
///
/// NaN on either side gives NaN, in every function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`; 0 where b is 0.
    Div,
    /// a to the power of b: 1 where b is 0, else 0 where a is 0, and 0 where a is negative and b not whole.
    ///
    /// An infinite exponent counts as whole and even, as in IEEE.
    Power,
    /// The smaller.
    Minimum,
    /// The larger.
    Maximum,
    /// 1 where `a < b`, else 0.
    Less,
    /// 1 where `a <= b`, else 0.
    LessEqual,
    /// 1 where `a > b`, else 0.
    Greater,
    /// 1 where `a >= b`, else 0.
    GreaterEqual,
}

impl Binary {
    /// Every function, in order.
    pub const ALL: [Self; 11] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Power,
        Self::Minimum,
        Self::Maximum,
        Self::Less,
        Self::LessEqual,
        Self::Greater,
        Self::GreaterEqual,
    ];

    /// Returns the function of `a` and `b`, in double precision.
    pub fn apply(self, a: f64, b: f64) -> f64 {
        if a.is_nan() || b.is_nan() {
            return f64::NAN;
        }
        let indicator = |holds| if holds { 1.0 } else { 0.0 };
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div if b == 0.0 => 0.0,
            Self::Div => a / b,
            Self::Power if b == 0.0 => 1.0,
            Self::Power if a == 0.0 => 0.0,
            Self::Power if a < 0.0 && b.is_finite() && b.fract() != 0.0 => 0.0,
            Self::Power => a.powf(b),
            Self::Minimum => a.min(b),
            Self::Maximum => a.max(b),
            Self::Less => indicator(a < b),
            Self::LessEqual => indicator(a <= b),
            Self::Greater => indicator(a > b),
            Self::GreaterEqual => indicator(a >= b),
        }
    }
}

/// Returns `a` where the condition is not 0, else `b`; NaN where the condition is NaN.
pub fn choose(condition: f64, a: f64, b: f64) -> f64 {
    if condition.is_nan() {
        condition
    } else if condition != 0.0 {
        a
    } else {
        b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_function_absorbs_not_a_number() {
        for op in Unary::ALL {
            assert!(op.apply(f64::NAN).is_nan(), "{op:?}");
        }
        for op in Binary::ALL {
            for other in [0.0, 1.0, -2.5, f64::INFINITY] {
                assert!(op.apply(f64::NAN, other).is_nan(), "{op:?}");
                assert!(op.apply(other, f64::NAN).is_nan(), "{op:?}");
            }
        }
        assert!(choose(f64::NAN, 1.0, 2.0).is_nan());
    }

    #[test]
    fn protected_functions_are_zero_where_mathematics_has_no_answer() {
        assert_eq!(Unary::Log.apply(0.0), 0.0);
        assert_eq!(Unary::Log.apply(f64::NEG_INFINITY), 0.0);
        assert_eq!(Unary::AbsLog.apply(-0.0), 0.0);
        assert_eq!(Unary::Sqrt.apply(-4.0), 0.0);
        assert_eq!(Unary::Reciprocal.apply(0.0), 0.0);
        assert_eq!(Unary::Asin.apply(7.0), std::f64::consts::FRAC_PI_2);
        assert_eq!(Unary::Acos.apply(7.0), 0.0);
        assert_eq!(Binary::Div.apply(3.0, 0.0), 0.0);
        assert_eq!(Binary::Div.apply(0.0, -0.0), 0.0);
        assert_eq!(Binary::Power.apply(0.0, -1.0), 0.0);
        assert_eq!(Binary::Power.apply(-2.0, 0.5), 0.0);
        assert_eq!(Binary::Power.apply(0.0, 0.0), 1.0);
        assert_eq!(Binary::Power.apply(-2.0, 3.0), -8.0);
    }

    #[test]
    fn raw_functions_follow_ieee() {
        assert_eq!(Unary::RawLog.apply(0.0), f64::NEG_INFINITY);
        assert!(Unary::RawLog.apply(-1.0).is_nan());
        assert!(Unary::RawAsin.apply(1.5).is_nan());
        assert!(Unary::RawAcos.apply(-1.5).is_nan());
    }
}
