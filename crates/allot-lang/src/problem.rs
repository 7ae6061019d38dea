//! Mistakes in scripts, as values. Only `problem/words.rs` puts them into words.

mod edit;
mod hole;
mod words;

use super::ops::{Domain, Op};
use super::span::Span;
use super::types::{Group, Over, Type, UnitKind};

pub use hole::{Fit, ValuePlace, Wanted};

/// A mistake in a script.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's line says what its fields hold")]
pub enum Problem {
    /// A script that is longer than the limit.
    TooLong { bytes: usize },
    /// A script that is not UTF-8.
    NotText { at: usize },
    /// An expression that nests deeper than the limit.
    TooDeep { span: Span },
    /// A formula that is larger than the limit, with its bindings written out.
    TooLarge { span: Span },
    /// An unexpected token.
    Syntax { span: Span, found: String, expected: Vec<&'static str>, help: Option<String> },
    /// A character that scripts cannot contain.
    UnknownCharacter { character: char, span: Span },
    /// A name with letters of another alphabet.
    UnknownLetter { name: String, span: Span },
    /// A token that begins like a number but is not one.
    NotANumber { text: String, span: Span },
    /// A parenthesis that is never closed.
    UnclosedParenthesis { span: Span },
    /// A closing parenthesis without an opening one.
    UnexpectedParenthesis { span: Span },
    /// A number that is too large for f64.
    NumberTooLarge { span: Span },
    /// An operator of another language.
    NotInLanguage { symbol: String, span: Span },
    /// Two comparisons in a row.
    ChainedComparison { first: Span, second: Span, span: Span },
    /// A script without a statement.
    Empty,
    /// A script with neither a value nor a metric.
    NoValue { at: Span, last_binding: Option<(String, Type)> },
    /// A value that is not the last statement.
    ValueNotLast { span: Span, next: Span, sign: bool },
    /// A second `metric` or `unit`.
    Repeated { what: &'static str, span: Span, first: Span },
    /// An unknown name, or one that is bound only further down.
    UnknownName { name: String, span: Span, similar: Vec<String>, below: Option<Span> },
    /// A call of an unknown operator.
    UnknownOperator { name: String, span: Span, similar: Vec<String> },
    /// An operator without its parentheses.
    OperatorAsValue { op: Op, span: Span },
    /// Parentheses after something that takes none.
    NotCallable { name: String, span: Span, terminal: bool },
    /// A value as a stage of a pipeline.
    StageIsValue { name: String, span: Span },
    /// An operand that is missing.
    MissingOperand { op: Op, operand: &'static str, span: Span },
    /// More arguments than the operator takes.
    TooManyArguments { op: Op, span: Span, piped: bool, given: usize },
    /// A parameter without a default that the call does not set.
    MissingParameter { op: Op, parameter: &'static str, span: Span },
    /// An unknown parameter.
    UnknownParameter { op: Option<Op>, name: String, span: Span, similar: Vec<String> },
    /// A parameter given twice.
    RepeatedParameter { name: String, span: Span, first: Span },
    /// An operand given by name.
    NamedOperand { op: Op, name: String, span: Span },
    /// A positional argument after a named one.
    PositionalAfterNamed { op: Op, span: Span },
    /// An option of `metric` without a name.
    UnnamedOption { span: Span },
    /// A parameter's value outside its domain.
    OutOfDomain { op: Option<Op>, parameter: &'static str, domain: Domain, span: Span, found: String },
    /// A parameter's value that is not a constant.
    NotConstant { op: Op, parameter: &'static str, span: Span, found: Type },
    /// A parameter's value that is infinite or NaN.
    NotFinite { op: Op, parameter: &'static str, span: Span },
    /// A lower bound above the upper one.
    BoundsReversed { op: Op, span: Span },
    /// An operand of a type that does not fit.
    WrongType { op: Op, operand: usize, found: Type, span: Span, name: Span, over: Option<Over> },
    /// A stage of a pipeline that does not take its input.
    WrongStage { op: Op, found: Type, stage: Span, input: Span, over: Option<Over> },
    /// A script that ends in something other than a `Sparsity`.
    NotAnAllocation { found: Type, span: Span },
    /// An allocation used as an operand.
    AllocationInside { op: Op, span: Span, by: Op, consumer: Span },
    /// A metric that is not a `Matrix`.
    MetricNotMatrix { found: Type, span: Span },
    /// `score`, or a terminal that depends on it, inside the metric.
    ScoreInMetric { op: Op, span: Span },
    /// A unit that does not exist.
    UnknownUnit { name: String, span: Span },
    /// A terminal that only projections have.
    NeedsProjection { op: Op, span: Span, unit: Option<UnitKind> },
    /// An importance with one value for each output channel, where the units are not rows.
    NeedsRows { op: Op, span: Span, name: Span, unit: Option<UnitKind> },
    /// A name that is bound twice, or that belongs to an operator.
    Shadowed { name: String, span: Span, first: Option<Span> },
    /// A binding that refers to itself.
    Recursive { name: String, span: Span, binding: Span },
    /// A binding that nothing uses.
    Unused { name: String, span: Span },
    /// A typed hole.
    Hole { span: Span, wanted: Wanted, fits: Vec<Fit> },
    /// More problems than one run lists.
    Further { span: Span, listed: usize },
}

/// The words that a script uses for groups, for the `per` option of `metric`.
pub(super) const GROUPS: Domain = Domain::Word(&[Group::Row.name(), Group::Matrix.name()]);
