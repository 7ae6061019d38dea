//! Elementwise operators on single numbers, in f64. Every other back end is tested against these definitions.

use super::ops::Elementwise;

/// Returns the value of an elementwise operator, or `None` for a wrong number of operands.
///
/// The value is NaN if any operand is, except for `where`, which uses only its condition and the branch that it takes, and for
/// `dsa::sanitize`.
pub fn apply(op: Elementwise, operands: &[f64]) -> Option<f64> {
    if operands.len() != op.info().operands.len() {
        return None;
    }
    let operand = |place: usize| operands.get(place).copied().unwrap_or(f64::NAN);
    let (x, y) = (operand(0), operand(1));
    let clamped = |x: f64| if x.is_nan() { x } else { x.clamp(-1.0, 1.0) };
    let nan = x.is_nan() || y.is_nan();
    let truth = |holds: bool| if nan { f64::NAN } else { f64::from(u8::from(holds)) };
    Some(match op {
        Elementwise::Add => x + y,
        Elementwise::Subtract => x - y,
        Elementwise::Multiply => x * y,
        Elementwise::Divide => divide(x, y),
        Elementwise::Power => power(x, y),
        Elementwise::Less => truth(x < y),
        Elementwise::LessEqual => truth(x <= y),
        Elementwise::Greater => truth(x > y),
        Elementwise::GreaterEqual => truth(x >= y),
        Elementwise::Minimum | Elementwise::Maximum if nan => f64::NAN,
        Elementwise::Minimum => x.min(y),
        Elementwise::Maximum => x.max(y),
        Elementwise::Where => choose(x, y, operand(2)),
        Elementwise::Negate => -x,
        Elementwise::Absolute => x.abs(),
        Elementwise::SquareRoot => root(x),
        Elementwise::Square => x * x,
        Elementwise::Exponential => x.exp(),
        Elementwise::Logarithm => log(x),
        Elementwise::AbsoluteLogarithm => log(x.abs()),
        Elementwise::Reciprocal => divide(1.0, x),
        Elementwise::Sigmoid => sigmoid(x),
        Elementwise::HyperbolicTangent => x.tanh(),
        Elementwise::Softplus => softplus(x),
        Elementwise::Sine => x.sin(),
        Elementwise::Cosine => x.cos(),
        Elementwise::Tangent => x.tan(),
        Elementwise::ArcSine => clamped(x).asin(),
        Elementwise::ArcCosine => clamped(x).acos(),
        Elementwise::ArcTangent => x.atan(),
        Elementwise::Rectify => rectify(x),
        Elementwise::DsaLog => dsa_log(x),
        Elementwise::DsaLn => x.ln(),
        Elementwise::DsaAsin => x.asin(),
        Elementwise::DsaAcos => x.acos(),
        Elementwise::DsaSanitize => sanitize(x),
    })
}

/// Returns `x` where the condition is not 0, else `y`; NaN where the condition is NaN.
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

/// Returns x ^ y, and 0 where it has no real value.
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

fn root(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x.sqrt() }
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

fn softplus(x: f64) -> f64 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

fn rectify(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

fn dsa_log(x: f64) -> f64 {
    let x = if x <= 0.0 { 1.0 } else { x };
    (x + 1e-6).ln()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_elementwise_operator_has_a_value() {
        for op in Elementwise::ALL {
            let value = apply(*op, &vec![0.5; op.info().operands.len()]);
            assert!(value.is_some(), "{}", op.name());
        }
    }

    #[test]
    fn protected_cases_are_as_documented() {
        for (op, operands, expected) in [
            (Elementwise::Divide, vec![3.0, 0.0], 0.0),
            (Elementwise::Divide, vec![0.0, 0.0], 0.0),
            (Elementwise::Power, vec![0.0, -1.0], 0.0),
            (Elementwise::Power, vec![-8.0, 1.0 / 3.0], 0.0),
            (Elementwise::Power, vec![-2.0, 3.0], -8.0),
            (Elementwise::Power, vec![0.0, 0.0], 1.0),
            (Elementwise::Logarithm, vec![-1.0], 0.0),
            (Elementwise::Logarithm, vec![0.0], 0.0),
            (Elementwise::AbsoluteLogarithm, vec![0.0], 0.0),
            (Elementwise::AbsoluteLogarithm, vec![-1.0], 0.0),
            (Elementwise::SquareRoot, vec![-4.0], 0.0),
            (Elementwise::Reciprocal, vec![0.0], 0.0),
            (Elementwise::ArcSine, vec![7.0], std::f64::consts::FRAC_PI_2),
            (Elementwise::Where, vec![0.0, 1.0, f64::NAN], f64::NAN),
            (Elementwise::DsaSanitize, vec![f64::NAN], 0.0),
            (Elementwise::DsaSanitize, vec![1e39], -1.0),
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
        for op in Elementwise::ALL.iter().filter(|op| **op != Elementwise::DsaSanitize) {
            let value = apply(*op, &vec![f64::NAN; op.info().operands.len()]);
            assert!(value.is_some_and(f64::is_nan), "{}", op.name());
        }
    }
}
