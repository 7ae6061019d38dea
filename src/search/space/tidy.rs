//! Formulas in readable form: canonical, with constants of three digits.

use crate::lang::canonical;
use crate::lang::ops::ParameterValue;
use crate::lang::program::{Expr, Script};

/// Returns a script in its canonical form, with constants of three digits.
pub(super) fn tidy(script: Script) -> Script {
    let round = |expr: &Expr| rounded(&canonical::expr(expr)).unwrap_or_else(|| expr.clone());
    // Rounded constants may equal neutral elements that fold away.
    canonical::script(&Script { allocation: script.allocation.as_ref().map(round), ..script })
}

fn rounded(expr: &Expr) -> Option<Expr> {
    let Some(op) = expr.op() else { return Some(Expr::number(digits(expr.as_number()?))) };
    let operands = expr.operands().iter().map(rounded).collect::<Option<Vec<Expr>>>()?;
    let parameters = expr.parameters().iter().map(|setting| match setting {
        ParameterValue::Number(value) => ParameterValue::Number(digits(*value)),
        ParameterValue::Word(word) => ParameterValue::Word(word),
    });
    Expr::call(op, operands, parameters.collect()).ok()
}

/// Returns a number with three significant digits.
pub(super) fn digits(value: f64) -> f64 {
    let text = format!("{value:.2e}");
    text.parse().unwrap_or(value)
}
