//! Variations: what makes a new formula of old ones, each under its name in the literature, each well-typed by construction.

mod tree;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::grow::{draw, setting, settings};
use super::productions::Production;
use super::{ATTEMPTS, Space, SpaceKind, digits, tidy};
use crate::lang::ops::{Class, Domain, Op, ParameterValue};
use crate::lang::program::{Expr, Script};
use crate::lang::types::{Type, UnitKind};

use tree::{node, nodes, replaced, stages};

macro_rules! variations {
    ($($variation:ident $name:literal $summary:literal, $source:literal, $full:literal, $dsa:literal;)*) => {
        /// A way to make a new formula of old ones.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Variation {
            $(#[doc = concat!($summary, ".")] $variation,)*
        }

        /// Every variation, in the order in which they are listed.
        pub static VARIATIONS: &[VariationInfo] = &[
            $(VariationInfo {
                variation: Variation::$variation, name: $name, summary: $summary, source: $source, full: $full,
                dsa: $dsa,
            },)*
        ];
    };
}

/// What is to be known of a variation.
#[derive(Clone, Copy, Debug)]
pub struct VariationInfo {
    /// The variation.
    pub variation: Variation,
    /// Its name in the literature.
    pub name: &'static str,
    /// One line that says what it does.
    pub summary: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// How often it is drawn in the full space, beside the others.
    pub full: f64,
    /// How often it is drawn in the `dsa` space; 0 where it does not apply.
    pub dsa: f64,
}

variations! {
    SubtreeCrossover "subtree crossover" "Puts a subtree of another formula in the place of one of the same type; nine of ten are no leaves",
        "Koza 1992; typed, Montana 1995", 4.0, 0.0;
    StageCrossover "stage crossover" "Takes the first stages of one pipeline and the last of another",
        "one-point crossover of linear genetic programming, Brameier and Banzhaf 2007", 0.0, 4.0;
    PointMutation "point mutation" "Puts another operator of the same signature in the place of one, or another leaf of its type",
        "node replacement, McKay et al. 1995", 2.0, 3.0;
    SubtreeMutation "subtree mutation" "Puts a random subtree in the place of one of the same type",
        "Koza 1992", 2.0, 0.0;
    HoistMutation "hoist mutation" "Lifts a subtree into the place of one around it of the same type",
        "Kinnear 1993", 0.7, 0.0;
    ShrinkMutation "shrink mutation" "Puts a leaf in the place of a subtree",
        "Angeline 1996", 1.0, 0.0;
    InsertMutation "insert mutation" "Puts an operator around a subtree, with leaves for its other operands",
        "node insertion, Koza 1992", 3.0, 0.0;
    TermInsertion "term insertion" "Adds a constant times a leaf or a reduction, where a value for each unit stands",
        "node insertion, Koza 1992, of the terms that tell units apart", 4.0, 0.0;
    DeleteMutation "delete mutation" "Puts an operand in the place of its operator",
        "node deletion, Koza 1992", 1.5, 0.0;
    ConstantMutation "constant mutation" "Moves a constant or a parameter by a random factor or addend",
        "ephemeral constants, Koza 1992; Gaussian, Schoenauer et al. 1996", 5.0, 0.0;
    ConstantsMutation "multi-constant mutation" "Moves many constants a little at once, as an evolution strategy does",
        "Rechenberg 1973; of formulas, Alonso et al. 2009", 5.0, 0.0;
    StageInsertion "stage insertion" "Puts an operator of one operand into a pipeline",
        "macro mutation of linear genetic programming, Brameier and Banzhaf 2007", 1.0, 2.0;
    StageDeletion "stage deletion" "Takes an operator of one operand out of a pipeline",
        "macro mutation of linear genetic programming, Brameier and Banzhaf 2007", 0.7, 1.5;
    StageSwap "stage swap" "Swaps two neighbouring stages of a pipeline",
        "permutation, Koza 1992", 0.3, 0.7;
    AllocatorMutation "allocator mutation" "Gives the importance to another allocator",
        "a gene of this representation", 0.7, 0.0;
    WindowMutation "window mutation" "Moves the allocator's parameter: lambda, epsilon or beta",
        "a gene of this representation", 3.0, 2.0;
    DirectionMutation "direction mutation" "Turns the importance round",
        "a gene of this representation", 0.3, 0.7;
    UnitMutation "unit mutation" "Allots to blocks instead of projections, or to projections instead of blocks",
        "a gene of this representation", 0.5, 0.7;
}

