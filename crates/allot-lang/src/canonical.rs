//! The normal form of a program, and the hash that names it.
//!
//! Numbers fold, identities that hold exactly are applied, and the operands of commutative operators are sorted; so
//! formulas that differ only in spelling share one hash.

use sha2::{Digest, Sha256};

use super::ops::Op;
use super::print;
use super::program::{BuildError, Expr, Metric, Script};
use super::scalar;

/// Returns the value of an expression of constants; `None` when it depends on the target or leaves the range of f64.
pub fn constant(expr: &Expr) -> Option<f64> {
    match expr.op() {
        None => expr.as_number(),
        Some(Op::Elementwise(op)) => {
            let operands: Vec<f64> = expr.operands().iter().map(constant).collect::<Option<_>>()?;
            scalar::apply(op, &operands).filter(|value| value.is_finite())
        }
        Some(_) => None,
    }
}

/// Returns a script's normal form.
pub fn script(script: &Script) -> Script {
    Script {
        metric: script.metric.as_ref().map(|metric| Metric { per: metric.per, score: expr(&metric.score) }),
        unit: script.unit,
        allocation: script.allocation.as_ref().map(expr),
    }
}

/// Returns an expression's normal form.
pub fn expr(given: &Expr) -> Expr {
    let normal = given.map_operands(|operand| Ok(expr(operand)));
    let mut current = normal.unwrap_or_else(|_| given.clone());
    // Each step makes the expression smaller or moves it down a fixed order, so the loop ends.
    while let Some(next) = step(&current) {
        current = next;
    }
    match current.span().or(given.span()) {
        Some(span) => current.at(span),
        None => current,
    }
}

/// Returns the hash that names a script: SHA-256 of its normal form's text, in hexadecimal.
pub fn hash(of: &Script) -> String {
    let text = print::script(&script(of));
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Applies one rule to an expression whose operands are in normal form; `None` when no rule applies.
fn step(expr: &Expr) -> Option<Expr> {
    let op = expr.op()?;
    if !matches!(op, Op::Elementwise(_)) {
        return None;
    }
    if let Some(value) = constant(expr) {
        return Some(Expr::number(value));
    }
    match expr.operands() {
        [x] => unary(op, x),
        [x, y] => binary(op, x, y).ok().flatten(),
        _ => None,
    }
}

fn unary(op: Op, x: &Expr) -> Option<Expr> {
    let inner = x.operands().first();
    match (op, x.op()?) {
        (Op::Negate, Op::Negate) => inner.cloned(),
        (
            Op::Absolute,
            Op::Absolute | Op::Square | Op::Exponential | Op::Sigmoid | Op::SquareRoot | Op::Rectify,
        )
        | (
            Op::Rectify,
            Op::Rectify | Op::Absolute | Op::Square | Op::Exponential | Op::Sigmoid | Op::SquareRoot,
        ) => Some(x.clone()),
        (Op::Absolute | Op::Square | Op::AbsoluteLogarithm | Op::Cosine, Op::Negate | Op::Absolute) => {
            Expr::apply(op, vec![inner?.clone()]).ok()
        }
        (Op::Exponential, Op::Logarithm) if inner.is_some_and(is_positive) => inner.cloned(),
        _ => None,
    }
}

/// Returns whether an expression is greater than 0 on any model, rounding included.
fn is_positive(expr: &Expr) -> bool {
    match expr.op() {
        None => expr.as_number().is_some_and(|value| value > 0.0),
        Some(Op::Parameters | Op::FanIn | Op::FanOut) => true,
        Some(Op::Add | Op::Maximum | Op::Minimum) => expr.operands().iter().all(is_positive),
        Some(_) => false,
    }
}

fn binary(op: Op, x: &Expr, y: &Expr) -> Result<Option<Expr>, BuildError> {
    let is = |expr: &Expr, value: f64| expr.as_number() == Some(value);
    let build = |op, operands| Expr::apply(op, operands).map(Some);
    match op {
        Op::Greater => build(Op::Less, vec![y.clone(), x.clone()]),
        Op::GreaterEqual => build(Op::LessEqual, vec![y.clone(), x.clone()]),
        Op::Add | Op::Subtract if is(y, 0.0) => Ok(Some(x.clone())),
        Op::Add if is(x, 0.0) => Ok(Some(y.clone())),
        Op::Subtract if is(x, 0.0) => build(Op::Negate, vec![y.clone()]),
        Op::Multiply | Op::Divide | Op::Power if is(y, 1.0) => Ok(Some(x.clone())),
        Op::Multiply if is(x, 1.0) => Ok(Some(y.clone())),
        Op::Multiply | Op::Divide if is(y, -1.0) => build(Op::Negate, vec![x.clone()]),
        Op::Multiply if is(x, -1.0) => build(Op::Negate, vec![y.clone()]),
        Op::Divide if is(x, 1.0) => build(Op::Reciprocal, vec![y.clone()]),
        Op::Power if is(y, 2.0) => build(Op::Square, vec![x.clone()]),
        Op::Power if is(y, 0.5) => build(Op::SquareRoot, vec![x.clone()]),
        Op::Power if is(y, -1.0) => build(Op::Reciprocal, vec![x.clone()]),
        Op::Multiply if x == y => build(Op::Square, vec![x.clone()]),
        Op::Minimum | Op::Maximum if x == y => Ok(Some(x.clone())),
        Op::Add if y.op() == Some(Op::Negate) => {
            build(Op::Subtract, vec![x.clone(), y.operands()[0].clone()])
        }
        Op::Add if x.op() == Some(Op::Negate) => {
            build(Op::Subtract, vec![y.clone(), x.operands()[0].clone()])
        }
        Op::Subtract if y.op() == Some(Op::Negate) => {
            build(Op::Add, vec![x.clone(), y.operands()[0].clone()])
        }
        _ if op.is_commutative() && print::expr(y) < print::expr(x) => build(op, vec![y.clone(), x.clone()]),
        _ => Ok(None),
    }
}
