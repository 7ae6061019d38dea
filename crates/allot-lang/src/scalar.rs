//! Elementwise operators on single numbers, in f64: their definitions, which every other back end is tested against.

use super::ops::Op;

/// Returns the value of an elementwise operator, or `None` for an operator that is not elementwise or for operands of
/// another number than it takes.
///
/// NaN is never absorbed: what has a NaN operand is NaN, but for `where`, which needs only its condition and the branch
/// that it takes, and `dsa::sanitize`.
pub fn apply(op: Op, operands: &[f64]) -> Option<f64> {
    match *operands {
        [x] => unary(op, x),
        [x, y] => binary(op, x, y),
        [condition, x, y] if op == Op::Where => Some(choose(condition, x, y)),
        _ => None,
    }
}

/// Returns `x` where the condition is not 0, else `y`; NaN where the condition is.
pub fn choose(condition: f64, x: f64, y: f64) -> f64 {
    if condition.is_nan() {
        f64::NAN
    } else if condition != 0.0 {
        x
    } else {
        y
    }
}

/// Returns the protected logarithm: 0 for x <= 0.
pub fn log(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x.ln() }
}

/// Returns x / y, and 0 where y is 0.
pub fn divide(x: f64, y: f64) -> f64 {
    if y == 0.0 && !x.is_nan() { 0.0 } else { x / y }
}

/// Returns x ^ y, and 0 where that has no real value.
pub fn power(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() {
        f64::NAN
    } else if (x == 0.0 && y < 0.0) || (x < 0.0 && y.is_finite() && y.fract() != 0.0) {
        0.0
    } else if y == 2.0 {
        x * x
    } else if y == 0.5 {
        if x < 0.0 { 0.0 } else { x.sqrt() }
    } else if y == -1.0 {
        divide(1.0, x)
    } else {
        x.powf(y)
    }
}

fn unary(op: Op, x: f64) -> Option<f64> {
    let clamped = |x: f64| if x.is_nan() { x } else { x.clamp(-1.0, 1.0) };
    Some(match op {
        Op::Negate => -x,
        Op::Absolute => x.abs(),
        Op::SquareRoot => {
            if x < 0.0 {
                0.0
            } else {
                x.sqrt()
            }
        }
        Op::Square => x * x,
        Op::Exponential => x.exp(),
        Op::Logarithm => log(x),
        Op::AbsoluteLogarithm => log(x.abs()),
        Op::Reciprocal => divide(1.0, x),
        Op::Sigmoid => {
            if x >= 0.0 {
                1.0 / (1.0 + (-x).exp())
            } else {
                let e = x.exp();
                e / (1.0 + e)
            }
        }
        Op::HyperbolicTangent => x.tanh(),
        Op::Softplus => {
            if x > 20.0 {
                x
            } else {
                x.exp().ln_1p()
            }
        }
        Op::Sine => x.sin(),
        Op::Cosine => x.cos(),
        Op::Tangent => x.tan(),
        Op::ArcSine => clamped(x).asin(),
        Op::ArcCosine => clamped(x).acos(),
        Op::ArcTangent => x.atan(),
        Op::Rectify => {
            if x < 0.0 {
                0.0
            } else {
                x
            }
        }
        Op::DsaLog => {
            let x = if x <= 0.0 { 1.0 } else { x };
            (x + 1e-6).ln()
        }
        Op::DsaLn => x.ln(),
        Op::DsaAsin => x.asin(),
        Op::DsaAcos => x.acos(),
        Op::DsaSanitize => sanitize(x),
        _ => return None,
    })
}

/// Returns the value rounded to f32, 0 for NaN and -1 for infinity, as DSA's engine returns importances.
pub fn sanitize(x: f64) -> f64 {
    let rounded = f64::from(x as f32);
    if rounded.is_nan() {
        0.0
    } else if rounded.is_infinite() {
        -1.0
    } else {
        rounded
    }
}

fn binary(op: Op, x: f64, y: f64) -> Option<f64> {
    let nan = x.is_nan() || y.is_nan();
    let truth = |holds: bool| if nan { f64::NAN } else { f64::from(u8::from(holds)) };
    Some(match op {
        Op::Add => x + y,
        Op::Subtract => x - y,
        Op::Multiply => x * y,
        Op::Divide => divide(x, y),
        Op::Power => power(x, y),
        Op::Less => truth(x < y),
        Op::LessEqual => truth(x <= y),
        Op::Greater => truth(x > y),
        Op::GreaterEqual => truth(x >= y),
        Op::Minimum if nan => f64::NAN,
        Op::Maximum if nan => f64::NAN,
        Op::Minimum => x.min(y),
        Op::Maximum => x.max(y),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{CATALOGUE, Class};

    #[test]
    fn every_elementwise_operator_has_a_value() {
        for row in CATALOGUE {
            let value = apply(row.op, &vec![0.5; row.operands.len()]);
            assert_eq!(value.is_some(), row.class == Class::Elementwise, "{}", row.name);
        }
    }

    #[test]
    fn protected_cases_are_as_documented() {
        for (op, operands, expected) in [
            (Op::Divide, vec![3.0, 0.0], 0.0),
            (Op::Divide, vec![0.0, 0.0], 0.0),
            (Op::Power, vec![0.0, -1.0], 0.0),
            (Op::Power, vec![-8.0, 1.0 / 3.0], 0.0),
            (Op::Power, vec![-2.0, 3.0], -8.0),
            (Op::Power, vec![0.0, 0.0], 1.0),
            (Op::Logarithm, vec![-1.0], 0.0),
            (Op::Logarithm, vec![0.0], 0.0),
            (Op::AbsoluteLogarithm, vec![0.0], 0.0),
            (Op::AbsoluteLogarithm, vec![-1.0], 0.0),
            (Op::SquareRoot, vec![-4.0], 0.0),
            (Op::Reciprocal, vec![0.0], 0.0),
            (Op::ArcSine, vec![7.0], std::f64::consts::FRAC_PI_2),
            (Op::Where, vec![0.0, 1.0, f64::NAN], f64::NAN),
            (Op::DsaSanitize, vec![f64::NAN], 0.0),
            (Op::DsaSanitize, vec![1e39], -1.0),
        ] {
            let value = apply(op, &operands).unwrap_or(f64::NAN);
            assert!(
                value == expected || (value.is_nan() && expected.is_nan()),
                "{op:?} {operands:?}: {value}"
            );
        }
    }

    #[test]
    fn no_operator_absorbs_a_nan() {
        for row in CATALOGUE.iter().filter(|row| row.op != Op::DsaSanitize) {
            if let Some(value) = apply(row.op, &vec![f64::NAN; row.operands.len()]) {
                assert!(value.is_nan(), "{}", row.name);
            }
        }
    }
}
