//! Variation of formulas: each result is well-typed by construction, and a formula of the space.

use rand::rngs::ChaCha8Rng;

use super::constants::moved_parameter;
use super::definition::Space;
use super::grow::{draw, settings};
use super::options::SpaceKind;
use super::random::ATTEMPTS;
use super::tidy::tidy;
use super::variations::{VARIATIONS, Variation, VariationInfo};
use super::vary_tree::with_importance;
use crate::lang::ops::{Class, Op};
use crate::lang::program::{Expr, Script};
use crate::lang::types::{Type, UnitKind};

impl Space {
    /// Makes a new formula of the space from a parent, and from a mate if the variation needs one.
    ///
    /// `factors` multiply the variations' weights in the table.
    ///
    /// Returns the formula and the variation that made it; the variation is `None` for a random formula,
    /// which replaces a failed variation.
    pub fn vary(
        &self,
        random: &mut ChaCha8Rng,
        parent: &Script,
        mate: &Script,
        factors: &[f64],
    ) -> (Script, Option<Variation>) {
        for _ in 0..ATTEMPTS {
            let weight = |info: &VariationInfo| {
                let factor = factors.get(info.variation as usize).copied().unwrap_or(1.0);
                factor
                    * match self.kind() {
                        SpaceKind::Full => info.full,
                        SpaceKind::Dsa => info.dsa,
                    }
            };
            let Some(info) = draw(random, VARIATIONS, weight) else { break };
            if let Some(varied) = self.varied(random, info.variation, parent, mate) {
                return (varied, Some(info.variation));
            }
        }
        // It keeps the parent's unit, so that islands keep theirs.
        let script = match parent.unit.filter(|unit| self.units.contains(unit)) {
            Some(unit) => self.random_of(random, unit),
            None => self.random(random),
        };
        (script, None)
    }

    /// Applies one variation if possible; the result is a formula of the space and differs from the parent.
    pub fn varied(
        &self,
        random: &mut ChaCha8Rng,
        variation: Variation,
        parent: &Script,
        mate: &Script,
    ) -> Option<Script> {
        let varied = match (self.kind(), variation) {
            (_, Variation::AllocatorMutation) => self.allocator(random, parent),
            (_, Variation::WindowMutation) => window(random, parent),
            (_, Variation::DirectionMutation) => direction(parent),
            (_, Variation::UnitMutation) => self.unit(parent),
            (SpaceKind::Dsa, _) => self.vary_chain(random, variation, parent, mate),
            (SpaceKind::Full, _) => self.vary_tree(random, variation, parent, mate),
        };
        varied.map(tidy).filter(|varied| self.holds(varied) && *varied != tidy(parent.clone()))
    }

    /// Passes the importance to another allocator that accepts it.
    fn allocator(&self, random: &mut ChaCha8Rng, parent: &Script) -> Option<Script> {
        let old = parent.allocator()?;
        let importance = old.importance?;
        let takes = |op: Op| {
            matches!(op.info().class, Class::Allocator(Some(_))) && op.accepts().contains(&importance.ty())
        };
        let new = self.draw_allocator(random, |op| op != old.op.into() && takes(op))?;
        let importance = self.positive(random, new, importance.clone())?;
        let allocation = Expr::call(new, vec![importance], settings(random, new.info(), None)).ok()?;
        Some(Script { allocation: Some(allocation), ..parent.clone() })
    }

    /// Changes the unit. In blocks, terminals that need projections become the number of weights; importances
    /// of rows become their mean.
    fn unit(&self, parent: &Script) -> Option<Script> {
        // The next unit of the space.
        let place = self.units.iter().position(|it| Some(*it) == parent.unit)?;
        let other = self.units[(place + 1) % self.units.len()];
        let mut allocation = match other {
            UnitKind::Block => without_shapes(parent.allocation.as_ref()?)?,
            UnitKind::Projection | UnitKind::Row => parent.allocation.clone()?,
        };
        let rows = parent.allocator()?.importance.is_some_and(|it| it.ty() == Type::Output);
        if rows && other != UnitKind::Row {
            let mean = |importance: &Expr| Expr::apply(Op::Mean, vec![importance.clone()]);
            allocation = allocation.map_operands(mean).ok()?;
        }
        Some(Script { metric: None, unit: Some(other), allocation: Some(allocation) })
    }
}

/// Returns an expression with each linear's number of channels replaced by its number of weights.
fn without_shapes(expr: &Expr) -> Option<Expr> {
    match expr.op() {
        Some(Op::FanIn | Op::FanOut) => Expr::apply(Op::Parameters, Vec::new()).ok(),
        _ => expr.map_operands(|operand| Ok(without_shapes(operand).unwrap_or_else(|| operand.clone()))).ok(),
    }
}

/// Negates the importance.
fn direction(parent: &Script) -> Option<Script> {
    let importance = parent.allocator()?.importance?;
    with_importance(parent, Expr::apply(Op::Negate, vec![importance.clone()]).ok()?)
}

/// Moves one parameter of the allocator.
fn window(random: &mut ChaCha8Rng, parent: &Script) -> Option<Script> {
    let allocation = parent.allocation.as_ref()?;
    let parameters = moved_parameter(random, allocation)?;
    let operands = allocation.operands().to_vec();
    let allocation = Expr::call(allocation.op()?, operands, parameters).ok()?;
    Some(Script { allocation: Some(allocation), ..parent.clone() })
}
