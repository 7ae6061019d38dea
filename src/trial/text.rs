//! The texts of a trial, which are always kept separate.

use serde::{Deserialize, Serialize};

use crate::stats::Tokens;

/// The texts that models are measured on.
#[derive(Clone, Debug)]
pub struct Texts {
    /// The text that candidates are measured on.
    pub fitness: Tokens,
    /// The text that ranks the best candidates again; without it, the fitness text decides.
    pub selection: Option<Tokens>,
    /// The text that is measured once, at the end; without it, there are no results on it.
    pub report: Option<Tokens>,
}

/// The role of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The fitness text.
    Fitness,
    /// The selection text.
    Selection,
    /// The report text.
    Report,
}

impl Split {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Fitness, Self::Selection, Self::Report];

    /// Returns its name in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fitness => "fitness",
            Self::Selection => "selection",
            Self::Report => "report",
        }
    }
}
