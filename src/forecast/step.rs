//! What one step of some work takes.

use serde::Serialize;

/// So many bytes, and what they hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Amount {
    /// What they hold.
    pub what: &'static str,
    /// How many.
    pub bytes: u64,
}

/// What one step takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// What is done.
    pub name: &'static str,
    /// How often it is done.
    pub times: u64,
    /// How many tokens the model reads, counted once for each pass.
    pub tokens: u64,
    /// How many operations it is.
    pub operations: f64,
    /// How many seconds that is on the machine.
    pub seconds: f64,
    /// What stands in memory at once.
    pub memory: Vec<Amount>,
    /// Bytes of the model's files that are read through mapped pages, which the system takes back where memory is short.
    pub mapped: u64,
    /// What is on the disk afterwards, or meanwhile.
    pub disk: Vec<Amount>,
}
