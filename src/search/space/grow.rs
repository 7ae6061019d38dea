//! Random formulas: full and grow trees of ramped depths (half-and-half, Koza 1992), typed (Montana 1995).

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::definition::Space;
use super::productions::{Production, Productions};
use super::tidy::digits;
use crate::lang::ops::{Class, Domain, Op, Operator, Parameter, ParameterValue};
use crate::lang::program::{Expr, Script};
use crate::lang::types::{Over, Type, UnitKind};

/// The range of depths of importances, drawn in turn.
const LEAST_DEPTH: u64 = 2;
const GREATEST_DEPTH: u64 = 6;

/// The maximum depth below a value per weight.
const MATRIX_DEPTH: usize = 3;

/// How often an importance is drawn as a sum of terms, and the maximum number of terms. A sum combines
/// several features that tell units apart.
const SUMS: f64 = 0.4;
const LONGEST_SUM: u64 = 4;

/// How often the operand of `global` is the score times a power of e per unit. Scores of units differ by
/// orders of magnitude, so one threshold on the scores alone would empty some units.
const FACTORS: f64 = 0.8;

/// How often an importance has one value per row, if rows are the units.
const OF_ROWS: f64 = 0.75;

/// Relative frequency of an allocator; 1 for those not named.
const fn frequency(allocator: Op) -> f64 {
    match allocator {
        Op::Scale => 8.0,
        Op::Rescale => 2.0,
        Op::Ramp => 0.2,
        Op::Global => 0.4,
        Op::Uniform => 0.05,
        _ => 1.0,
    }
}

impl Space {
    /// Draws a unit.
    pub(super) fn draw_unit(&self, random: &mut ChaCha8Rng) -> UnitKind {
        self.units[random.random_range(0..self.units.len() as u64) as usize]
    }

    /// Draws an allocator for which `fits` holds.
    pub(super) fn draw_allocator(&self, random: &mut ChaCha8Rng, fits: impl Fn(Op) -> bool) -> Option<Op> {
        let choices: Vec<Op> = self.allocators().filter(|op| fits(*op)).collect();
        draw(random, &choices, |op| frequency(*op)).copied()
    }

    /// Draws a formula of the full space.
    pub(super) fn grow(&self, random: &mut ChaCha8Rng, unit: UnitKind) -> Option<Script> {
        let allocator = self.draw_allocator(random, |op| self.least_size(op, unit).is_some())?;
        let depth = random.random_range(LEAST_DEPTH..=GREATEST_DEPTH) as usize;
        let full = random.random_bool(0.5);
        let allocation = match allocator.info().class {
            Class::Allocator(Some(of_type)) => {
                let productions = self.of_unit(unit);
                let of_type = productions.importance(random, of_type, unit);
                let sums = productions.has_sums();
                let importance = match of_type {
                    Type::Layer if sums && random.random_bool(SUMS) => productions.sum(random)?,
                    Type::Matrix if productions.has_factors() && random.random_bool(FACTORS) => {
                        let power = match sums && random.random_bool(SUMS) {
                            true => productions.sum(random)?,
                            false => productions.grow(random, Type::Layer, depth, full)?,
                        };
                        let factor = Expr::apply(Op::Exponential, vec![power]).ok()?;
                        let score = Expr::apply(Op::Score, Vec::new()).ok()?;
                        Expr::apply(Op::Multiply, vec![score, factor]).ok()?
                    }
                    _ => productions.grow(random, of_type, depth, full)?,
                };
                let importance = self.positive(random, allocator, importance)?;
                Expr::call(allocator, vec![importance], settings(random, allocator.info(), None)).ok()?
            }
            _ => Expr::call(allocator, Vec::new(), settings(random, allocator.info(), None)).ok()?,
        };
        Some(Script { metric: None, unit: Some(unit), allocation: Some(allocation) })
    }

    /// Draws one of the smallest allocations of the full space.
    pub(super) fn smallest(&self, random: &mut ChaCha8Rng, unit: UnitKind) -> Option<Expr> {
        let size = |op: Op| self.least_size(op, unit);
        let least = self.allocators().filter_map(size).min()?;
        let allocator = self.draw_allocator(random, |op| size(op) == Some(least))?;
        let importance = match allocator.info().class {
            Class::Allocator(Some(of_type)) => vec![self.of_unit(unit).smallest(random, of_type)?],
            _ => Vec::new(),
        };
        Expr::call(allocator, importance, settings(random, allocator.info(), None)).ok()
    }

