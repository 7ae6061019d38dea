//! The `dsa` space: how its chains are drawn, varied and enumerated.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::chain::{Chain, MOST};
use super::definition::Space;
use super::grow::{draw, settings};
use super::tidy::tidy;
use super::variations::Variation;
use crate::lang::ops::{Class, DsaStage, Op, ParameterValue};
use crate::lang::program::{Expr, Script};
use crate::lang::types::{Type, UnitKind};

impl Space {
    /// Returns the operators of a stage.
    pub(super) fn of_stage(&self, stage: DsaStage) -> Vec<Op> {
        let of_stage = |op: &&Op| op.info().stages.contains(&stage);
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

    /// Returns the operators that a chain may start with, the score first.
    fn starts(&self) -> Vec<Op> {
        self.operators().iter().copied().filter(|op| matches!(*op, Op::Score | Op::Weight)).collect()
    }

    fn draw_start(&self, random: &mut ChaCha8Rng) -> Option<Op> {
        draw(random, &self.starts(), |op| if *op == Op::Score { 4.0 } else { 1.0 }).copied()
    }

    /// Appends an allocator to a chain.
    fn allot_by(&self, random: &mut ChaCha8Rng, chain: &Chain) -> Option<Expr> {
        let scale =
            self.draw_allocator(random, |op| matches!(op.info().class, Class::Allocator(Some(Type::Layer))))?;
        Expr::call(scale, vec![chain.importance()?], settings(random, scale.info(), None)).ok()
    }

    /// Varies a chain; a parent that is not a chain has no variation.
    pub(super) fn vary_chain(
        &self,
        random: &mut ChaCha8Rng,
        variation: Variation,
        parent: &Script,
        mate: &Script,
    ) -> Option<Script> {
        let chain = Chain::read(parent)?;
        let varied = match variation {
            Variation::StageCrossover => crossed(random, chain, Chain::read(mate)?),
            Variation::PointMutation => self.with_other_operator(random, chain)?,
            Variation::StageInsertion => self.longer(random, chain)?,
            Variation::StageDeletion => shorter(random, chain)?,
            Variation::StageSwap => swapped(random, chain)?,
            Variation::SubtreeCrossover
            | Variation::SubtreeMutation
            | Variation::HoistMutation
            | Variation::ShrinkMutation
            | Variation::InsertMutation
            | Variation::TermInsertion
            | Variation::DeleteMutation
            | Variation::ConstantMutation
            | Variation::ConstantsMutation
            | Variation::AllocatorMutation
            | Variation::WindowMutation
            | Variation::DirectionMutation
            | Variation::UnitMutation => return None,
        };
        let allocator = parent.allocator()?;
        let allocation =
            Expr::call(allocator.op, vec![varied.importance()?], allocator.parameters.to_vec()).ok()?;
        Some(Script { allocation: Some(allocation), ..parent.clone() })
    }

    /// Replaces an operator by another one of its stage.
    fn with_other_operator(&self, random: &mut ChaCha8Rng, mut chain: Chain) -> Option<Chain> {
        let all = chain.before.len() + 1 + chain.after.len();
        let place = random.random_range(0..all as u64) as usize;
        let before = chain.before.len();
        let (slot, stages): (&mut Op, &[DsaStage]) = match place {
            _ if place < before => (&mut chain.before[place], &[DsaStage::PreProcess]),
            _ if place == before => (&mut chain.reduction, &[DsaStage::Reduce]),
            _ => (&mut chain.after[place - before - 1], &[DsaStage::Transform, DsaStage::PostProcess]),
        };
        let choices: Vec<Op> = stages.iter().flat_map(|stage| self.of_stage(*stage)).collect();
        *slot = *draw(random, &choices, |op| frequency(*op))?;
        Some(chain)
    }

    /// Inserts an operator before or after the reduction.
    fn longer(&self, random: &mut ChaCha8Rng, mut chain: Chain) -> Option<Chain> {
        let (stages, choices) = match random.random_bool(0.5) {
            true => (&mut chain.before, self.of_stage(DsaStage::PreProcess)),
            false => {
                let behind = [self.of_stage(DsaStage::Transform), self.of_stage(DsaStage::PostProcess)];
                (&mut chain.after, behind.concat())
            }
        };
        let op = *draw(random, &choices, |op| frequency(*op))?;
        let place = random.random_range(0..=stages.len() as u64) as usize;
        stages.insert(place, op);
        Some(chain)
    }

    /// Returns every chain with at most one pre-process operator and at most one operator after the
    /// reduction, for every unit, direction and lambda, in a fixed order. Chains start with the score, or
    /// with the weight if the space has no score.
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

/// Takes from the mate either all stages from its reduction on, the stages after it, or its reduction alone.
fn crossed(random: &mut ChaCha8Rng, chain: Chain, mate: Chain) -> Chain {
    match random.random_range(0..3u32) {
        0 => Chain { start: chain.start, before: chain.before, ..mate },
        1 => Chain { after: mate.after, reversed: mate.reversed, ..chain },
        _ => Chain { reduction: mate.reduction, ..chain },
    }
}

/// Removes an operator; `None` if there are none beside the reduction.
fn shorter(random: &mut ChaCha8Rng, mut chain: Chain) -> Option<Chain> {
    let before = chain.before.len();
    let all = before + chain.after.len();
    let place = random.random_range(0..all.max(1) as u64) as usize;
    if place < before {
        chain.before.remove(place);
    } else if all > 0 {
        chain.after.remove(place - before);
    } else {
        return None;
    }
    Some(chain)
}

/// Swaps two neighbours before or after the reduction; `None` if there are none.
fn swapped(random: &mut ChaCha8Rng, mut chain: Chain) -> Option<Chain> {
    let stages = if random.random_bool(0.5) { &mut chain.before } else { &mut chain.after };
    let last = stages.len().checked_sub(1).filter(|last| *last > 0)?;
    let place = random.random_range(0..last as u64) as usize;
    stages.swap(place, place + 1);
    Some(chain)
}

fn script(chain: &Chain, unit: UnitKind, lambda: f64) -> Option<Script> {
    let allocation =
        Expr::call(Op::Scale, vec![chain.importance()?], vec![ParameterValue::Number(lambda)]).ok()?;
    Some(Script { metric: None, unit: Some(unit), allocation: Some(allocation) })
}

/// Returns the relative frequency of an operator, 1 for most; spectra are rare because they take longer than
/// all other operators together.
fn frequency(op: Op) -> f64 {
    match op.info().class {
        Class::MatrixReduction => 0.1,
        _ => 1.0,
    }
}
