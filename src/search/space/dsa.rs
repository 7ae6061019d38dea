//! The `dsa` space: chains in the paper's four stages, pre-process, reduce, transform and post-process (DSA, section 3).

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::grow::{draw, settings};
use super::vary::Variation;
use super::{Space, tidy};
use crate::lang::ops::{Class, DsaStage, Op};
use crate::lang::program::{Expr, Script};
use crate::lang::types::{Type, UnitKind};

/// The stages with the most operators that each may have.
const MOST: [(DsaStage, usize); 4] =
    [(DsaStage::PreProcess, 2), (DsaStage::Reduce, 1), (DsaStage::Transform, 1), (DsaStage::PostProcess, 2)];

/// The size of the smallest formula: an allocator, a reduction and what it reduces.
pub(super) const LEAST_SIZE: usize = 3;

/// Returns whether an operator takes part: in a stage, as what a chain begins with, or as the allocator at its end.
pub(super) fn takes_part(op: Op) -> bool {
    let row = op.info();
    !row.stages.is_empty() || matches!(op, Op::Score | Op::Weight | Op::Scale)
}

/// Returns whether chains can be built.
pub(super) fn can_reduce(operators: &[Op]) -> bool {
    operators.iter().any(|op| op.info().stages.contains(&DsaStage::Reduce))
        && operators.iter().any(|op| matches!(*op, Op::Score | Op::Weight))
}

/// A chain, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) start: Op,
    pub(super) before: Vec<Op>,
    pub(super) reduction: Op,
    pub(super) after: Vec<Op>,
    pub(super) reversed: bool,
}

impl Chain {
    /// Takes a script apart; `None` when its importance is no chain.
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

