//! The syntax tree.

use crate::ops::Op;
use crate::span::Span;

/// A parsed script.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The statements, in order.
    pub statements: Vec<Statement>,
    /// Names bound by statements that did not parse; further messages about them would mislead.
    pub broken: Vec<String>,
    /// Whether a `unit` statement did not parse.
    pub broken_unit: bool,
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its kind and its parts.
    pub kind: StatementKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// `metric(per = row) EXPRESSION`.
    Metric {
        /// The word `metric`.
        keyword: Span,
        /// The options in parentheses after it.
        options: Vec<Argument>,
        /// The score.
        score: Node,
    },
    /// `unit NAME`.
    Unit {
        /// The kind of unit.
        name: Name,
    },
    /// `let NAME = EXPRESSION`.
    Let {
        /// The name that is bound.
        name: Name,
        /// The value of the name.
        value: Node,
    },
    /// The script's value.
    Value(Node),
}

/// A name and where it stands.
#[derive(Clone, Debug)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The parameter's name, in `name = value`.
    pub name: Option<Name>,
    /// The value.
    pub value: Node,
    /// Where it stands, name included.
    pub span: Span,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is made of.
    pub kind: NodeKind,
    /// Where it stands.
    pub span: Span,
    depth: usize,
}

/// What an expression is made of.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// A number.
    Number(f64),
    /// A name alone.
    Name(String),
    /// A typed hole.
    Hole,
    /// `name(arguments)`.
    Call {
        /// The operator's name.
        name: Name,
        /// The arguments in its parentheses.
        arguments: Vec<Argument>,
    },
    /// `-value`.
    Negate {
        /// The sign.
        sign: Span,
        /// The value that it negates.
        value: Box<Node>,
    },
    /// `left symbol right`.
    Infix {
        /// The operator.
        op: Op,
        /// Its symbol.
        symbol: Span,
        /// The left operand.
        left: Box<Node>,
        /// The right operand.
        right: Box<Node>,
    },
    /// `(value)`.
    Group(Box<Node>),
    /// `first |> stage |> ...`.
    Pipeline {
        /// The input of the first stage.
        first: Box<Node>,
        /// The stages, at least one.
        stages: Vec<Stage>,
    },
}

/// A stage of a pipeline.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What it does.
    pub kind: StageKind,
    /// Where it stands.
    pub span: Span,
}

/// What a stage does.
#[derive(Clone, Debug)]
pub enum StageKind {
    /// Nothing yet: a typed hole.
    Hole,
    /// Applies an operator to the stage's input and to further arguments.
    Operator {
        /// The operator's name.
        name: Name,
        /// The arguments in its parentheses; `None` without parentheses.
        arguments: Option<Vec<Argument>>,
    },
}

impl Node {
    /// Returns a node, and computes its depth from those of its parts.
    pub fn new(kind: NodeKind, span: Span) -> Self {
        fn deepest(arguments: &[Argument]) -> usize {
            arguments.iter().map(|argument| argument.value.depth).max().unwrap_or(0)
        }
        let below = match &kind {
            NodeKind::Number(_) | NodeKind::Name(_) | NodeKind::Hole => 0,
            NodeKind::Call { arguments, .. } => deepest(arguments),
            NodeKind::Negate { value, .. } => value.depth,
            // Parentheses leave no trace in the typed expression.
            NodeKind::Group(value) => value.depth - 1,
            NodeKind::Infix { left, right, .. } => left.depth.max(right.depth),
            NodeKind::Pipeline { first, stages } => {
                let arguments = stages.iter().map(|stage| match &stage.kind {
                    StageKind::Operator { arguments: Some(arguments), .. } => deepest(arguments),
                    _ => 0,
                });
                first.depth.max(arguments.max().unwrap_or(0)) + stages.len() - 1
            }
        };
        Self { kind, span, depth: below + 1 }
    }

    /// Returns the length of the longest path to a leaf of the typed expression that the node stands for.
    pub const fn depth(&self) -> usize {
        self.depth
    }
}
