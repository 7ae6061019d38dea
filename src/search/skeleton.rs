//! What formulas have in common that differ in their constants alone.

use std::collections::BTreeMap;

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

/// How many formulas of one kind an island holds.
const OF_A_KIND: usize = 3;

/// Counts formulas by their kinds, so that what is tuned already does not crowd out what is young.
#[derive(Debug, Default)]
pub(super) struct Kinds(BTreeMap<String, usize>);

impl Kinds {
    /// Returns whether there is room for one more of a kind, and counts it.
    pub(super) fn admits(&mut self, kind: String) -> bool {
        let count = self.0.entry(kind).or_default();
        *count += 1;
        *count <= OF_A_KIND
    }
}