    /// Returns an importance that the allocator accepts: `proportional` refuses negative values.
    pub(super) fn positive(&self, random: &mut ChaCha8Rng, allocator: Op, importance: Expr) -> Option<Expr> {
        if allocator != Op::Proportional {
            return Some(importance);
        }
        let through = [Op::Exponential, Op::Softplus, Op::Sigmoid, Op::Absolute];
        let through: Vec<Op> = through.into_iter().filter(|op| self.operators().contains(op)).collect();
        match draw(random, &through, |_| 1.0) {
            Some(op) => Expr::apply(*op, vec![importance]).ok(),
            None => Some(importance),
        }
    }
}

impl Productions {
    /// Draws the type of an importance for an allocator that takes `of_type`; if rows are the units, it
    /// usually has one value per row.
    fn importance(&self, random: &mut ChaCha8Rng, of_type: Type, unit: UnitKind) -> Type {
        let rows =
            unit == UnitKind::Row && of_type == Type::Layer && self.least_depth(Type::Output).is_some();
        if rows && random.random_bool(OF_ROWS) { Type::Output } else { of_type }
    }

    /// Draws a tree of a type: as deep as possible if `full`, otherwise of any depth up to the maximum.
    pub(super) fn grow(
        &self,
        random: &mut ChaCha8Rng,
        of_type: Type,
        depth: usize,
        full: bool,
    ) -> Option<Expr> {
        if of_type == Type::Number {
            let target = self.of(Type::Number).first().filter(|_| random.random_bool(0.05));
            return match target {
                Some(production) => Expr::apply(production.op, Vec::new()).ok(),
                None => Some(Expr::number(constant(random))),
            };
        }
        let depth = if of_type == Type::Layer { depth } else { depth.min(MATRIX_DEPTH) };
        let depth = depth.max(self.least_depth(of_type)?);
        let leaf = |it: &Production| it.operands.is_empty();
        let mut choices: Vec<&Production> = self.of(of_type).iter().filter(|it| it.depth <= depth).collect();
        let inner = choices.iter().any(|it| !leaf(it));
        // There are few leaves and many operators: in a tree that may end anywhere, three of ten nodes are
        // leaves.
        let ends = !inner || (!full && random.random_bool(0.3));
        if choices.iter().any(|it| leaf(it)) && (ends || full) && inner {
            choices.retain(|it| leaf(it) == ends);
        }
        let production = *draw(random, &choices, |it| it.weight)?;
        self.build(random, production, depth - 1, full)
    }

    /// Builds a production with randomly drawn operands of some depth.
    fn build(
        &self,
        random: &mut ChaCha8Rng,
        production: &Production,
        depth: usize,
        full: bool,
    ) -> Option<Expr> {
        let operands = production.operands.iter().map(|it| self.grow(random, *it, depth, full));
        let operands = operands.collect::<Option<Vec<Expr>>>()?;
        let parameters = settings(random, production.op.info(), production.over);
        Expr::call(production.op, operands, parameters).ok()
    }

    /// Returns whether the space can build sums of terms.
    fn has_sums(&self) -> bool {
        self.gives_layer(Op::Add) && self.gives_layer(Op::Multiply)
    }

    /// Returns whether scores can be multiplied by a power of e per unit.
    fn has_factors(&self) -> bool {
        let scores = self.of(Type::Matrix);
        let has = |op: Op| scores.iter().any(|it| it.op == op);
        has(Op::Score) && has(Op::Multiply) && self.gives_layer(Op::Exponential)
    }

    /// Draws a sum of terms.
    fn sum(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let terms = random.random_range(1..=LONGEST_SUM);
        let first = self.term(random)?;
        (1..terms).try_fold(first, |sum, _| Expr::apply(Op::Add, vec![sum, self.term(random)?]).ok())
    }

    /// Draws a term of a sum: a constant times one or two factors that tell units apart.
    pub(super) fn term(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let mut factor = self.factor(random)?;
        if random.random_bool(0.35) {
            factor = Expr::apply(Op::Multiply, vec![factor, self.factor(random)?]).ok()?;
        }
        Expr::apply(Op::Multiply, vec![Expr::number(constant(random)), factor]).ok()
    }