impl Variation {
    /// Returns what is to be known of the variation.
    pub fn info(self) -> &'static VariationInfo {
        &VARIATIONS[self as usize]
    }
}

impl Space {
    /// Makes a new formula of the space from a parent, and from a mate where the variation needs one.
    ///
    /// `factors` multiply the weights of the table, variation by variation.
    ///
    /// Returns it with the variation that made it; `None` stands for a random formula, where nothing could be made of these two.
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
        // Of the parent's unit, so that an island of one unit stays so.
        let script = match parent.unit.filter(|unit| self.units.contains(unit)) {
            Some(unit) => self.random_of(random, unit),
            None => self.random(random),
        };
        (script, None)
    }

    /// Applies one variation, where it can be applied to these two; the result is a formula of the space, and not the parent.
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

    /// Varies the importance of a formula of the full space.
    fn vary_tree(
        &self,
        random: &mut ChaCha8Rng,
        variation: Variation,
        parent: &Script,
        mate: &Script,
    ) -> Option<Script> {
        let allocator = parent.allocator()?;
        let importance = allocator.importance?;
        let unit = parent.unit?;
        let productions = self.of_unit(unit);
        let place = match variation {
            Variation::SubtreeCrossover if random.random_bool(0.9) => {
                pick(random, importance, |it| it.size() > 1)
            }
            _ => pick(random, importance, |_| true),
        };
        let new = match variation {
            Variation::SubtreeCrossover => {
                let own = node(importance, place?)?;
                let other = mate.allocator()?.importance?;
                let of_type = own.ty();
                let inner = random.random_bool(0.9);
                let suits = |it: &Expr| it.ty() == of_type && (!inner || it.size() > 1);
                let donor =
                    pick(random, other, suits).or_else(|| pick(random, other, |it| it.ty() == of_type));
                replaced(importance, place?, node(other, donor?)?.clone())?
            }
            Variation::PointMutation => {
                let own = node(importance, place?)?;
                let new = match own.operands() {
                    [] => productions.leaf(random, own.ty())?,
                    operands => {
                        let types: Vec<Type> = operands.iter().map(Expr::ty).collect();
                        let choices: Vec<&Production> = productions
                            .of(own.ty())
                            .iter()
                            .filter(|it| {
                                it.operands == types && it.over == own.over() && Some(it.op) != own.op()
                            })
                            .collect();
                        let drawn = draw(random, &choices, |it| it.weight)?;
                        let parameters = settings(random, drawn.op.info(), drawn.over);
                        Expr::call(drawn.op, operands.to_vec(), parameters).ok()?
                    }
                };
                replaced(importance, place?, new)?
            }
            Variation::SubtreeMutation => {
                let own = node(importance, place?)?;
                let depth = random.random_range(1..=4u64) as usize;
                let new = productions.grow(random, own.ty(), depth, false)?;
                replaced(importance, place?, new)?
            }
            Variation::HoistMutation => {
                let place = pick(random, importance, |it| it.size() > 2)?;
                let own = node(importance, place)?;
                let inner = pick(random, own, |it| it.ty() == own.ty() && it.size() < own.size())?;
                replaced(importance, place, node(own, inner)?.clone())?
            }
            Variation::ShrinkMutation => {
                let place = pick(random, importance, |it| it.size() > 1)?;
                let of_type = node(importance, place)?.ty();
                replaced(importance, place, productions.leaf(random, of_type)?)?
            }
            Variation::InsertMutation => {
                let own = node(importance, place?)?.clone();
                self.around(random, importance, place?, own, unit, |production| {
                    production.operands.len() > 1
                })?
            }
            Variation::TermInsertion => {
                let layer = |it: &Expr| it.ty() == Type::Layer;
                // At the root as often as anywhere: sums of terms grow there.
                let place = match random.random_bool(0.5) && layer(importance) {
                    true => 0,
                    false => pick(random, importance, layer)?,
                };
                let own = node(importance, place)?.clone();
                // Brought to one scale with the term, where it is not yet a sum of such.
                let bare = !matches!(own.op(), Some(Op::Add | Op::Subtract | Op::Multiply | Op::MinMax));
                let own = match bare && random.random_bool(0.7) {
                    true => Expr::apply(Op::MinMax, vec![own]).ok()?,
                    false => own,
                };
                replaced(importance, place, Expr::apply(Op::Add, vec![own, productions.term(random)?]).ok()?)?
            }
            Variation::DeleteMutation => {
                let place = pick(random, importance, |it| it.operands().len() > 1)?;
                let own = node(importance, place)?;
                let same: Vec<&Expr> =
                    own.operands().iter().filter(|operand| operand.ty() == own.ty()).collect();
                replaced(importance, place, (*draw(random, &same, |_| 1.0)?).clone())?
            }
            Variation::ConstantMutation => constant(random, importance)?,
            Variation::ConstantsMutation => {
                let deviation = 0.3 * random.random::<f64>();
                constants(random, importance, deviation)?
            }
            Variation::StageInsertion => {
                let stages = stages(importance);
                let place = *draw(random, &stages, |_| 1.0)?;
                let own = node(importance, place)?.clone();
                self.around(random, importance, place, own, unit, |production| {
                    production.operands.len() == 1
                })?
            }
            Variation::StageDeletion => {
                let whole = |it: &usize| {
                    node(importance, *it)
                        .is_some_and(|stage| matches!(stage.operands(), [one] if one.ty() == stage.ty()))
                };
                let stages: Vec<usize> = stages(importance).into_iter().filter(whole).collect();
                let place = *draw(random, &stages, |_| 1.0)?;
                replaced(importance, place, node(importance, place)?.operands().first()?.clone())?
            }
            Variation::StageSwap => {
                let stages = stages(importance);
                let place = *draw(random, &stages, |_| 1.0)?;
                let outer = node(importance, place)?;
                let inner = outer.operands().first()?;
                let innermost = inner.operands().first()?.clone();
                let put = |stage: &Expr, operand: Expr| {
                    let rest = stage.operands().iter().skip(1).cloned();
                    let operands = std::iter::once(operand).chain(rest).collect();
                    Expr::call(stage.op()?, operands, stage.parameters().to_vec()).ok()
                };
                replaced(importance, place, put(inner, put(outer, innermost)?)?)?
            }
            _ => return None,
        };
        with_importance(parent, new)
    }

    /// Puts a production, one of whose operands has the type that it gives, around a subtree.
    fn around(
        &self,
        random: &mut ChaCha8Rng,
        importance: &Expr,
        place: usize,
        own: Expr,
        unit: UnitKind,
        fits: impl Fn(&Production) -> bool,
    ) -> Option<Expr> {
        let of_type = own.ty();
        let productions = self.of_unit(unit);
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
                // Often a small product or a reduction: a leaf alone says little.
                false => {
                    let depth = 1 + random.random_range(0..3u64) as usize;
                    productions.grow(random, *operand, depth, false)?
                }
            });
        }
        let parameters = settings(random, production.op.info(), production.over);
        replaced(importance, place, Expr::call(production.op, operands, parameters).ok()?)
    }

    /// Gives the importance to another allocator that takes one.
    fn allocator(&self, random: &mut ChaCha8Rng, parent: &Script) -> Option<Script> {
        let old = parent.allocator()?;
        let importance = old.importance?;
        let takes =
            |op: Op| matches!(op.info().class, Class::Allocator(Some(of_type)) if of_type == importance.ty());
        let new = self.draw_allocator(random, |op| op != old.op.into() && takes(op))?;
        let importance = self.positive(random, new, importance.clone())?;
        let allocation = Expr::call(new, vec![importance], settings(random, new.info(), None)).ok()?;
        Some(Script { allocation: Some(allocation), ..parent.clone() })
    }

    /// Changes the unit; terminals that only projections have become the number of weights in blocks.
    fn unit(&self, parent: &Script) -> Option<Script> {
        let other = match parent.unit? {
            UnitKind::Block => UnitKind::Projection,
            UnitKind::Projection => UnitKind::Block,
        };
        let allocation = without_shapes(parent.allocation.as_ref()?)?;
        Some(Script { metric: None, unit: Some(other), allocation: Some(allocation) })
    }
}

