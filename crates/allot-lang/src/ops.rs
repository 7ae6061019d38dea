//! The catalogue of operators: the one table that parser, checker, printer, documentation and search read.
//!
//! [`CATALOGUE`] holds a row for each operator; its rows stand in `ops/catalogue.rs`. Each back end is one exhaustive
//! `match` on [`Op`], so the compiler names what a new row still needs.

mod catalogue;

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use super::types::Type;

pub use catalogue::{CATALOGUE, Op};

/// One row of the catalogue: everything that is to be known of an operator but its implementation.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// The operator itself.
    pub op: Op,
    /// Its name in scripts.
    pub name: &'static str,
    /// How it is written, when not as a call.
    pub notation: Notation,
    /// How it acts on types.
    pub class: Class,
    /// The names of its operands, in order.
    pub operands: &'static [&'static str],
    /// Its parameters, in order, after the operands.
    pub parameters: &'static [Parameter],
    /// One line that says what it gives.
    pub summary: &'static str,
    /// Its definition for every input, protected cases included.
    pub definition: &'static str,
    /// LaTeX, with `#1`, `#2`, ... for the operands and `#name` for a parameter.
    pub latex: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// A script that uses it.
    pub example: &'static str,
    /// The stages of the `dsa` search space that it takes part in.
    pub stages: &'static [Stage],
    /// Whether the `full` search space and typed holes offer it.
    pub full: bool,
}

/// How an operator is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// `name(x)`.
    Call,
    /// `name` alone: a terminal.
    Name,
    /// A symbol before its operand.
    Prefix(&'static str),
    /// A symbol between its operands; the higher the precedence, the tighter it binds.
    Infix {
        /// The symbol.
        symbol: &'static str,
        /// How tightly it binds.
        precedence: u8,
    },
}

/// The precedence of comparisons, which do not chain.
pub const COMPARISON: u8 = 1;
/// The precedence of `+` and `-`.
pub const SUM: u8 = 2;
/// The precedence of `*` and `/`.
pub const PRODUCT: u8 = 3;
/// The precedence of the prefix `-`.
pub const NEGATION: u8 = 4;
/// The precedence of `^`, which binds to the right.
pub const POWER: u8 = 5;

/// How an operator acts on types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A leaf of the given type.
    Terminal(Type),
    /// Any shapes to the smallest one that they all broadcast to.
    Elementwise,
    /// A `Layer`, `Input`, `Output` or `Matrix` to itself.
    Normaliser,
    /// A `Matrix`, `Input` or `Output` to a `Layer`; with `over`, a `Matrix` to an `Output` or `Input`.
    Reduction,
    /// A `Matrix` to a `Layer`: once for each linear, then the plain mean over the unit's linears.
    MatrixReduction,
    /// A `Layer` to a `Layer`, across the units.
    Layerwise,
    /// An importance, or nothing, to a `Sparsity`.
    Allocator(Option<Type>),
}

impl Class {
    /// Returns the heading under which operators of this class are listed.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Terminal(_) => "Terminals",
            Self::Elementwise => "Elementwise operators",
            Self::Normaliser => "Normalisers",
            Self::Reduction => "Reductions",
            Self::MatrixReduction => "Matrix reductions",
            Self::Layerwise => "Layer operators",
            Self::Allocator(_) => "Allocators",
        }
    }
}

/// A stage of the `dsa` search space (DSA, section 3: pre-process, reduce, transform, post-process).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Acts on element scores.
    PreProcess,
    /// Turns a unit's scores into one number.
    Reduce,
    /// Acts on a unit's number.
    Transform,
    /// Acts on the units' numbers last.
    PostProcess,
}

