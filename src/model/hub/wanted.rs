//! Which files of a model are downloaded.

/// Which files of a model are downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All files that allot reads or copies.
    All,
    /// All files except the weights.
    Configuration,
}
