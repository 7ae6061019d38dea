//! Why an allocation does not fit a format, or a file gives no allocation.

use std::fmt;

use super::format::Format;
use crate::allocate::AllocationError;
use crate::lang::types::Type;

/// Says why an allocation cannot be written or read: which format, what is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// Rows of a linear have ratios of their own, which the format has no place for.
    #[error("the format holds one ratio for each linear, and the rows of {module} have ratios of their own")]
    Rows {
        /// The linear.
        module: String,
    },
    /// A script gives rows ratios of their own, for which there is no code.
    #[error("there is no code for a ratio for each row (`unit row`)")]
    RowScript,
    /// The format has one ratio for each block, and a block of the allocation has several.
    #[error(
        "{format} holds one ratio for each block, and in block {block} {first} loses {first_ratio} and {second} {second_ratio}"
    )]
    Unequal {
        /// The format.
        format: &'static str,
        /// The block.
        block: usize,
        /// A linear of it.
        first: String,
        /// What that loses.
        first_ratio: f64,
        /// A linear with another ratio.
        second: String,
        /// What that loses.
        second_ratio: f64,
    },
    /// A module's name does not say which block it belongs to.
    #[error("the name `{module}` has no `layers.NUMBER.` in it, which says what block a linear belongs to")]
    NoBlock {
        /// The module.
        module: String,
    },
    /// The modules are not named alike, so that no pattern names them.
    #[error("`{module}` is not named as `{first}` is, so no pattern of a recipe names both")]
    OtherPrefix {
        /// The module.
        module: String,
        /// The first module.
        first: String,
    },
    /// A level beyond the levels of the database.
    #[error("{module} needs level {level}, and there are levels from -{most} to {most}")]
    Level {
        /// The linear.
        module: String,
        /// The level that it needs.
        level: i64,
        /// The most that there are.
        most: u32,
        /// The least step with which all levels fit.
        least: u64,
    },
    /// No levels add up to 0 within their bounds.
    #[error(
        "no levels of {step} weights add up to 0 with every linear between none and all of its weights pruned"
    )]
    NoLevels {
        /// The weights of one level.
        step: u64,
    },
    /// The levels of a file do not add up to 0.
    #[error(
        "the levels add up to {sum} and not to 0, so the file prunes more or less than its sparsity; it was changed by hand, or cut off"
    )]
    LevelSum {
        /// Their sum.
        sum: i64,
    },
    /// A ratio for every unit is the same, which the tool cannot take.
    #[error("all ratios are {ratio}, and AlphaPruning's mapping divides by their range, which is 0")]
    Uniform {
        /// The ratio.
        ratio: f64,
    },
    /// A file is not in the format.
    #[error("this is no file of {format}: {problem}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// What is wrong, with the place.
        problem: String,
    },
    /// The file does not say something that is needed.
    #[error("a file of {format} does not say {what}")]
    Missing {
        /// The format.
        format: &'static str,
        /// What it does not say.
        what: Unsaid,
    },
    /// A file has another number of values than the model needs.
    #[error("the file has {found} ratios, and the model has {blocks} blocks and {linears} linears in them")]
    Count {
        /// How many there are.
        found: usize,
        /// How many blocks the model has.
        blocks: usize,
        /// How many linears its blocks have.
        linears: usize,
    },
    /// A file says nothing of a linear of the model.
    #[error("the file has no ratio for {module}; it was made for another model, or a part of it is missing")]
    NoRatio {
        /// The linear.
        module: String,
    },
    /// A file names a linear twice.
    #[error("the file names {module} twice")]
    Twice {
        /// The linear.
        module: String,
    },
    /// A file has a ratio for a linear that the model does not have.
    #[error("the file has a ratio for {module}, which this model does not have; it was made for another one")]
    NoSuchModule {
        /// The linear.
        module: String,
    },
    /// A ratio that is not a share of the weights.
    #[error("the sparsity of {module} is {ratio}; a share of its weights lies between 0 and 1")]
    Ratio {
        /// The linear or block.
        module: String,
        /// The ratio.
        ratio: f64,
    },
    /// An allocation file contradicts itself.
    #[error("the allocation file contradicts itself: {problem}; it was changed by hand")]
    Inconsistent {
        /// How.
        problem: String,
    },
    /// The targets of a recipe are not the model's blocks or its linears.
    #[error(
        "the recipe's targets `{targets}` match {blocks} of the model's {all_blocks} blocks and {linears} of the {all_linears} linears in them; they must match all of the ones and none of the others"
    )]
    Targets {
        /// The targets.
        targets: String,
        /// How many blocks they match.
        blocks: usize,
        /// How many there are.
        all_blocks: usize,
        /// How many linears they match.
        linears: usize,
        /// How many there are.
        all_linears: usize,
    },
    /// The ratios cannot be put on a budget.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    /// A script has no allocation to be written.
    #[error("the script has a metric and no allocation: it is a pruning method, and gives no ratios")]
    NoAllocation,
    /// An operator that the NumPy function has no code for.
    #[error("`{operator}` cannot be written in NumPy: {why}")]
    Operator {
        /// The operator.
        operator: &'static str,
        /// Why.
        why: &'static str,
    },
    /// An operator that the NumPy function has no code for on values of this type.
    #[error("`{operator}` of {} cannot be written in NumPy", of.with_article())]
    OperatorOf {
        /// The operator.
        operator: &'static str,
        /// The type.
        of: Type,
    },
}

/// What a file does not say, and the format has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// The sparsity.
    Sparsity,
    /// EvoPress: the sparsity at level 0.
    LevelSparsity,
    /// EvoPress: how many weights a level is.
    LevelStep,
    /// AlphaPruning: how its metric becomes ratios.
    Mapping,
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sparsity => "the sparsity",
            Self::LevelSparsity => "the sparsity of level 0",
            Self::LevelStep => "how many weights a level is",
            Self::Mapping => "how its metric becomes ratios",
        })
    }
}

impl ExchangeError {
    /// Returns the error of a file that is not in a format.
    pub(super) fn malformed(format: Format, problem: impl Into<String>) -> Self {
        Self::Malformed { format: format.name(), problem: problem.into() }
    }
}
