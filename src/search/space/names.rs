//! Serde of units by their names: `#[serde(with = "names")]`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::lang::types::UnitKind;

/// Writes the names.
pub(super) fn serialize<S: Serializer>(units: &[UnitKind], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(units.iter().map(|unit| unit.name()))
}

/// Reads what has the names.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<UnitKind>, D::Error> {
    let find = |name: &String| {
        let known = UnitKind::ALL.into_iter().find(|unit| unit.name() == name);
        known.ok_or_else(|| D::Error::custom(format!("there is no unit `{name}`")))
    };
    Vec::<String>::deserialize(from)?.iter().map(find).collect()
}
