//! The cost of one step of the work.

use serde::Serialize;

/// A number of bytes, with their purpose.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Amount {
    /// The purpose of the bytes.
    pub what: &'static str,
    /// The number of bytes.
    pub bytes: u64,
}

/// The cost of one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// The name of the step.
    pub name: &'static str,
    /// Number of repetitions.
    pub times: u64,
    /// Number of tokens that the model reads, counted once for each pass.
    pub tokens: u64,
    /// Number of operations.
    pub operations: f64,
    /// Duration on the machine, in seconds.
    pub seconds: f64,
    /// Bytes that are in memory at the same time, by purpose.
    pub memory: Vec<Amount>,
    /// Bytes of the model's files that are read through mapped pages, which the system reclaims if memory is
    /// short.
    pub mapped: u64,
    /// Bytes that the step writes to the disk, by purpose; some only for the time of the step.
    pub disk: Vec<Amount>,
}
