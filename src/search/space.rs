//! The space that a search looks in: which formulas there are, and how one is drawn.

mod dsa;
mod grow;
mod names;
mod productions;
mod trees;
mod vary;

use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use productions::Productions;

use crate::lang::canonical;
use crate::lang::check::similar::similar;
use crate::lang::ops::{CATALOGUE, Class, Op, ParameterValue};
use crate::lang::program::{Expr, Script};
use crate::lang::types::UnitKind;

pub use vary::{VARIATIONS, Variation, VariationInfo};

/// How formulas of a space are built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpaceKind {
    /// A chain on the scores in the paper's four stages: up to two pre-process operators, a reduction, up to one transform and up
    /// to two post-process operators (DSA, section 3).
    Dsa,
    /// Any well-typed formula.
    #[default]
    Full,
}

impl SpaceKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Dsa, Self::Full];

    /// Returns the name that `--space` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dsa => "dsa",
            Self::Full => "full",
        }
    }
}

/// What a space is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceOptions {
    /// How formulas are built.
    pub kind: SpaceKind,
    /// The most operators and constants of an allocation, its allocator included.
    pub max_size: usize,
    /// The allocation units that formulas may have.
    #[serde(with = "names")]
    pub units: Vec<UnitKind>,
    /// The operators that formulas may have; all of the space's when there are none.
    #[serde(with = "names")]
    pub only: Vec<Op>,
    /// Operators that formulas may not have.
    #[serde(with = "names")]
    pub without: Vec<Op>,
    /// The terminals whose statistics were collected, of those that need any.
    #[serde(with = "names")]
    pub collected: Vec<Op>,
}

impl Default for SpaceOptions {
    fn default() -> Self {
        Self {
            kind: SpaceKind::default(),
            max_size: 40,
            units: UnitKind::ALL.to_vec(),
            only: Vec::new(),
            without: Vec::new(),
            collected: vec![Op::InputNorm],
        }
    }
}

/// Why there is no such space.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpaceError {
    /// An operator that does not exist.
    #[error("there is no operator `{name}`")]
    NoOperator {
        /// What was asked for.
        name: String,
        /// Operators of similar names.
        similar: Vec<String>,
    },
    /// An operator that takes no part in searches.
    #[error("`{name}` takes no part in the `{}` space", kind.name())]
    NotInSpace {
        /// The operator.
        name: &'static str,
        /// The space.
        kind: SpaceKind,
    },
    /// A unit twice, or none.
    #[error("the units are `block` and `projection`, and at least one is needed")]
    Units,
    /// No allocation can be built from what is left.
    #[error("no formula can be built from the operators that are left: {missing}")]
    Empty {
        /// What is missing.
        missing: &'static str,
    },
    /// The greatest size is less than any formula's.
    #[error("the smallest formula has {least} operators and constants, and at most {most} are allowed")]
    TooSmall {
        /// The size of the smallest formula.
        least: usize,
        /// The greatest size that was asked for.
        most: usize,
    },
}

/// A space of allocation formulas.
#[derive(Clone, Debug)]
pub struct Space {
    kind: SpaceKind,
    max_size: usize,
    units: Vec<UnitKind>,
    operators: Vec<Op>,
    /// What may stand in a formula: the operators, and what canonical forms make of them; none that was switched off.
    allowed: Vec<Op>,
    /// For each unit, in the order of `units`.
    productions: Vec<Productions>,
}

/// How many times something is tried before the fallback.
const ATTEMPTS: usize = 10;