    /// Returns whether the operators stand in their stages, and no stage has too many.
    pub(super) fn fits(&self) -> bool {
        let is = |op: &Op, stage: DsaStage| op.info().stages.contains(&stage);
        let [(_, before), _, (_, transforms), (_, posts)] = MOST;
        // The first of those after the reduction may be the transform; all others post-process.
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

impl Space {
    /// Returns the operators of a stage.
    pub(super) fn of_stage(&self, stage: DsaStage) -> Vec<Op> {
        let of_stage = |op: &&Op| op.info().stages.contains(&stage);
        // Ranks, eigenvalues and determinants of every matrix take longer than all else together.
        self.operators().iter().filter(of_stage).copied().collect()
    }

    /// Draws a chain.
    pub(super) fn chain(&self, random: &mut ChaCha8Rng, unit: UnitKind) -> Option<Script> {
        let mut some = |stage: DsaStage, most: usize| {
            let choices = self.of_stage(stage);
            let count = random.random_range(0..=most as u64);
            (0..count)
                .filter_map(|_| draw(random, &choices, |op| frequency(*op)).copied())
                .collect::<Vec<Op>>()
        };
        let [(pre, pres), (reduce, _), (transform, transforms), (post, posts)] = MOST;
        let before = some(pre, pres);
        let mut after = some(transform, transforms);
        after.extend(some(post, posts));
        let reduction = *draw(random, &self.of_stage(reduce), |op| frequency(*op))?;
        let start = self.draw_start(random)?;
        let chain = Chain { start, before, reduction, after, reversed: random.random_bool(0.5) };
        let allocation = self.allot_by(random, &chain)?;
        Some(Script { metric: None, unit: Some(unit), allocation: Some(allocation) })
    }

    /// Draws one of the smallest allocations of the `dsa` space.
    pub(super) fn smallest_chain(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let reduction = *draw(random, &self.of_stage(DsaStage::Reduce), |op| frequency(*op))?;
        let start = self.draw_start(random)?;
        let chain = Chain { start, before: Vec::new(), reduction, after: Vec::new(), reversed: false };
        self.allot_by(random, &chain)
    }

    /// Returns what chains begin with, the score first.
    fn starts(&self) -> Vec<Op> {
        self.operators().iter().copied().filter(|op| matches!(*op, Op::Score | Op::Weight)).collect()
    }

    fn draw_start(&self, random: &mut ChaCha8Rng) -> Option<Op> {
        draw(random, &self.starts(), |op| if *op == Op::Score { 4.0 } else { 1.0 }).copied()
    }

    /// Allots by a chain.
    fn allot_by(&self, random: &mut ChaCha8Rng, chain: &Chain) -> Option<Expr> {
        let scale =
            self.draw_allocator(random, |op| matches!(op.info().class, Class::Allocator(Some(Type::Layer))))?;
        Expr::call(scale, vec![chain.importance()?], settings(random, scale.info(), None)).ok()
    }

    /// Varies a chain; a parent that is none has no variation.
    pub(super) fn vary_chain(
        &self,
        random: &mut ChaCha8Rng,
        variation: Variation,
        parent: &Script,
        mate: &Script,
    ) -> Option<Script> {
        let mut chain = Chain::read(parent)?;
        match variation {
            Variation::StageCrossover => {
                let mate = Chain::read(mate)?;
                // Where the mate's stages begin: at its reduction, or behind it.
                match random.random_range(0..3u32) {
                    0 => chain = Chain { start: chain.start, before: chain.before, ..mate },
                    1 => chain = Chain { after: mate.after, reversed: mate.reversed, ..chain },
                    _ => chain.reduction = mate.reduction,
                }
            }
            Variation::PointMutation => {
                let all = chain.before.len() + 1 + chain.after.len();
                let place = random.random_range(0..all as u64) as usize;
                let before = chain.before.len();
                let (slot, stages): (&mut Op, &[DsaStage]) = match place {
                    _ if place < before => (&mut chain.before[place], &[DsaStage::PreProcess]),
                    _ if place == before => (&mut chain.reduction, &[DsaStage::Reduce]),
                    _ => {
                        (&mut chain.after[place - before - 1], &[DsaStage::Transform, DsaStage::PostProcess])
                    }
                };
                let choices: Vec<Op> = stages.iter().flat_map(|stage| self.of_stage(*stage)).collect();
                *slot = *draw(random, &choices, |op| frequency(*op))?;
            }
            Variation::StageInsertion => match random.random_bool(0.5) {
                true => {
                    let op = *draw(random, &self.of_stage(DsaStage::PreProcess), |op| frequency(*op))?;
                    let place = random.random_range(0..=chain.before.len() as u64) as usize;
                    chain.before.insert(place, op);
                }
                false => {
                    let choices =
                        [self.of_stage(DsaStage::Transform), self.of_stage(DsaStage::PostProcess)].concat();
                    let op = *draw(random, &choices, |op| frequency(*op))?;
                    let place = random.random_range(0..=chain.after.len() as u64) as usize;
                    chain.after.insert(place, op);
                }
            },
            Variation::StageDeletion => {
                let all = chain.before.len() + chain.after.len();
                let place = random.random_range(0..all.max(1) as u64) as usize;
                match place < chain.before.len() {
                    true => drop(chain.before.remove(place)),
                    false if all > 0 => drop(chain.after.remove(place - chain.before.len())),
                    false => return None,
                }
            }
            Variation::StageSwap => {
                let stages = if random.random_bool(0.5) { &mut chain.before } else { &mut chain.after };
                let last = stages.len().checked_sub(1).filter(|last| *last > 0)?;
                let place = random.random_range(0..last as u64) as usize;
                stages.swap(place, place + 1);
            }
            _ => return None,
        }
        let allocator = parent.allocator()?;
        let allocation =
            Expr::call(allocator.op, vec![chain.importance()?], allocator.parameters.to_vec()).ok()?;
        Some(Script { allocation: Some(allocation), ..parent.clone() })
    }

    /// Returns every chain with at most one pre-process operator and at most one after the reduction, of every unit, direction
    /// and lambda, in a fixed order; on the score, or on the weight where there is no score.
    pub fn chains(&self, lambdas: &[f64]) -> Vec<Script> {
        let Some(start) = self.starts().first().copied() else { return Vec::new() };
        let none = || std::iter::once(None);
        let before: Vec<Option<Op>> =
            none().chain(self.of_stage(DsaStage::PreProcess).into_iter().map(Some)).collect();
        let mut last = self.of_stage(DsaStage::Transform);
        last.extend(self.of_stage(DsaStage::PostProcess));
        last.sort();
        last.dedup();
        let after: Vec<Option<Op>> = none().chain(last.into_iter().map(Some)).collect();
        let mut scripts = Vec::new();
        for unit in &self.units {
            for (before, reduction, after) in before.iter().flat_map(|before| {
                let after = &after;
                self.of_stage(DsaStage::Reduce)
                    .into_iter()
                    .flat_map(move |reduction| after.iter().map(move |after| (*before, reduction, *after)))
            }) {
                for reversed in [false, true] {
                    let chain = Chain {
                        start,
                        before: before.into_iter().collect(),
                        reduction,
                        after: after.into_iter().collect(),
                        reversed,
                    };
                    let of_chain = lambdas.iter().filter_map(|lambda| script(&chain, *unit, *lambda));
                    scripts.extend(of_chain.map(tidy).filter(|script| self.holds(script)));
                }
            }
        }
        scripts
    }
}

fn script(chain: &Chain, unit: UnitKind, lambda: f64) -> Option<Script> {
    use crate::lang::ops::ParameterValue;
    let allocation =
        Expr::call(Op::Scale, vec![chain.importance()?], vec![ParameterValue::Number(lambda)]).ok()?;
    Some(Script { metric: None, unit: Some(unit), allocation: Some(allocation) })
}

/// Returns how often an operator is drawn, beside 1 for most: a spectrum takes longer than all else together.
fn frequency(op: Op) -> f64 {
    match op.info().class {
        Class::MatrixReduction => 0.1,
        _ => 1.0,
    }
}