/// Returns an expression in which the channels of a linear are its weights.
fn without_shapes(expr: &Expr) -> Option<Expr> {
    match expr.op() {
        Some(Op::FanIn | Op::FanOut) => Expr::apply(Op::Parameters, Vec::new()).ok(),
        _ => expr.map_operands(|operand| Ok(without_shapes(operand).unwrap_or_else(|| operand.clone()))).ok(),
    }
}

/// Returns a script with another importance.
fn with_importance(parent: &Script, importance: Expr) -> Option<Script> {
    let allocator = parent.allocator()?;
    let allocation = Expr::call(allocator.op, vec![importance], allocator.parameters.to_vec()).ok()?;
    Some(Script { allocation: Some(allocation), ..parent.clone() })
}

/// Turns the importance round.
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

/// Moves one constant, or one parameter, of an importance.
fn constant(random: &mut ChaCha8Rng, importance: &Expr) -> Option<Expr> {
    let place = pick(random, importance, |it| {
        it.as_number().is_some() || it.parameters().iter().any(|setting| setting.number().is_some())
    })?;
    let own = node(importance, place)?;
    let new = match own.as_number() {
        Some(value) => Expr::number(moved(random, value)),
        None => {
            let parameters = moved_parameter(random, own)?;
            Expr::call(own.op()?, own.operands().to_vec(), parameters).ok()?
        }
    };
    replaced(importance, place, new)
}

