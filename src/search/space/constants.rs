//! Variations of constants and parameters.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::grow::{constant as draw_constant, draw, setting};
use super::nodes::{node, pick, replaced};
use super::tidy::digits;
use crate::lang::ops::{Domain, ParameterValue};
use crate::lang::program::Expr;

/// Moves one constant or parameter of an importance.
pub(super) fn constant(random: &mut ChaCha8Rng, importance: &Expr) -> Option<Expr> {
    let place = pick(random, importance, |it| {
        it.as_number().is_some() || it.parameters().iter().any(|setting| setting.number().is_some())
    })?;
    let own = node(importance, place)?;
    let new = match own.as_number() {
        Some(value) => Expr::number(moved(random, value)),
        None => {
            let parameters = moved_parameter(random, own)?;
            Expr::call(own.op()?, own.operands().to_vec(), parameters).ok()?
        }
    };
    replaced(importance, place, new)
}

/// Moves about half of the constants, each by a factor near 1.
pub(super) fn constants(random: &mut ChaCha8Rng, expr: &Expr, deviation: f64) -> Option<Expr> {
    if let Some(value) = expr.as_number() {
        let moved = value * (deviation * gaussian(random)).exp();
        return Some(Expr::number(if random.random_bool(0.5) { digits(moved) } else { value }));
    }
    let operands = expr.operands().iter().map(|operand| constants(random, operand, deviation));
    Expr::call(expr.op()?, operands.collect::<Option<_>>()?, expr.parameters().to_vec()).ok()
}

/// Returns a call's parameters with one of them moved.
pub(super) fn moved_parameter(random: &mut ChaCha8Rng, call: &Expr) -> Option<Vec<ParameterValue>> {
    let row = call.op()?.info();
    let mut parameters = call.parameters().to_vec();
    let numbers: Vec<usize> =
        (0..parameters.len()).filter(|index| parameters[*index].number().is_some()).collect();
    let place = *draw(random, &numbers, |_| 1.0)?;
    let value = parameters[place].number()?;
    parameters[place] = match row.parameters[place].domain {
        Domain::Real(low, high) => {
            ParameterValue::Number(digits(moved(random, value).clamp(low, high)).clamp(low, high))
        }
        _ => setting(random, &row.parameters[place]),
    };
    Some(parameters)
}

/// Moves a number: usually by a factor near 1, otherwise by an addend, a change of sign or a new draw.
fn moved(random: &mut ChaCha8Rng, value: f64) -> f64 {
    let normal = gaussian(random);
    let new = match random.random::<f64>() {
        kind if kind < 0.45 => value * (0.15 * normal).exp(),
        kind if kind < 0.7 => value * (0.6 * normal).exp(),
        kind if kind < 0.92 => value + 0.3 * normal * value.abs().max(0.3),
        kind if kind < 0.97 => -value,
        _ => draw_constant(random),
    };
    digits(new)
}

/// Draws from the standard normal distribution (Box and Muller 1958).
fn gaussian(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}