impl Space {
    /// Returns the space of some options.
    ///
    /// # Errors
    /// When an operator takes no part in the space, there is no unit, or too few operators are left to build an allocation of the greatest size.
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
            SpaceKind::Dsa if dsa::can_reduce(&space.operators) => Some(dsa::LEAST_SIZE),
            SpaceKind::Dsa => {
                return Err(SpaceError::Empty { missing: "there is no score or weight, or no reduction" });
            }
            // Each unit has to have a formula.
            SpaceKind::Full => space
                .units
                .iter()
                .map(least_of)
                .try_fold(0, |least: usize, of_unit| of_unit.map(|size| least.max(size))),
        };
        match least {
            None => Err(SpaceError::Empty { missing: "nothing gives what an allocator takes" }),
            Some(least) if least > space.max_size => {
                Err(SpaceError::TooSmall { least, most: space.max_size })
            }
            Some(_) => Ok(space),
        }
    }

    /// Returns the size of the smallest allocation of an allocator; `None` when nothing gives what it takes.
    fn least_size(&self, allocator: Op, unit: UnitKind) -> Option<usize> {
        match allocator.info().class {
            Class::Allocator(Some(of_type)) => Some(1 + self.of_unit(unit).least_size(of_type)?),
            _ => Some(1),
        }
    }

    /// Returns how formulas are built.
    pub const fn kind(&self) -> SpaceKind {
        self.kind
    }

    /// Returns the operators that formulas are built of.
    pub fn operators(&self) -> &[Op] {
        &self.operators
    }

    /// Returns the allocation units that formulas may have.
    pub fn units(&self) -> &[UnitKind] {
        &self.units
    }

    /// Draws a formula of any unit, as [`Space::random_of`].
    pub fn random(&self, random: &mut ChaCha8Rng) -> Script {
        let unit = self.draw_unit(random);
        self.random_of(random, unit)
    }

    /// Draws a formula of a unit: ramped half-and-half in the full space, a chain of random length in the `dsa` space.
    ///
    /// One of the smallest, where the greatest size leaves hardly any other.
    pub fn random_of(&self, random: &mut ChaCha8Rng, unit: UnitKind) -> Script {
        for _ in 0..ATTEMPTS {
            let drawn = match self.kind {
                SpaceKind::Full => self.grow(random, unit),
                SpaceKind::Dsa => self.chain(random, unit),
            };
            if let Some(script) = drawn.map(tidy).filter(|script| self.holds(script)) {
                return script;
            }
        }
        let allocation = match self.kind {
            SpaceKind::Full => self.smallest(random, unit),
            SpaceKind::Dsa => self.smallest_chain(random),
        };
        tidy(Script { metric: None, unit: Some(unit), allocation })
    }

    /// Returns whether a script is a formula of the space.
    pub fn holds(&self, script: &Script) -> bool {
        let (Some(allocation), Some(unit)) = (&script.allocation, script.unit) else { return false };
        let mut known = true;
        allocation.walk(&mut |part| {
            known &= match part.op() {
                Some(op) => {
                    let placed = unit == UnitKind::Projection || !matches!(op, Op::FanIn | Op::FanOut);
                    // Bounds that are reversed are an error in a script.
                    let number = |index: usize| part.parameters().get(index).and_then(|it| it.number());
                    let ordered = op != Op::Clip || number(0) <= number(1);
                    placed && ordered && self.allowed.contains(&op)
                }
                // A script cannot say others.
                None => part.as_number().is_some_and(f64::is_finite),
            };
        });
        known
            && script.metric.is_none()
            && self.units.contains(&unit)
            && allocation.size() <= self.max_size
            && (self.kind == SpaceKind::Full || dsa::Chain::read(script).is_some_and(|chain| chain.fits()))
    }

    /// Returns a published allocation as a member of a population: without its metric, with its unit said.
    ///
    /// It need not be a formula of the space; what is made of it is. Returns `None` when it is no allocation, or its unit is not
    /// the space's.
    pub fn adapt(&self, script: &Script) -> Option<Script> {
        let unit = script.unit.unwrap_or_default();
        script.allocation.as_ref()?;
        let adapted = Script { metric: None, unit: Some(unit), allocation: script.allocation.clone() };
        self.units.contains(&unit).then_some(adapted)
    }

    /// Returns the productions for a unit.
    fn of_unit(&self, unit: UnitKind) -> &Productions {
        let place = self.units.iter().position(|it| *it == unit).unwrap_or(0);
        &self.productions[place]
    }

    /// Returns the allocators that take an importance of a type.
    fn allocators(&self) -> impl Iterator<Item = Op> {
        self.operators.iter().copied().filter(|op| matches!(op.info().class, Class::Allocator(_)))
    }
}

/// Returns the operator of a name.
///
/// # Errors
/// When there is none.
pub fn operator(name: &str) -> Result<Op, SpaceError> {
    Op::find(name).ok_or_else(|| {
        let similar = similar(name, CATALOGUE.iter().map(|row| row.name));
        SpaceError::NoOperator { name: name.to_owned(), similar }
    })
}

/// Returns the operators of some options, in the catalogue's order.
fn operators(options: &SpaceOptions) -> Result<Vec<Op>, SpaceError> {
    let takes_part = |op: Op| match options.kind {
        SpaceKind::Full => op.info().full,
        SpaceKind::Dsa => dsa::takes_part(op),
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

/// Returns what may stand in formulas of some operators: they, and what canonical forms make of them.
fn allowed(operators: &[Op], without: &[Op]) -> Vec<Op> {
    let mut allowed = operators.to_vec();
    // The direction.
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

/// Returns a script in its canonical form, with constants of three digits.
pub(super) fn tidy(script: Script) -> Script {
    let round = |expr: &Expr| rounded(&canonical::expr(expr)).unwrap_or_else(|| expr.clone());
    // Rounding may make constants equal to ones that fold away.
    canonical::script(&Script { allocation: script.allocation.as_ref().map(round), ..script })
}

fn rounded(expr: &Expr) -> Option<Expr> {
    let Some(op) = expr.op() else { return Some(Expr::number(digits(expr.as_number()?))) };
    let operands = expr.operands().iter().map(rounded).collect::<Option<Vec<Expr>>>()?;
    let parameters = expr.parameters().iter().map(|setting| match setting {
        ParameterValue::Number(value) => ParameterValue::Number(digits(*value)),
        ParameterValue::Word(word) => ParameterValue::Word(word),
    });
    Expr::call(op, operands, parameters.collect()).ok()
}

/// Returns a number with three significant digits.
pub(super) fn digits(value: f64) -> f64 {
    let text = format!("{value:.2e}");
    text.parse().unwrap_or(value)
}
