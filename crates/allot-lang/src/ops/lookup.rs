//! Finds operators by their names and symbols in scripts.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::catalogue::{CATALOGUE, Op, Operator};
use super::class::Need;
use super::notation::Notation;
use crate::word::UnknownWord;

impl Op {
    /// The terminals for statistics, which a calibration pass must collect first.
    pub const COLLECTED: [Self; 10] = [
        Self::InputNorm,
        Self::HessianDiagonal,
        Self::Gradient,
        Self::ReconstructionError,
        Self::InputKurtosis,
        Self::BlockSimilarity,
        Self::BlockChange,
        Self::Damage,
        Self::Marginal,
        Self::MarginalSlope,
    ];

    /// The terminals that are measured on pruned models, so that each value belongs to one target and one metric.
    pub const MEASURED: [Self; 3] = [Self::Damage, Self::Marginal, Self::MarginalSlope];

    /// Returns the operator's name in scripts.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Returns the operator that a script calls `name`.
    pub fn find(name: &str) -> Option<Self> {
        static BY_NAME: LazyLock<HashMap<&'static str, Op>> =
            LazyLock::new(|| CATALOGUE.iter().map(|row| (row.name, row.op)).collect());
        BY_NAME.get(name).copied()
    }

    /// Returns the operator that is written with `symbol` between its operands.
    pub fn infix(symbol: &str) -> Option<Self> {
        CATALOGUE
            .iter()
            .find(|row| matches!(row.notation, Notation::Infix { symbol: s, .. } if s == symbol))
            .map(|row| row.op)
    }

    /// Returns whether the condition `need` applies to the operator.
    pub fn needs(self, need: Need) -> bool {
        self.info().needs.contains(&need)
    }

    /// Returns whether the operator is a terminal.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// Returns whether swapping the two operands keeps the value.
    pub const fn is_commutative(self) -> bool {
        matches!(self, Self::Add | Self::Multiply | Self::Minimum | Self::Maximum)
    }

    /// Returns whether the operator exists only so that DSA's released formulas give their published ratios.
    pub fn is_dsa(self) -> bool {
        self.name().starts_with("dsa::")
    }
}

impl Operator {
    /// Returns the symbol that stands for the operator, if it has one.
    pub const fn symbol(&self) -> Option<&'static str> {
        match self.notation {
            Notation::Prefix(symbol) | Notation::Infix { symbol, .. } => Some(symbol),
            Notation::Call | Notation::Name => None,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Op {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::find(word).ok_or_else(|| UnknownWord { what: "operator", word: word.to_owned() })
    }
}

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

crate::schema_of_text!(Op, "An operator, by its name in scripts.");

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_of_the_operators() {
        for row in CATALOGUE {
            assert_eq!(std::ptr::from_ref(row.op.info()), std::ptr::from_ref(row), "{}", row.name);
            assert_eq!(Op::find(row.name), Some(row.op), "{}: two rows have this name", row.name);
        }
    }

    #[test]
    fn every_default_lies_in_its_domain() {
        for row in CATALOGUE {
            for parameter in row.parameters {
                assert!(
                    parameter.default.is_none_or(|default| parameter.domain.holds(default)),
                    "{}({})",
                    row.name,
                    parameter.name
                );
            }
        }
    }

    #[test]
    fn every_row_is_documented() {
        for row in CATALOGUE {
            for (what, text) in [
                ("summary", row.summary),
                ("definition", row.definition),
                ("latex", row.latex),
                ("source", row.source),
                ("example", row.example),
            ] {
                assert!(!text.is_empty(), "{} has no {what}", row.name);
            }
        }
    }
}
