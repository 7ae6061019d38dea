//! What formulas have in common that differ in their constants alone.

use crate::lang::ops::Op;
use crate::lang::program::{Expr, Script};

/// Returns what a formula is but for its constants.
pub(super) fn skeleton(script: &Script) -> String {
    fn write(expr: &Expr, text: &mut String) {
        text.push_str(expr.op().map_or("0", Op::name));
        text.push('(');
        expr.operands().iter().for_each(|operand| write(operand, text));
        text.push(')');
    }
    let mut text = String::new();
    if let Some(allocation) = &script.allocation {
        write(allocation, &mut text);
    }
    text
}
