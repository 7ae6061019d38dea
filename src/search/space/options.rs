//! What a space is told: how formulas are built, and of which operators.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::lang::check::similar::similar;
use crate::lang::ops::{CATALOGUE, Op};
use crate::lang::types::UnitKind;

/// How formulas of a space are built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpaceOptions {
    /// How formulas are built.
    pub kind: SpaceKind,
    /// The most operators and constants of an allocation, its allocator included.
    pub max_size: usize,
    /// The allocation units that formulas may have.
    pub units: Vec<UnitKind>,
    /// The operators that formulas may have; all of the space's when there are none.
    pub only: Vec<Op>,
    /// Operators that formulas may not have.
    pub without: Vec<Op>,
    /// The terminals whose statistics were collected, of those that need any.
    pub collected: Vec<Op>,
}

impl SpaceOptions {
    /// Returns whether an enumeration of these operators holds no formula that turns a quantity round.
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
    #[error("the units are `block`, `projection` and `row`, each at most once, and at least one is needed")]
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
