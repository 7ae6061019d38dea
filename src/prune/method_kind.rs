//! Method names, without parameters.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of method, without its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MethodKind {
    /// Absolute values of weights.
    Magnitude,
    /// Absolute weights times input norms, compared within a row.
    Wanda,
    /// SparseGPT, which also corrects the weights that it keeps.
    SparseGpt,
    /// Relative importance and activations.
    Ria,
    /// A metric, from a script.
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
