//! The texts of a trial, which are never mixed.

use serde::{Deserialize, Serialize};

use crate::stats::Tokens;

/// The texts that models are measured on.
#[derive(Clone, Debug)]
pub struct Texts {
    /// What candidates are measured on.
    pub fitness: Tokens,
    /// What the best of them are ranked by again; without one, the fitness text decides.
    pub selection: Option<Tokens>,
    /// What is measured once, at the end; without one, there are no figures of it.
    pub report: Option<Tokens>,
}

/// One of the texts.
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
    /// Every text.
    pub const ALL: [Self; 3] = [Self::Fitness, Self::Selection, Self::Report];

    /// Returns the name that the journal uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fitness => "fitness",
            Self::Selection => "selection",
            Self::Report => "report",
        }
    }
}
