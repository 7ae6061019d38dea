//! Skeletons: formulas without their constants.

use std::collections::BTreeMap;

use crate::lang::ops::Op;
use crate::lang::program::{Expr, Script};

/// Returns the text of a formula with its constants removed.
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

/// How many formulas of the same skeleton an island holds.
const OF_A_KIND: usize = 3;

/// Counts formulas by skeleton, so that tuned formulas do not crowd out new ones.
#[derive(Debug, Default)]
pub(super) struct Kinds(BTreeMap<String, usize>);

impl Kinds {
    /// Counts one more formula of a kind, and returns whether there was room for it.
    pub(super) fn admits(&mut self, kind: String) -> bool {
        let count = self.0.entry(kind).or_default();
        *count += 1;
        *count <= OF_A_KIND
    }
}
