//! Spaces: the sets of formulas that a search looks in.

use super::chain;
use super::options::{SpaceError, SpaceKind, SpaceOptions};
use super::productions::Productions;
use crate::lang::ops::{CATALOGUE, Class, Op};
use crate::lang::program::Script;
use crate::lang::types::{Type, UnitKind};

/// A space of allocation formulas.
#[derive(Clone, Debug)]
pub struct Space {
    kind: SpaceKind,
    pub(super) max_size: usize,
    pub(super) units: Vec<UnitKind>,
    operators: Vec<Op>,
    /// The operators allowed in a formula, including those that canonical forms introduce, but none that was
    /// switched off.
    allowed: Vec<Op>,
    /// The productions of each unit, in the order of `units`.
    productions: Vec<Productions>,
}

impl Space {
    /// Returns the space with some options.
    ///
    /// # Errors
    /// When an operator does not take part in the space, no unit is given, or the remaining operators cannot
    /// build an allocation of at most the maximum size.
    pub fn new(options: &SpaceOptions) -> Result<Self, SpaceError> {
        let units: Vec<UnitKind> =
            UnitKind::ALL.into_iter().filter(|unit| options.units.contains(unit)).collect();
        if units.is_empty() || units.len() != options.units.len() {
            return Err(SpaceError::Units);
        }
        let operators = operators(options)?;
        if !operators.iter().any(|op| matches!(op.info().class, Class::Allocator(_))) {
            return Err(SpaceError::Empty { missing: "there is no allocator" });
        }
        let productions: Vec<Productions> =
            units.iter().map(|unit| Productions::new(&operators, *unit)).collect();
        let allowed = allowed(&operators, &options.without);
        let space =
            Self { kind: options.kind, max_size: options.max_size, units, operators, allowed, productions };
        let least_of =
            |unit: &UnitKind| space.allocators().filter_map(|op| space.least_size(op, *unit)).min();
        let least = match space.kind {
            SpaceKind::Dsa if chain::can_reduce(&space.operators) => Some(chain::LEAST_SIZE),
            SpaceKind::Dsa => {
                return Err(SpaceError::Empty { missing: "there is no score or weight, or no reduction" });
            }
            // Every unit needs at least one formula.
            SpaceKind::Full => space
                .units
                .iter()
                .map(least_of)
                .try_fold(0, |least: usize, of_unit| of_unit.map(|size| least.max(size))),
        };
        match least {
            None => Err(SpaceError::Empty { missing: "no operator produces an allocator's operand" }),
            Some(least) if least > space.max_size => {
                Err(SpaceError::TooSmall { least, most: space.max_size })
            }
            Some(_) => Ok(space),
        }
    }

    /// Returns the size of the smallest allocation by an allocator; `None` if no operator produces its
    /// operand.
    pub(super) fn least_size(&self, allocator: Op, unit: UnitKind) -> Option<usize> {
        match allocator.info().class {
            Class::Allocator(Some(of_type)) => Some(1 + self.of_unit(unit).least_size(of_type)?),
            _ => Some(1),
        }
    }

    /// Returns how the space builds formulas.
    pub const fn kind(&self) -> SpaceKind {
        self.kind
    }

    /// Returns the operators that formulas are built from.
    pub fn operators(&self) -> &[Op] {
        &self.operators
    }

    /// Returns the allocation units that formulas may use.
    pub fn units(&self) -> &[UnitKind] {
        &self.units
    }

    /// Returns whether a script is a formula of the space.
    pub fn holds(&self, script: &Script) -> bool {
        let (Some(allocation), Some(unit)) = (&script.allocation, script.unit) else { return false };
        let mut known = true;
        allocation.walk(&mut |part| {
            known &= match part.op() {
                Some(op) => {
                    let placed = unit.is_within_blocks() || !matches!(op, Op::FanIn | Op::FanOut);
                    // A script's `clip` must not have reversed bounds.
                    let number = |index: usize| part.parameters().get(index).and_then(|it| it.number());
                    let ordered = op != Op::Clip || number(0) <= number(1);
                    placed && ordered && self.allowed.contains(&op)
                }
                // A script can only write finite numbers.
                None => part.as_number().is_some_and(f64::is_finite),
            };
        });
        let of_rows =
            script.allocator().and_then(|it| it.importance).is_some_and(|it| it.ty() == Type::Output);
        known
            && (unit == UnitKind::Row || !of_rows)
            && script.metric.is_none()
            && self.units.contains(&unit)
            && allocation.size() <= self.max_size
            && (self.kind == SpaceKind::Full || chain::Chain::read(script).is_some_and(|chain| chain.fits()))
    }

    /// Returns a published allocation as a member of a population: without its metric, and with an explicit
    /// unit.
    ///
    /// It may lie outside the space; its offspring never do. Returns `None` if the script has no allocation,
    /// or its unit is not in the space.
    pub fn adapt(&self, script: &Script) -> Option<Script> {
        let unit = script.unit.unwrap_or_default();
        script.allocation.as_ref()?;
        let adapted = Script { metric: None, unit: Some(unit), allocation: script.allocation.clone() };
        self.units.contains(&unit).then_some(adapted)
    }

    /// Returns the productions of a unit.
    pub(super) fn of_unit(&self, unit: UnitKind) -> &Productions {
        let place = self.units.iter().position(|it| *it == unit).unwrap_or(0);
        &self.productions[place]
    }

    /// Returns the space's allocators.
    pub(super) fn allocators(&self) -> impl Iterator<Item = Op> {
        self.operators.iter().copied().filter(|op| matches!(op.info().class, Class::Allocator(_)))
    }
}

/// Returns the operators of some options, in catalogue order.
fn operators(options: &SpaceOptions) -> Result<Vec<Op>, SpaceError> {
    let takes_part = |op: Op| match options.kind {
        SpaceKind::Full => op.info().full,
        SpaceKind::Dsa => chain::takes_part(op),
    };
    for op in options.only.iter().chain(&options.without) {
        if !takes_part(*op) {
            return Err(SpaceError::NotInSpace { name: op.name(), kind: options.kind });
        }
    }
    Ok(CATALOGUE
        .iter()
        .map(|row| row.op)
        .filter(|op| takes_part(*op))
        .filter(|op| !Op::COLLECTED.contains(op) || options.collected.contains(op))
        .filter(|op| options.only.is_empty() || options.only.contains(op))
        .filter(|op| !options.without.contains(op))
        .collect())
}

/// Returns the operators allowed in formulas: the given ones, and those that canonical forms introduce.
fn allowed(operators: &[Op], without: &[Op]) -> Vec<Op> {
    let mut allowed = operators.to_vec();
    // Needed to negate the importance.
    allowed.push(Op::Negate);
    for op in operators {
        allowed.extend_from_slice(match *op {
            Op::Greater => &[Op::Less],
            Op::GreaterEqual => &[Op::LessEqual],
            Op::Add => &[Op::Subtract],
            Op::Subtract => &[Op::Add],
            Op::Multiply => &[Op::Square],
            Op::Divide => &[Op::Reciprocal],
            Op::Power => &[Op::Square, Op::SquareRoot, Op::Reciprocal],
            _ => &[],
        });
    }
    allowed.sort();
    allowed.dedup();
    allowed.retain(|op| !without.contains(op));
    allowed
}
