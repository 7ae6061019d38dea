//! Errors of writing allocations to other formats and reading them.

use std::fmt;

use super::format::Format;
use crate::allocate::AllocationError;
use crate::lang::types::Type;

/// Why an allocation cannot be written or read, with the format concerned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// Rows of a linear have their own ratios, which the format does not support.
    #[error("the format holds one ratio for each linear, but the rows of {module} have their own ratios")]
    Rows {
        /// The linear.
        module: String,
    },
    /// A script gives rows their own ratios, which generated code does not support.
    #[error("code with a ratio for each row (`unit row`) is not supported")]
    RowScript,
    /// The format has one ratio for each block, but a block of the allocation has several.
    #[error(
        "{format} holds one ratio for each block, but in block {block} {first} has {first_ratio} and {second} has {second_ratio}"
    )]
    Unequal {
        /// The format.
        format: &'static str,
        /// The block.
        block: usize,
        /// A linear of the block.
        first: String,
        /// Its ratio.
        first_ratio: f64,
        /// A linear with a different ratio.
        second: String,
        /// Its ratio.
        second_ratio: f64,
    },
    /// A module's name does not give its block.
    #[error("the name `{module}` lacks `layers.NUMBER.`, which gives the block of a linear")]
    NoBlock {
        /// The module.
        module: String,
    },
    /// The modules' names have different prefixes, so no pattern matches all of them.
    #[error("`{module}` and `{first}` have different prefixes, so no pattern of a recipe matches both")]
    OtherPrefix {
        /// The module.
        module: String,
        /// The first module.
        first: String,
    },
    /// A linear needs a level that the database does not have.
    #[error("{module} needs level {level}, but the levels go from -{most} to {most}")]
    Level {
        /// The linear.
        module: String,
        /// The required level.
        level: i64,
        /// The highest level.
        most: u32,
        /// The smallest step with which all levels fit.
        least: u64,
    },
    /// No levels within their bounds add up to 0.
    #[error(
        "no levels of {step} weights add up to 0 if every linear may lose between none and all of its weights"
    )]
    NoLevels {
        /// The weights of one level.
        step: u64,
    },
    /// The levels of a file do not add up to 0.
    #[error(
        "the levels add up to {sum}, not to 0, so the file prunes more or less than its sparsity; it was changed by hand, or cut off"
    )]
    LevelSum {
        /// Their sum.
        sum: i64,
    },
    /// All units have the same ratio, which the tool does not support.
    #[error("all ratios are {ratio}, but AlphaPruning's mapping divides by their range, which is 0")]
    Uniform {
        /// The ratio.
        ratio: f64,
    },
    /// A file does not have the expected format.
    #[error("this is not a file of {format}: {problem}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// The problem, with its location.
        problem: String,
    },
    /// The file lacks required information.
    #[error("a file of {format} does not contain {what}")]
    Missing {
        /// The format.
        format: &'static str,
        /// The missing information.
        what: Unsaid,
    },
    /// The number of ratios in a file does not match the model.
    #[error("the file has {found} ratios, but the model has {blocks} blocks and {linears} linears in them")]
    Count {
        /// Number of ratios in the file.
        found: usize,
        /// Number of blocks of the model.
        blocks: usize,
        /// Number of linears in its blocks.
        linears: usize,
    },
    /// A file has no ratio for a linear of the model.
    #[error("the file has no ratio for {module}; it was made for another model, or it is incomplete")]
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
    #[error(
        "the file has a ratio for {module}, which this model does not have; it was made for another model"
    )]
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
        /// The contradiction.
        problem: String,
    },
    /// The targets of a recipe match neither the model's blocks nor its linears.
    #[error(
        "the recipe's targets `{targets}` match {blocks} of the model's {all_blocks} blocks and {linears} of the {all_linears} linears in them; they must match either all blocks and no linear, or all linears and no block"
    )]
    Targets {
        /// The targets.
        targets: String,
        /// Number of blocks that they match.
        blocks: usize,
        /// Number of blocks of the model.
        all_blocks: usize,
        /// Number of linears that they match.
        linears: usize,
        /// Number of linears of the model.
        all_linears: usize,
    },
    /// The ratios cannot be moved onto a budget.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    /// A script has no allocation that could be written.
    #[error("the script has a metric but no allocation: it is a pruning method, and computes no ratios")]
    NoAllocation,
    /// The NumPy code does not support an operator.
    #[error("`{operator}` cannot be written in NumPy: {why}")]
    Operator {
        /// The operator.
        operator: &'static str,
        /// The reason.
        why: &'static str,
    },
    /// The NumPy code does not support an operator on values of this type.
    #[error("`{operator}` of {} cannot be written in NumPy", of.with_article())]
    OperatorOf {
        /// The operator.
        operator: &'static str,
        /// The type.
        of: Type,
    },
}

/// Information that a file lacks because the format does not store it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// The sparsity.
    Sparsity,
    /// EvoPress: the sparsity at level 0.
    LevelSparsity,
    /// EvoPress: the number of weights in a level.
    LevelStep,
    /// AlphaPruning: the mapping from its metric to ratios.
    Mapping,
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sparsity => "the sparsity",
            Self::LevelSparsity => "the sparsity of level 0",
            Self::LevelStep => "the number of weights in a level",
            Self::Mapping => "the mapping from its metric to ratios",
        })
    }
}

impl ExchangeError {
    /// Returns the error of a file that does not have the expected format.
    pub(super) fn malformed(format: Format, problem: impl Into<String>) -> Self {
        Self::Malformed { format: format.name(), problem: problem.into() }
    }
}
