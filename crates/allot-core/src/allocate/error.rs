//! Errors in importances, targets and bounds.

/// Why an allocation could not be made.
///
/// Units are named by their index in the slices that were passed, from 0; the caller knows their names.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AllocationError {
    /// Two slices that hold one value for each unit have different lengths.
    #[error(
        "{found} {what} were given for {expected} allocation units; pass one for each unit, in the same order"
    )]
    LengthMismatch {
        /// What the slice holds, in the plural.
        what: &'static str,
        /// How many units there are.
        expected: usize,
        /// How many values were given.
        found: usize,
    },

    /// There is no unit, or no unit has a weight.
    #[error(
        "there is no weight to prune in {units} allocation units; check that the model's linears were found"
    )]
    NoWeights {
        /// How many units there are.
        units: usize,
    },

    /// There are more weights than a 64-bit count holds.
    #[error("the {units} allocation units hold more than 2^64 weights; check the parameter counts")]
    TooManyWeights {
        /// How many units there are.
        units: usize,
    },

    /// A unit's importance is infinite or not a number.
    #[error("the importance of unit {unit} is {value}; an allocation needs a finite number for each unit")]
    NonFiniteImportance {
        /// The unit's index.
        unit: usize,
        /// Its importance.
        value: f64,
    },

    /// A unit's importance is negative where a density is made proportional to it.
    #[error(
        "the importance of unit {unit} is {value}, and a density cannot be proportional to a negative number; \
         make it positive first, for instance with `exp` or `minmax`, or use `scale`, which takes any sign"
    )]
    NegativeImportance {
        /// The unit's index.
        unit: usize,
        /// Its importance.
        value: f64,
    },

    /// An allocator's own parameter is infinite or not a number.
    #[error("`{parameter}` of `{allocator}` is {value}; it must be a finite number")]
    NonFiniteParameter {
        /// The allocator.
        allocator: &'static str,
        /// The name of its parameter.
        parameter: &'static str,
        /// The value that was given.
        value: f64,
    },

    /// A proposed value is infinite or not a number, so nothing can be moved onto the budget.
    #[error("the value proposed for unit {unit} is {value}; a proposal must be finite in every unit")]
    NonFiniteProposal {
        /// The unit's index.
        unit: usize,
        /// The proposed value.
        value: f64,
    },

    /// A unit's sparsity lies outside 0 to 1.
    #[error("the sparsity of unit {unit} is {value}; a share of its weights lies between 0 and 1")]
    InvalidSparsity {
        /// The unit's index.
        unit: usize,
        /// Its sparsity.
        value: f64,
    },

    /// The sparsities miss the target by more than rounding.
    #[error(
        "the sparsities prune {given} of the weights, but the target is {wanted}; move them onto the budget first"
    )]
    OffBudget {
        /// The share that the sparsities prune.
        given: f64,
        /// The share that the target asks for.
        wanted: f64,
    },

    /// The target is not a share.
    #[error(
        "a target sparsity of {target} is not a share of the weights; pass a number between 0 and 1, such as 0.7"
    )]
    InvalidTarget {
        /// The target that was given.
        target: f64,
    },

    /// The bounds are not an interval within 0 to 1.
    #[error("the bounds {lower} and {upper} are not valid; pass 0 <= lower <= upper <= 1")]
    InvalidBounds {
        /// The lower bound that was given.
        lower: f64,
        /// The upper bound that was given.
        upper: f64,
    },

    /// The bounds are valid, but exclude every allocation that meets the target.
    #[error(
        "a target sparsity of {target} cannot be met with every unit between {lower} and {upper}; \
         {} bound to {target}, or choose a target between {lower} and {upper}",
        if .target < .lower { "lower the lower" } else { "raise the upper" }
    )]
    Infeasible {
        /// The target that was given.
        target: f64,
        /// The lower bound on each unit's sparsity.
        lower: f64,
        /// The upper bound on each unit's sparsity.
        upper: f64,
    },

    /// A count of pruned weights is larger than the matrix.
    #[error("cannot prune {pruned} of {parameters} weights; prune at most {parameters}")]
    TooManyPruned {
        /// How many weights should be pruned.
        pruned: u64,
        /// How many there are.
        parameters: u64,
    },
}

/// Returns an error unless there is one value for each unit.
pub(super) fn same_length(what: &'static str, expected: usize, found: usize) -> Result<(), AllocationError> {
    if expected == found { Ok(()) } else { Err(AllocationError::LengthMismatch { what, expected, found }) }
}

/// Returns an error unless the target is a share.
pub(super) fn valid_target(target: f64) -> Result<(), AllocationError> {
    // A NaN is outside every range, so it is refused too.
    if (0.0..=1.0).contains(&target) { Ok(()) } else { Err(AllocationError::InvalidTarget { target }) }
}

/// Returns an error unless every importance is finite.
pub(super) fn finite_importances(importances: &[f64]) -> Result<(), AllocationError> {
    match importances.iter().position(|value| !value.is_finite()) {
        Some(unit) => Err(AllocationError::NonFiniteImportance { unit, value: importances[unit] }),
        None => Ok(()),
    }
}

/// Returns an error unless an allocator's parameter is finite.
pub(super) fn finite_parameter(
    allocator: &'static str,
    parameter: &'static str,
    value: f64,
) -> Result<(), AllocationError> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(AllocationError::NonFiniteParameter { allocator, parameter, value })
    }
}
