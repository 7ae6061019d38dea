//! Variation of trees, the importances of the full space.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::constants::{constant, constants};
use super::definition::Space;
use super::grow::{draw, settings};
use super::nodes::{node, pick, replaced, stages};
use super::productions::{Production, Productions};
use super::variations::Variation;
use crate::lang::ops::Op;
use crate::lang::program::{Expr, Script};
use crate::lang::types::Type;

impl Space {
    /// Varies the importance of a formula of the full space.
    pub(super) fn vary_tree(
        &self,
        random: &mut ChaCha8Rng,
        variation: Variation,
        parent: &Script,
        mate: &Script,
    ) -> Option<Script> {
        let importance = parent.allocator()?.importance?;
        let tree = Tree { importance, productions: self.of_unit(parent.unit?) };
        // Drawn for every variation, even those that draw their own place.
        let place = match variation {
            Variation::SubtreeCrossover if random.random_bool(0.9) => {
                pick(random, importance, |it| it.size() > 1)
            }
            _ => pick(random, importance, |_| true),
        };
        let new = match variation {
            Variation::SubtreeCrossover => tree.crossed(random, place?, mate)?,
            Variation::PointMutation => tree.with_other_operator(random, place?)?,
            Variation::SubtreeMutation => tree.with_random_subtree(random, place?)?,
            Variation::HoistMutation => tree.hoisted(random)?,
            Variation::ShrinkMutation => tree.shrunk(random)?,
            Variation::InsertMutation => tree.around(random, place?, |it| it.operands.len() > 1)?,
            Variation::TermInsertion => tree.with_term(random)?,
            Variation::DeleteMutation => tree.without_operator(random)?,
            Variation::ConstantMutation => constant(random, importance)?,
            Variation::ConstantsMutation => {
                let deviation = 0.3 * random.random::<f64>();
                constants(random, importance, deviation)?
            }
            Variation::StageInsertion => {
                let place = *draw(random, &stages(importance), |_| 1.0)?;
                tree.around(random, place, |it| it.operands.len() == 1)?
            }
            Variation::StageDeletion => tree.without_stage(random)?,
            Variation::StageSwap => tree.with_swapped_stages(random)?,
            Variation::StageCrossover
            | Variation::AllocatorMutation
            | Variation::WindowMutation
            | Variation::DirectionMutation
            | Variation::UnitMutation => return None,
        };
        with_importance(parent, new)
    }
}

/// Returns a script with another importance.
pub(super) fn with_importance(parent: &Script, importance: Expr) -> Option<Script> {
    let allocator = parent.allocator()?;
    let allocation = Expr::call(allocator.op, vec![importance], allocator.parameters.to_vec()).ok()?;
    Some(Script { allocation: Some(allocation), ..parent.clone() })
}

/// An importance to vary, and the productions of its unit.
struct Tree<'a> {
    importance: &'a Expr,
    productions: &'a Productions,
}