    /// Draws a factor that tells units apart: a leaf, the side of a depth on which a unit lies, or a
    /// reduction between 0 and 1.
    fn factor(&self, random: &mut ChaCha8Rng) -> Option<Expr> {
        let kind = random.random::<f64>();
        if kind < 0.2 && self.gives_layer(Op::Depth) && self.gives_layer(Op::Less) {
            let depth = Expr::apply(Op::Depth, Vec::new()).ok()?;
            let border = Expr::number(digits(random.random_range(0.0..1.0)));
            let sides = if random.random_bool(0.5) { vec![depth, border] } else { vec![border, depth] };
            return Expr::apply(Op::Less, sides).ok();
        }
        if kind < 0.65 {
            return self.leaf(random, Type::Layer);
        }
        let layer = self.grow(random, Type::Layer, 3, true)?;
        match random.random_bool(0.7) && self.gives_layer(Op::MinMax) {
            true => Expr::apply(Op::MinMax, vec![layer]).ok(),
            false => Some(layer),
        }
    }

    /// Draws one of the smallest trees of a type.
    fn smallest(&self, random: &mut ChaCha8Rng, of_type: Type) -> Option<Expr> {
        if of_type == Type::Number {
            return Some(Expr::number(constant(random)));
        }
        let least = self.least_size(of_type)?;
        let choices: Vec<&Production> = self.of(of_type).iter().filter(|it| it.size == least).collect();
        let production = *draw(random, &choices, |it| it.weight)?;
        let operands = production.operands.iter().map(|it| self.smallest(random, *it));
        let operands = operands.collect::<Option<Vec<Expr>>>()?;
        Expr::call(production.op, operands, settings(random, production.op.info(), production.over)).ok()
    }

    /// Draws a leaf of a type, or a tree of minimum depth if there is none.
    pub(super) fn leaf(&self, random: &mut ChaCha8Rng, of_type: Type) -> Option<Expr> {
        self.grow(random, of_type, 1, true)
    }
}

/// Draws one of some choices, with relative frequencies given by `weight`.
pub(super) fn draw<'a, T>(
    random: &mut ChaCha8Rng,
    choices: &'a [T],
    weight: impl Fn(&T) -> f64,
) -> Option<&'a T> {
    let total: f64 = choices.iter().map(&weight).sum();
    let mut left = random.random::<f64>() * total;
    for choice in choices {
        left -= weight(choice);
        if left < 0.0 {
            return Some(choice);
        }
    }
    choices.last()
}

/// Draws a constant: most are small, some are round.
pub(super) fn constant(random: &mut ChaCha8Rng) -> f64 {
    const ROUND: [f64; 6] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0];
    let value = match random.random::<f64>() {
        kind if kind < 0.5 => random.random_range(-1.0..1.0),
        kind if kind < 0.8 => random.random_range(-4.0..4.0),
        _ => ROUND[random.random_range(0..ROUND.len() as u64) as usize],
    };
    digits(value)
}

/// Draws all parameters of an operator except `over`, which is given.
pub(super) fn settings(random: &mut ChaCha8Rng, row: &Operator, over: Option<Over>) -> Vec<ParameterValue> {
    row.parameters
        .iter()
        .map(|parameter| match (parameter.name, over) {
            ("over", Some(over)) => ParameterValue::Word(over.name()),
            ("over", None) => parameter.default.unwrap_or(ParameterValue::Word("unit")),
            _ => setting(random, parameter),
        })
        .collect()
}

/// Draws a parameter.
pub(super) fn setting(random: &mut ChaCha8Rng, parameter: &Parameter) -> ParameterValue {
    match parameter.domain {
        Domain::Word(words) => {
            ParameterValue::Word(words[random.random_range(0..words.len() as u64) as usize])
        }
        Domain::Whole(low, high) => {
            ParameterValue::Number(random.random_range(f64::from(low)..=f64::from(high.min(low + 8))).round())
        }
        // For windows, only narrow ones.
        Domain::Odd(low, _) => ParameterValue::Number(f64::from(low + 2 * random.random_range(0..4u32))),
        Domain::Real(low, high) => {
            let value = match parameter.default {
                // Near the default, by a random factor.
                Some(ParameterValue::Number(usual)) if usual > 0.0 => {
                    usual * (random.random_range(-1.2..1.8f64)).exp()
                }
                _ if low == 0.0 && high == 1.0 => random.random_range(0.0..1.0),
                _ if low == -1.0 && high == 1.0 => random.random_range(-0.05..0.05),
                _ => constant(random),
            };
            ParameterValue::Number(digits(value.clamp(low, high)).clamp(low, high))
        }
    }
}
