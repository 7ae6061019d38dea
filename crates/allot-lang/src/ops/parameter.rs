//! Parameters of operators: their names and the values they take.

use std::fmt;

use crate::number::number;

/// A parameter of an operator: a constant that the script sets, or its default.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name in scripts.
    pub name: &'static str,
    /// Which values it takes.
    pub domain: Domain,
    /// Its value when the script does not set it; a parameter without a default must be set.
    pub default: Option<ParameterValue>,
    /// One-line description of what it sets.
    pub summary: &'static str,
}

/// The values that a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// A real number within bounds, both included.
    Real(f64, f64),
    /// A whole number within bounds, both included.
    Whole(u32, u32),
    /// An odd whole number within bounds, both included.
    Odd(u32, u32),
    /// One of some words.
    Word(&'static [&'static str]),
}

impl Domain {
    /// Returns whether the domain holds `setting`.
    pub fn holds(self, setting: ParameterValue) -> bool {
        match (self, setting) {
            (Self::Real(low, high), ParameterValue::Number(value)) => (low..=high).contains(&value),
            (Self::Whole(low, high), ParameterValue::Number(value)) => {
                value.fract() == 0.0 && (f64::from(low)..=f64::from(high)).contains(&value)
            }
            (Self::Odd(low, high), ParameterValue::Number(value)) => {
                value.rem_euclid(2.0) == 1.0 && (f64::from(low)..=f64::from(high)).contains(&value)
            }
            (Self::Word(words), ParameterValue::Word(word)) => words.contains(&word),
            _ => false,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real(low, high) if *high == f64::MAX && *low == -f64::MAX => f.write_str("a number"),
            Self::Real(low, high) if *high == f64::MAX => write!(f, "a number, at least {low}"),
            Self::Real(low, high) => write!(f, "a number from {low} to {high}"),
            Self::Whole(low, high) => write!(f, "a whole number from {low} to {high}"),
            Self::Odd(low, high) => write!(f, "an odd whole number from {low} to {high}"),
            Self::Word(words) => {
                for (index, word) in words.iter().enumerate() {
                    let separator = match index {
                        0 => "",
                        _ if index + 1 == words.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{separator}`{word}`")?;
                }
                Ok(())
            }
        }
    }
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterValue {
    /// A number.
    Number(f64),
    /// One of the words of the parameter's domain.
    Word(&'static str),
}

impl ParameterValue {
    /// Returns the number, or `None` for a word.
    pub const fn number(self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(value),
            Self::Word(_) => None,
        }
    }
}

impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => f.write_str(&number(*value)),
            Self::Word(word) => f.write_str(word),
        }
    }
}
