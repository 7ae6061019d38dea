//! Types: five shapes of values, a lattice under broadcasting, and the type of a finished allocation.

use super::word::by_word;

/// The type of an expression.
///
/// All values are real numbers; the type says what has one value each. The first five are shapes, ordered by broadcasting:
/// `Number` to `Layer`, `Layer` to `Input` and `Output`, both of these to `Matrix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// One value: a constant, or the target sparsity.
    Number,
    /// One value for each allocation unit.
    Layer,
    /// One value for each input channel of each linear.
    Input,
    /// One value for each output channel of each linear.
    Output,
    /// One value for each weight.
    Matrix,
    /// One ratio in [0, 1] for each allocation unit, whose parameter-weighted mean is the target.
    Sparsity,
}

impl Type {
    /// Every type, in order.
    pub const ALL: [Self; 6] =
        [Self::Number, Self::Layer, Self::Input, Self::Output, Self::Matrix, Self::Sparsity];

    /// The five shapes, which broadcast, in order.
    pub const SHAPES: [Self; 5] = [Self::Number, Self::Layer, Self::Input, Self::Output, Self::Matrix];

    /// Returns the name as it is written in messages and documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "Number",
            Self::Layer => "Layer",
            Self::Input => "Input",
            Self::Output => "Output",
            Self::Matrix => "Matrix",
            Self::Sparsity => "Sparsity",
        }
    }

    /// Returns the name with its article.
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Number => "a Number",
            Self::Layer => "a Layer",
            Self::Input => "an Input",
            Self::Output => "an Output",
            Self::Matrix => "a Matrix",
            Self::Sparsity => "a Sparsity",
        }
    }

    /// Returns the smallest shape that both broadcast to, or `None` when one of them is [`Type::Sparsity`].
    pub fn join(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Sparsity, _) | (_, Self::Sparsity) => None,
            (a, b) if a == b => Some(a),
            (Self::Input, Self::Output) | (Self::Output, Self::Input) => Some(Self::Matrix),
            (a, b) => Some(a.max(b)),
        }
    }

    /// Returns the type as a phrase, such as `one value for each weight`.
    pub const fn one_for_each(self) -> &'static str {
        match self {
            Self::Number => "one value",
            Self::Layer => "one value for each allocation unit",
            Self::Input => "one value for each input channel",
            Self::Output => "one value for each output channel",
            Self::Matrix => "one value for each weight",
            Self::Sparsity => "one ratio for each allocation unit, within the budget",
        }
    }
}

/// What gets one ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitKind {
    /// Each transformer block, as in OWL and DSA.
    #[default]
    Block,
    /// Each linear layer of each block.
    Projection,
    /// Each output channel of each linear layer. A [`Type::Layer`] then has one value for each linear layer.
    Row,
}

impl UnitKind {
    /// Every kind, in order.
    pub const ALL: [Self; 3] = [Self::Block, Self::Projection, Self::Row];

    /// Returns the word that a script uses for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Projection => "projection",
            Self::Row => "row",
        }
    }

    /// Returns whether reductions to a `Layer` give one value for each projection.
    pub const fn is_within_blocks(self) -> bool {
        match self {
            Self::Block => false,
            Self::Projection | Self::Row => true,
        }
    }

    /// Returns the unit that a value of a `Layer` belongs to: for rows, their projection.
    pub const fn of_layer(self) -> Self {
        match self {
            Self::Block => Self::Block,
            Self::Projection | Self::Row => Self::Projection,
        }
    }
}

/// The group of weights within which a pruning ratio is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Each output row loses the same share (Wanda).
    #[default]
    Row,
    /// The matrix loses the share as a whole (magnitude).
    Matrix,
}

impl Group {
    /// Every group, in order.
    pub const ALL: [Self; 2] = [Self::Row, Self::Matrix];

    /// Returns the word that a script uses for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Matrix => "matrix",
        }
    }
}

/// What a reduction reduces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Over {
    /// All values of the unit.
    #[default]
    Unit,
    /// The inputs of each output.
    Inputs,
    /// The outputs of each input.
    Outputs,
}

impl Over {
    /// Every kind, in order.
    pub const ALL: [Self; 3] = [Self::Unit, Self::Inputs, Self::Outputs];

    /// Returns the word that a script uses for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
        }
    }

    /// Returns whether the reduction is within each linear.
    pub const fn is_within_linears(self) -> bool {
        !matches!(self, Self::Unit)
    }
}

by_word!(Type, "type", "The type of a value.");
by_word!(UnitKind, "unit", "The kind of allocation unit.");
by_word!(Group, "group", "The weights whose scores are compared with each other.");
by_word!(Over, "`over`", "The values that a reduction reduces.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        assert!(Type::ALL.into_iter().all(|ty| ty.name().parse() == Ok(ty)));
        assert!(UnitKind::ALL.into_iter().all(|unit| unit.name().parse() == Ok(unit)));
        assert!(Group::ALL.into_iter().all(|group| group.name().parse() == Ok(group)));
        assert!(Over::ALL.into_iter().all(|over| over.name().parse() == Ok(over)));
        let error = "head".parse::<UnitKind>().map_err(|error| error.to_string());
        assert_eq!(error, Err("there is no unit `head`".to_owned()));
    }
}