impl Tree<'_> {
    /// Replaces a subtree by one of the same type from the mate's importance; nine of ten inserted subtrees
    /// are not leaves.
    fn crossed(&self, random: &mut ChaCha8Rng, place: usize, mate: &Script) -> Option<Expr> {
        let own = node(self.importance, place)?;
        let other = mate.allocator()?.importance?;
        let of_type = own.ty();
        let inner = random.random_bool(0.9);
        let suits = |it: &Expr| it.ty() == of_type && (!inner || it.size() > 1);
        let donor = pick(random, other, suits).or_else(|| pick(random, other, |it| it.ty() == of_type));
        replaced(self.importance, place, node(other, donor?)?.clone())
    }

    /// Replaces an operator by one of the same signature, or a leaf by one of the same type.
    fn with_other_operator(&self, random: &mut ChaCha8Rng, place: usize) -> Option<Expr> {
        let own = node(self.importance, place)?;
        let new = match own.operands() {
            [] => self.productions.leaf(random, own.ty())?,
            operands => {
                let types: Vec<Type> = operands.iter().map(Expr::ty).collect();
                let same = |it: &&Production| {
                    it.operands == types && it.over == own.over() && Some(it.op) != own.op()
                };
                let choices: Vec<&Production> = self.productions.of(own.ty()).iter().filter(same).collect();
                let drawn = draw(random, &choices, |it| it.weight)?;
                let parameters = settings(random, drawn.op.info(), drawn.over);
                Expr::call(drawn.op, operands.to_vec(), parameters).ok()?
            }
        };
        replaced(self.importance, place, new)
    }

    /// Replaces a subtree by a random one of the same type.
    fn with_random_subtree(&self, random: &mut ChaCha8Rng, place: usize) -> Option<Expr> {
        let own = node(self.importance, place)?;
        let depth = random.random_range(1..=4u64) as usize;
        let new = self.productions.grow(random, own.ty(), depth, false)?;
        replaced(self.importance, place, new)
    }

    /// Replaces a subtree by one of its own subtrees of the same type.
    fn hoisted(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let place = pick(random, self.importance, |it| it.size() > 2)?;
        let own = node(self.importance, place)?;
        let inner = pick(random, own, |it| it.ty() == own.ty() && it.size() < own.size())?;
        replaced(self.importance, place, node(own, inner)?.clone())
    }

    /// Replaces a subtree by a leaf.
    fn shrunk(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let place = pick(random, self.importance, |it| it.size() > 1)?;
        let of_type = node(self.importance, place)?.ty();
        replaced(self.importance, place, self.productions.leaf(random, of_type)?)
    }

    /// Adds a term to a node with one value per unit.
    fn with_term(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let layer = |it: &Expr| it.ty() == Type::Layer;
        // Half of the time at the root, where sums of terms grow.
        let place = match random.random_bool(0.5) && layer(self.importance) {
            true => 0,
            false => pick(random, self.importance, layer)?,
        };
        let own = node(self.importance, place)?.clone();
        // Normalised to the scale of the term, unless it is already a sum of such terms.
        let bare = !matches!(own.op(), Some(Op::Add | Op::Subtract | Op::Multiply | Op::MinMax));
        let own = match bare && random.random_bool(0.7) {
            true => Expr::apply(Op::MinMax, vec![own]).ok()?,
            false => own,
        };
        let sum = Expr::apply(Op::Add, vec![own, self.productions.term(random)?]).ok()?;
        replaced(self.importance, place, sum)
    }

    /// Replaces an operator by one of its operands.
    fn without_operator(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let place = pick(random, self.importance, |it| it.operands().len() > 1)?;
        let own = node(self.importance, place)?;
        let same: Vec<&Expr> = own.operands().iter().filter(|operand| operand.ty() == own.ty()).collect();
        replaced(self.importance, place, (*draw(random, &same, |_| 1.0)?).clone())
    }

    /// Removes a unary operator from a pipeline.
    fn without_stage(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let whole = |it: &usize| {
            node(self.importance, *it)
                .is_some_and(|stage| matches!(stage.operands(), [one] if one.ty() == stage.ty()))
        };
        let stages: Vec<usize> = stages(self.importance).into_iter().filter(whole).collect();
        let place = *draw(random, &stages, |_| 1.0)?;
        let operand = node(self.importance, place)?.operands().first()?.clone();
        replaced(self.importance, place, operand)
    }

    /// Swaps two neighbouring stages of a pipeline.
    fn with_swapped_stages(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let place = *draw(random, &stages(self.importance), |_| 1.0)?;
        let outer = node(self.importance, place)?;
        let inner = outer.operands().first()?;
        let innermost = inner.operands().first()?.clone();
        let put = |stage: &Expr, operand: Expr| {
            let rest = stage.operands().iter().skip(1).cloned();
            let operands = std::iter::once(operand).chain(rest).collect();
            Expr::call(stage.op()?, operands, stage.parameters().to_vec()).ok()
        };
        replaced(self.importance, place, put(inner, put(outer, innermost)?)?)
    }

    /// Wraps a subtree in a production that has an operand of its own result type.
    fn around(
        &self,
        random: &mut ChaCha8Rng,
        place: usize,
        fits: impl Fn(&Production) -> bool,
    ) -> Option<Expr> {
        let productions = self.productions;
        let own = node(self.importance, place)?;
        let of_type = own.ty();
        let choices: Vec<&Production> =
            productions.of(of_type).iter().filter(|it| fits(it) && it.operands.contains(&of_type)).collect();
        let production = *draw(random, &choices, |it| it.weight)?;
        let places: Vec<usize> =
            (0..production.operands.len()).filter(|index| production.operands[*index] == of_type).collect();
        let own_place = *draw(random, &places, |_| 1.0)?;
        let mut operands = Vec::with_capacity(production.operands.len());
        for (index, operand) in production.operands.iter().enumerate() {
            operands.push(match index == own_place {
                true => own.clone(),
                // Often a small product or a reduction, because a leaf alone carries little information.
                false => {
                    let depth = 1 + random.random_range(0..3u64) as usize;
                    productions.grow(random, *operand, depth, false)?
                }
            });
        }
        let parameters = settings(random, production.op.info(), production.over);
        replaced(self.importance, place, Expr::call(production.op, operands, parameters).ok()?)
    }
}
