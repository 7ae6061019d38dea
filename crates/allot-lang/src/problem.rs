//! Mistakes in scripts, as values; `problem/words.rs` is the one place where they are put into words.

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
    /// The script is longer than any that is read.
    TooLong { bytes: usize },
    /// The script is not UTF-8.
    NotText { at: usize },
    /// Something nests deeper than any tree that is built.
    TooDeep { span: Span },
    /// Bindings written out make a formula larger than any that is built.
    TooLarge { span: Span },
    /// A token stands where none like it can.
    Syntax { span: Span, found: String, expected: Vec<&'static str>, help: Option<String> },
    /// A character that scripts are not written with.
    UnknownCharacter { character: char, span: Span },
    /// A name with letters of another alphabet.
    UnknownLetter { name: String, span: Span },
    /// Something that begins like a number and is none.
    NotANumber { text: String, span: Span },
    /// A parenthesis is never closed.
    UnclosedParenthesis { span: Span },
    /// A parenthesis closes nothing.
    UnexpectedParenthesis { span: Span },
    /// A number leaves the range of f64.
    NumberTooLarge { span: Span },
    /// An operator of other languages.
    NotInLanguage { symbol: String, span: Span },
    /// Two comparisons in a row.
    ChainedComparison { first: Span, second: Span, span: Span },
    /// A script without a statement.
    Empty,
    /// A script without a value or a metric, and what it binds last.
    NoValue { at: Span, last_binding: Option<(String, Type)> },
    /// A value that is not the last statement; what follows may begin with a sign.
    ValueNotLast { span: Span, next: Span, sign: bool },
    /// A second `metric` or `unit`.
    Repeated { what: &'static str, span: Span, first: Span },
    /// A name that nothing has, or that is bound further down.
    UnknownName { name: String, span: Span, similar: Vec<String>, below: Option<Span> },
    /// An operator's name where none has it.
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
    /// A parameter without a default that is not given.
    MissingParameter { op: Op, parameter: &'static str, span: Span },
    /// A name that no parameter has.
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
    /// A parameter's value that leaves the range of f64.
    NotFinite { op: Op, parameter: &'static str, span: Span },
    /// Bounds the wrong way round.
    BoundsReversed { op: Op, span: Span },
    /// An operand of a type that does not fit.
    WrongType { op: Op, operand: usize, found: Type, span: Span, name: Span, over: Option<Over> },
    /// A pipeline's stage that does not take what comes in.
    WrongStage { op: Op, found: Type, stage: Span, input: Span, over: Option<Over> },
    /// A script that ends in something else than a `Sparsity`.
    NotAnAllocation { found: Type, span: Span },
    /// An allocation used as an operand.
    AllocationInside { op: Op, span: Span, by: Op, consumer: Span },
    /// A metric that is not a `Matrix`.
    MetricNotMatrix { found: Type, span: Span },
    /// `score`, or what is measured after pruning by it, inside the metric that defines it.
    ScoreInMetric { op: Op, span: Span },
    /// A unit that does not exist.
    UnknownUnit { name: String, span: Span },
    /// A terminal that only projections have.
    NeedsProjection { op: Op, span: Span, unit: Option<UnitKind> },
    /// One value for each output channel is allocated by, and the units are not rows.
    NeedsRows { op: Op, span: Span, name: Span, unit: Option<UnitKind> },
    /// A name bound twice, or one that an operator has.
    Shadowed { name: String, span: Span, first: Option<Span> },
    /// A binding that refers to itself.
    Recursive { name: String, span: Span, binding: Span },
    /// A binding that nothing uses.
    Unused { name: String, span: Span },
    /// A typed hole, and what fits there.
    Hole { span: Span, wanted: Wanted, fits: Vec<Fit> },
    /// More problems than are listed.
    Further { span: Span, listed: usize },
}

/// The words that a script uses for groups, for the `per` option of `metric`.
pub(super) const GROUPS: Domain = Domain::Word(&[Group::Row.name(), Group::Matrix.name()]);
