//! How much of a model is downloaded.

/// What is downloaded of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All that allot reads or carries along.
    All,
    /// What is beside the weights.
    Configuration,
}
