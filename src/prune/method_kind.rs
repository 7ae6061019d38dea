//! Method names, without parameters.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of method, without its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MethodKind {
    /// [`Method::Magnitude`](super::Method::Magnitude).
    Magnitude,
    /// [`Method::Wanda`](super::Method::Wanda).
    Wanda,
    /// [`Method::SparseGpt`](super::Method::SparseGpt).
    SparseGpt,
    /// [`Method::Ria`](super::Method::Ria).
    Ria,
    /// [`Method::Metric`](super::Method::Metric).
    Metric,
}

impl MethodKind {
    /// Returns the name used in files and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Magnitude => "magnitude",
            Self::Wanda => "wanda",
            Self::SparseGpt => "sparsegpt",
            Self::Ria => "ria",
            Self::Metric => "metric",
        }
    }
}

impl fmt::Display for MethodKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
