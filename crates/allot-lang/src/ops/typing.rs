//! The types of operators' operands and values.

use super::catalogue::{Op, Operator};
use super::class::Class;
use crate::types::{Over, Type, UnitKind};

impl Op {
    /// Returns the type of the operator's value for operands of these types, with `over` as the script sets it.
    ///
    /// # Errors
    /// Returns the index of the first operand that does not fit.
    pub fn result_type(self, operands: &[Type], over: Option<Over>) -> Result<Type, usize> {
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
                Some(Over::Inputs) => fits(&[Type::Matrix]).map(|_| Type::Output),
                Some(Over::Outputs) => fits(&[Type::Matrix]).map(|_| Type::Input),
                Some(Over::Unit) | None => {
                    fits(&[Type::Matrix, Type::Input, Type::Output]).map(|_| Type::Layer)
                }
            },
            Class::MatrixReduction => fits(&[Type::Matrix]).map(|_| Type::Layer),
            Class::Layerwise => fits(&[Type::Layer]),
            Class::Allocator(None) => Ok(Type::Sparsity),
            Class::Allocator(Some(_)) => fits(self.accepts()).map(|_| Type::Sparsity),
        }
    }

    /// Returns the types that the operator's operand at `index` may have.
    pub fn accepts(self) -> &'static [Type] {
        match self.info().class {
            Class::Terminal(_) | Class::Allocator(None) => &[],
            Class::Elementwise => &Type::SHAPES,
            Class::Normaliser => &[Type::Layer, Type::Input, Type::Output, Type::Matrix],
            Class::Reduction => &[Type::Matrix, Type::Input, Type::Output],
            Class::MatrixReduction => &[Type::Matrix],
            Class::Layerwise => &[Type::Layer],
            Class::Allocator(Some(Type::Matrix)) => &[Type::Matrix],
            Class::Allocator(Some(_)) => &[Type::Layer, Type::Output],
        }
    }

    /// Returns the types that the operator's operand may have where `unit` gets one ratio.
    pub fn accepts_under(self, unit: UnitKind) -> &'static [Type] {
        match self.accepts() {
            [Type::Layer, Type::Output] if unit != UnitKind::Row => &[Type::Layer],
            accepted => accepted,
        }
    }

    /// Returns whether an operand of type `found`, which the operator [accepts](Op::accepts), requires rows as units: this holds
    /// for an `Output` operand of an allocator.
    pub fn needs_rows(self, found: Type) -> bool {
        matches!(self.info().class, Class::Allocator(_)) && found == Type::Output
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
}
