//! Chains with the four stages of the paper: pre-process, reduce, transform and post-process (DSA, section
//! 3).

use crate::lang::ops::{DsaStage, Op};
use crate::lang::program::{Expr, Script};
use crate::lang::types::Type;

/// The stages, with the maximum number of operators in each.
pub(super) const MOST: [(DsaStage, usize); 4] =
    [(DsaStage::PreProcess, 2), (DsaStage::Reduce, 1), (DsaStage::Transform, 1), (DsaStage::PostProcess, 2)];

/// The size of the smallest formula: an allocator, a reduction and its operand.
pub(super) const LEAST_SIZE: usize = 3;

/// Returns whether an operator takes part: in a stage, as the start of a chain, or as the allocator at its
/// end.
pub(super) fn takes_part(op: Op) -> bool {
    let row = op.info();
    !row.stages.is_empty() || matches!(op, Op::Score | Op::Weight | Op::Scale)
}

/// Returns whether chains can be built.
pub(super) fn can_reduce(operators: &[Op]) -> bool {
    operators.iter().any(|op| op.info().stages.contains(&DsaStage::Reduce))
        && operators.iter().any(|op| matches!(*op, Op::Score | Op::Weight))
}

/// A chain split into its stages.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) start: Op,
    pub(super) before: Vec<Op>,
    pub(super) reduction: Op,
    pub(super) after: Vec<Op>,
    pub(super) reversed: bool,
}

impl Chain {
    /// Splits a script into a chain; `None` if its importance is not a chain.
    pub(super) fn read(script: &Script) -> Option<Self> {
        let mut expr = script.allocator()?.importance?;
        let mut ops = Vec::new();
        let mut reduction = None;
        while let [operand] = expr.operands() {
            if expr.ty() == Type::Layer && operand.ty() == Type::Matrix {
                reduction = Some(ops.len());
            }
            ops.push(expr.op()?);
            expr = operand;
        }
        let start = expr.op().filter(|op| matches!(*op, Op::Score | Op::Weight))?;
        let reduction = reduction?;
        let mut after: Vec<Op> = ops[..reduction].to_vec();
        let reversed = after.first() == Some(&Op::Negate);
        if reversed {
            after.remove(0);
        }
        after.reverse();
        let before = ops[reduction + 1..].iter().rev().copied().collect();
        Some(Self { start, before, reduction: ops[reduction], after, reversed })
    }

    /// Returns whether each operator fits its stage, and no stage has too many.
    pub(super) fn fits(&self) -> bool {
        let is = |op: &Op, stage: DsaStage| op.info().stages.contains(&stage);
        let [(_, before), _, (_, transforms), (_, posts)] = MOST;
        // The first operator after the reduction may be the transform; all others post-process.
        let transformed =
            usize::from(transforms > 0 && self.after.first().is_some_and(|op| is(op, DsaStage::Transform)));
        let posted = |from: usize| {
            self.after[from..].len() <= posts
                && self.after[from..].iter().all(|op| is(op, DsaStage::PostProcess))
        };
        self.before.len() <= before
            && self.before.iter().all(|op| is(op, DsaStage::PreProcess))
            && is(&self.reduction, DsaStage::Reduce)
            && (posted(0) || (transformed == 1 && posted(1)))
    }

    /// Returns the importance.
    pub(super) fn importance(&self) -> Option<Expr> {
        let mut expr = Expr::apply(self.start, Vec::new()).ok()?;
        let all = self.before.iter().chain([&self.reduction]).chain(&self.after);
        for op in all.chain(self.reversed.then_some(&Op::Negate)) {
            expr = Expr::apply(*op, vec![expr]).ok()?;
        }
        Some(expr)
    }
}