/// Moves every second constant by a factor near 1.
fn constants(random: &mut ChaCha8Rng, expr: &Expr, deviation: f64) -> Option<Expr> {
    if let Some(value) = expr.as_number() {
        let moved = value * (deviation * gaussian(random)).exp();
        return Some(Expr::number(if random.random_bool(0.5) { digits(moved) } else { value }));
    }
    let operands = expr.operands().iter().map(|operand| constants(random, operand, deviation));
    Expr::call(expr.op()?, operands.collect::<Option<_>>()?, expr.parameters().to_vec()).ok()
}

/// Returns the parameters of a call with one of them moved.
fn moved_parameter(random: &mut ChaCha8Rng, call: &Expr) -> Option<Vec<ParameterValue>> {
    let row = call.op()?.info();
    let mut parameters = call.parameters().to_vec();
    let numbers: Vec<usize> =
        (0..parameters.len()).filter(|index| parameters[*index].number().is_some()).collect();
    let place = *draw(random, &numbers, |_| 1.0)?;
    let value = parameters[place].number()?;
    parameters[place] = match row.parameters[place].domain {
        Domain::Real(low, high) => {
            ParameterValue::Number(digits(moved(random, value).clamp(low, high)).clamp(low, high))
        }
        _ => setting(random, &row.parameters[place]),
    };
    Some(parameters)
}

/// Moves a number: mostly by a factor near 1, sometimes by an addend or over 0.
fn moved(random: &mut ChaCha8Rng, value: f64) -> f64 {
    let normal = gaussian(random);
    let new = match random.random::<f64>() {
        kind if kind < 0.45 => value * (0.15 * normal).exp(),
        kind if kind < 0.7 => value * (0.6 * normal).exp(),
        kind if kind < 0.92 => value + 0.3 * normal * value.abs().max(0.3),
        kind if kind < 0.97 => -value,
        _ => super::grow::constant(random),
    };
    digits(new)
}

/// Draws from the standard normal distribution (Box and Muller 1958).
fn gaussian(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

/// Draws a node that `fits`.
fn pick(random: &mut ChaCha8Rng, expr: &Expr, fits: impl Fn(&Expr) -> bool) -> Option<usize> {
    let places: Vec<usize> =
        nodes(expr).iter().enumerate().filter(|(_, it)| fits(it)).map(|(place, _)| place).collect();
    draw(random, &places, |_| 1.0).copied()
}
