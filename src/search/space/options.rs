//! The options of a space: how formulas are built, and from which operators.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::lang::check::similar::similar;
use crate::lang::ops::{CATALOGUE, Op};
use crate::lang::types::UnitKind;

/// How a space builds its formulas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpaceKind {
    /// Chains on the scores in the paper's four stages: up to two pre-process operators, a reduction, up to
    /// one transform and up to two post-process operators (DSA, section 3).
    Dsa,
    /// All well-typed formulas.
    #[default]
    Full,
}

impl SpaceKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Dsa, Self::Full];

    /// Returns the kind's name in `--space`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dsa => "dsa",
            Self::Full => "full",
        }
    }
}

/// The options of a search space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpaceOptions {
    /// How formulas are built.
    pub kind: SpaceKind,
    /// Maximum number of operators and constants of an allocation, including its allocator.
    pub max_size: usize,
    /// Allocation units that formulas may use.
    pub units: Vec<UnitKind>,
    /// The only operators that formulas may use; all operators of the space if empty.
    pub only: Vec<Op>,
    /// Operators that formulas may not have.
    pub without: Vec<Op>,
    /// Terminals whose statistics were collected, among those that need statistics.
    pub collected: Vec<Op>,
}

impl SpaceOptions {
    /// Returns the terminals of marginals that formulas may have.
    pub fn marginals(&self) -> impl Iterator<Item = Op> {
        let allowed = |op: &Op| {
            let only = self.only.is_empty() || self.only.contains(op);
            only && !self.without.contains(op) && self.collected.contains(op)
        };
        [Op::Marginal, Op::MarginalSlope].into_iter().filter(allowed)
    }

    /// Returns whether an enumeration of these operators contains no formula that reverses the direction of a
    /// quantity.
    pub fn goes_one_way(&self) -> bool {
        let turns = [Op::Negate, Op::Subtract, Op::Reciprocal, Op::Divide];
        self.kind == SpaceKind::Full
            && !self.only.is_empty()
            && !self.only.iter().any(|op| turns.contains(op))
    }
}

impl Default for SpaceOptions {
    fn default() -> Self {
        Self {
            kind: SpaceKind::default(),
            max_size: 40,
            units: vec![UnitKind::Block, UnitKind::Projection],
            only: Vec::new(),
            without: Vec::new(),
            collected: vec![Op::InputNorm],
        }
    }
}

/// The reason why options do not define a space.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpaceError {
    /// An operator that does not exist.
    #[error("there is no operator `{name}`")]
    NoOperator {
        /// The name that was asked for.
        name: String,
        /// Operators with similar names.
        similar: Vec<String>,
    },
    /// An operator that does not take part in the space.
    #[error("`{name}` does not take part in the `{}` space", kind.name())]
    NotInSpace {
        /// The operator.
        name: &'static str,
        /// The space.
        kind: SpaceKind,
    },
    /// A unit is repeated, or none is given.
    #[error("the units are `block`, `projection` and `row`, each at most once, and at least one is needed")]
    Units,
    /// The remaining operators cannot build an allocation.
    #[error("no formula can be built from the operators that are left: {missing}")]
    Empty {
        /// The missing part.
        missing: &'static str,
    },
    /// The maximum size is below that of the smallest formula.
    #[error("the smallest formula has {least} operators and constants, and at most {most} are allowed")]
    TooSmall {
        /// The size of the smallest formula.
        least: usize,
        /// The maximum size that was asked for.
        most: usize,
    },
}

/// Returns the operator with a name.
///
/// # Errors
/// When no operator has the name.
pub fn operator(name: &str) -> Result<Op, SpaceError> {
    Op::find(name).ok_or_else(|| {
        let similar = similar(name, CATALOGUE.iter().map(|row| row.name));
        SpaceError::NoOperator { name: name.to_owned(), similar }
    })
}
