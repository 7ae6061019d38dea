//! Serde of lists that are kept by their names: `#[serde(with = "names")]`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::lang::ops::Op;
use crate::lang::types::UnitKind;

/// What has a name of its own.
pub(super) trait Named: Copy {
    /// What one of it is.
    const WHAT: &'static str;

    /// Returns the name.
    fn name(self) -> &'static str;

    /// Returns what has a name.
    fn find(name: &str) -> Option<Self>;
}

impl Named for Op {
    const WHAT: &'static str = "operator";

    fn name(self) -> &'static str {
        self.name()
    }

    fn find(name: &str) -> Option<Self> {
        Self::find(name)
    }
}

impl Named for UnitKind {
    const WHAT: &'static str = "unit";

    fn name(self) -> &'static str {
        self.name()
    }

    fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }
}

/// Writes the names.
pub(super) fn serialize<T: Named, S: Serializer>(list: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(|it| it.name()))
}

/// Reads what has the names.
pub(super) fn deserialize<'de, T: Named, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let find = |name: &String| {
        T::find(name).ok_or_else(|| D::Error::custom(format!("there is no {} `{name}`", T::WHAT)))
    };
    names.iter().map(find).collect()
}
