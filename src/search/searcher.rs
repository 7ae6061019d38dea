//! The proposers of candidates: the search itself and its controls.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::baselines::program::Baseline;

/// A proposer of candidates; serialised as its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Searcher {
    /// Typed genetic programming over formulas.
    Evolution,
    /// Every formula of a small space.
    Enumeration,
    /// Random formulas of the same space, as a control.
    Random,
    /// An allocation method that does not use formulas, as a control.
    Baseline(Baseline),
}

/// The error for a key without a searcher.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no searcher `{key}`")]
pub struct UnknownSearcher {
    key: String,
}

impl Searcher {
    /// Returns every searcher, in the order of tables.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Evolution, Self::Enumeration, Self::Random]
            .into_iter()
            .chain(Baseline::ALL.into_iter().map(Self::Baseline))
    }

    /// Returns whether it reads the fitness text other than through candidates' losses.
    pub const fn reads_the_text(self) -> bool {
        match self {
            Self::Evolution | Self::Enumeration | Self::Random => false,
            Self::Baseline(program) => program.reads_the_text(),
        }
    }

    /// Returns whether it is the search itself rather than a control.
    pub const fn is_search(self) -> bool {
        match self {
            Self::Evolution | Self::Enumeration => true,
            Self::Random | Self::Baseline(_) => false,
        }
    }

    /// Returns the key used in commands and files.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Evolution => "evolution",
            Self::Enumeration => "enumeration",
            Self::Random => "random",
            Self::Baseline(program) => program.key(),
        }
    }

    /// Returns the name used in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evolution => "evolution",
            Self::Enumeration => "enumeration",
            Self::Random => "random formulas",
            Self::Baseline(program) => program.name(),
        }
    }

    /// Returns whether its course depends on the seed.
    pub const fn has_chance(self) -> bool {
        match self {
            Self::Evolution | Self::Random => true,
            Self::Enumeration => false,
            Self::Baseline(program) => program.has_chance(),
        }
    }
}

impl fmt::Display for Searcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl FromStr for Searcher {
    type Err = UnknownSearcher;

    fn from_str(key: &str) -> Result<Self, UnknownSearcher> {
        Self::all().find(|it| it.key() == key).ok_or_else(|| UnknownSearcher { key: key.to_owned() })
    }
}

impl Serialize for Searcher {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.key())
    }
}

crate::lang::schema_of_text!(Searcher, "Key of the search or control that proposed allocations.");

impl<'de> Deserialize<'de> for Searcher {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