/// A parameter of an operator: a constant that the script sets, or its default.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name in scripts.
    pub name: &'static str,
    /// Which values it takes.
    pub domain: Domain,
    /// Its value when the script is silent; without one it must be given.
    pub default: Option<Setting>,
    /// One line that says what it sets.
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
    pub fn holds(self, setting: Setting) -> bool {
        match (self, setting) {
            (Self::Real(low, high), Setting::Number(value)) => (low..=high).contains(&value),
            (Self::Whole(low, high), Setting::Number(value)) => {
                value.fract() == 0.0 && (f64::from(low)..=f64::from(high)).contains(&value)
            }
            (Self::Odd(low, high), Setting::Number(value)) => {
                value.rem_euclid(2.0) == 1.0 && (f64::from(low)..=f64::from(high)).contains(&value)
            }
            (Self::Word(words), Setting::Word(word)) => words.contains(&word),
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
pub enum Setting {
    /// A number.
    Number(f64),
    /// One of the words of the parameter's domain.
    Word(&'static str),
}

impl Setting {
    /// Returns the number, or `None` for a word.
    pub const fn number(self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(value),
            Self::Word(_) => None,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => f.write_str(&super::print::number(*value)),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl Op {
    /// The terminals that stand for statistics: a calibration pass has to have collected them.
    pub const COLLECTED: [Self; 4] =
        [Self::InputNorm, Self::HessianDiagonal, Self::Gradient, Self::ReconstructionError];

    /// Returns the operator's row of the catalogue.
    pub fn info(self) -> &'static Operator {
        &CATALOGUE[self as usize]
    }

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

    /// Returns whether swapping the two operands keeps the value.
    pub const fn is_commutative(self) -> bool {
        matches!(self, Self::Add | Self::Multiply | Self::Minimum | Self::Maximum)
    }

    /// Returns whether the operator exists only so that DSA's released formulas give their published ratios.
    pub fn is_dsa(self) -> bool {
        self.name().starts_with("dsa::")
    }

    /// Returns the type of the operator's value for operands of these types, with `over` as the script sets it.
    ///
    /// # Errors
    /// Returns the index of the first operand that does not fit.
    pub fn result_type(self, operands: &[Type], over: Option<&str>) -> Result<Type, usize> {
        let fits = |accepted: &[Type]| match operands.first() {
            Some(first) if accepted.contains(first) => Ok(*first),
            _ => Err(0),
        };
        match self.info().class {
            Class::Terminal(shape) => Ok(shape),
            Class::Elementwise => {
                let mut shape = Type::Number;
                for (index, operand) in operands.iter().enumerate() {
                    shape = shape.join(*operand).ok_or(index)?;
                }
                Ok(shape)
            }
            Class::Normaliser => fits(&[Type::Layer, Type::Input, Type::Output, Type::Matrix]),
            Class::Reduction => match over {
                Some("inputs") => fits(&[Type::Matrix]).map(|_| Type::Output),
                Some("outputs") => fits(&[Type::Matrix]).map(|_| Type::Input),
                _ => fits(&[Type::Matrix, Type::Input, Type::Output]).map(|_| Type::Layer),
            },
            Class::MatrixReduction => fits(&[Type::Matrix]).map(|_| Type::Layer),
            Class::Layerwise => fits(&[Type::Layer]),
            Class::Allocator(None) => Ok(Type::Sparsity),
            Class::Allocator(Some(shape)) => fits(&[shape]).map(|_| Type::Sparsity),
        }
    }

    /// Returns the types that the operator's operand at `index` may have.
    pub fn accepts(self) -> &'static [Type] {
        match self.info().class {
            Class::Terminal(_) | Class::Allocator(None) => &[],
            Class::Elementwise => &[Type::Number, Type::Layer, Type::Input, Type::Output, Type::Matrix],
            Class::Normaliser => &[Type::Layer, Type::Input, Type::Output, Type::Matrix],
            Class::Reduction => &[Type::Matrix, Type::Input, Type::Output],
            Class::MatrixReduction => &[Type::Matrix],
            Class::Layerwise => &[Type::Layer],
            Class::Allocator(Some(Type::Matrix)) => &[Type::Matrix],
            Class::Allocator(Some(_)) => &[Type::Layer],
        }
    }
}

impl Operator {
    /// Returns the signature, such as `quantile(x: Matrix | Input | Output, p) -> Layer`.
    pub fn signature(&self) -> String {
        let accepted: Vec<&str> = match self.class {
            Class::Elementwise => vec!["S"],
            Class::Normaliser => vec!["S"],
            _ => self.op.accepts().iter().map(|shape| shape.name()).collect(),
        };
        let mut arguments: Vec<String> =
            self.operands.iter().map(|operand| format!("{operand}: {}", accepted.join(" | "))).collect();
        arguments.extend(self.parameters.iter().map(|parameter| match parameter.default {
            Some(default) => format!("{} = {default}", parameter.name),
            None => parameter.name.to_owned(),
        }));
        let result = match self.class {
            Class::Terminal(shape) => return format!("{}: {shape}", self.name),
            Class::Elementwise | Class::Normaliser => "S",
            Class::Reduction | Class::MatrixReduction | Class::Layerwise => "Layer",
            Class::Allocator(_) => "Sparsity",
        };
        format!("{}({}) -> {result}", self.name, arguments.join(", "))
    }

    /// Returns the symbol that stands for the operator, if it has one.
    pub const fn symbol(&self) -> Option<&'static str> {
        match self.notation {
            Notation::Prefix(symbol) | Notation::Infix { symbol, .. } => Some(symbol),
            Notation::Call | Notation::Name => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_operators() {
        for (index, row) in CATALOGUE.iter().enumerate() {
            assert_eq!(row.op as usize, index, "{}", row.name);
            assert_eq!(Op::find(row.name), Some(row.op), "{}: two rows of one name", row.name);
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
