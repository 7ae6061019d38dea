//! Mistakes in scripts, as values, and the one place where they are put into words.

use super::diagnostic::Diagnostic;
use super::ops::{Class, Domain, Op};
use super::span::Span;
use super::types::{Group, Type, UnitKind};

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
    Syntax { span: Span, found: String, expected: Vec<&'static str> },
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
    /// A script without a value or a metric.
    NoValue { at: Span, last_binding: Option<String> },
    /// A value that is not the last statement.
    ValueNotLast { span: Span, next: Span },
    /// A second `metric` or `unit`.
    Repeated { what: &'static str, span: Span, first: Span },
    /// A name that nothing has.
    UnknownName { name: String, span: Span, similar: Vec<String> },
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
    /// A parameter's value outside its domain.
    OutOfDomain { op: Option<Op>, parameter: &'static str, domain: Domain, span: Span, found: String },
    /// A parameter's value that is not a constant.
    NotConstant { op: Op, parameter: &'static str, span: Span, found: Type },
    /// Bounds the wrong way round.
    BoundsReversed { op: Op, span: Span },
    /// An operand of a type that does not fit.
    WrongType { op: Op, operand: usize, found: Type, span: Span, name: Span, over: Option<&'static str> },
    /// A pipeline's stage that does not take what comes in.
    WrongStage { op: Op, found: Type, stage: Span, input: Span, over: Option<&'static str> },
    /// A script that ends in something else than a `Sparsity`.
    NotAnAllocation { found: Type, span: Span },
    /// An allocation used as an operand.
    AllocationInside { op: Op, span: Span, consumer: Span },
    /// A metric that is not a `Matrix`.
    MetricNotMatrix { found: Type, span: Span },
    /// `score` inside the metric that defines it.
    ScoreInMetric { span: Span },
    /// A unit that does not exist.
    UnknownUnit { name: String, span: Span },
    /// A terminal that only projections have.
    NeedsProjection { op: Op, span: Span, unit: Option<UnitKind> },
    /// A name bound twice, or one that an operator has.
    Shadowed { name: String, span: Span, first: Option<Span> },
    /// A binding that refers to itself.
    Recursive { name: String, span: Span, binding: Span },
    /// A binding that nothing uses.
    Unused { name: String, span: Span },
    /// A typed hole, and what fits there.
    Hole { span: Span, wanted: String, fits: Vec<String> },
}

impl Problem {
    /// Puts the problem into words.
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Self::TooLong { bytes } => Diagnostic::error(
                "too-long",
                format!(
                    "a script has at most 1 MiB, and this one has {:.1} MiB",
                    *bytes as f64 / f64::from(1 << 20)
                ),
            )
            .help("check that this is an allot script"),
            Self::NotText { at } => Diagnostic::error(
                "not-text",
                format!("the script is not UTF-8 text: byte {at} begins no character"),
            )
            .help("check that this is an allot script, and save it as UTF-8"),
            Self::TooDeep { span } => Diagnostic::error(
                "too-deep",
                format!("this is nested more than {} levels deep", super::syntax::MAX_DEPTH),
            )
            .label(*span, "too deep from here")
            .help("name parts of it with `let`"),
            Self::TooLarge { span } => {
                let most = super::syntax::MAX_SIZE;
                Diagnostic::error(
                    "too-large",
                    format!("with its bindings written out, the script has more than {most} operators"),
                )
                .label(*span, "too large from here")
                .help("a binding that uses another twice doubles it")
            }
            Self::Syntax { span, found, expected } => syntax(*span, found, expected),
            Self::UnclosedParenthesis { span } => {
                Diagnostic::error("unclosed-parenthesis", "a parenthesis is never closed")
                    .label(*span, "opened here")
                    .help("add `)`")
            }
            Self::UnexpectedParenthesis { span } => {
                Diagnostic::error("unexpected-parenthesis", "a parenthesis closes nothing")
                    .label(*span, "no `(` belongs to this")
                    .help("remove it, or add `(` before")
            }
            Self::NumberTooLarge { span } => {
                Diagnostic::error("number-too-large", "a number is too large").label(*span, "beyond 1.8e308")
            }
            Self::NotInLanguage { symbol, span } => {
                let help = match symbol.as_str() {
                    "**" => "write `x ^ y` for a power",
                    "%" => "scripts have no remainder; write ratios as numbers, such as 0.7 for 70 %",
                    "&&" => "multiply two conditions: each is 1 or 0",
                    "||" => "take the `maximum` of two conditions: each is 1 or 0",
                    _ => "real numbers are compared with `<`, `<=`, `>` and `>=`",
                };
                Diagnostic::error("unknown-symbol", format!("there is no operator `{symbol}`"))
                    .label(*span, "not in the language")
                    .help(help)
            }
            Self::ChainedComparison { first, second, .. } => {
                Diagnostic::error("chained-comparison", "comparisons cannot be chained")
                    .label(*second, "a second comparison")
                    .label(*first, "the first gives 1 or 0")
                    .help("write `(a < b) * (b < c)`")
            }
            Self::Empty => Diagnostic::error("empty", "the script is empty")
                .help("an allocation ends in an allocator, such as `mean(score) |> scale`"),
            Self::NoValue { at, last_binding } => {
                let diagnostic = Diagnostic::error("no-value", "the script has no value")
                    .label(*at, "nothing follows the last statement");
                match last_binding {
                    Some(name) => {
                        diagnostic.help(format!("end it with an allocation, such as `{name} |> scale`"))
                    }
                    None => diagnostic.help("end it with an allocation, such as `mean(score) |> scale`"),
                }
            }
            Self::ValueNotLast { span, next } => {
                Diagnostic::error("value-not-last", "a script has one value, and it stands last")
                    .label(*span, "this value is lost")
                    .label(*next, "more follows")
                    .help("name it with `let`, or join the lines with `|>`")
            }
            Self::Repeated { what, span, first } => {
                Diagnostic::error("repeated-statement", format!("a script has one `{what}`"))
                    .label(*span, "a second one")
                    .label(*first, "the first")
                    .help("remove one of them")
            }
            Self::UnknownName { name, span, similar } => {
                let diagnostic = Diagnostic::error("unknown-name", format!("there is no `{name}`"))
                    .label(*span, "unknown");
                did_you_mean(diagnostic, similar)
                    .help("`allot ops` lists what there is; `let` names what you define")
            }
            Self::UnknownOperator { name, span, similar } => {
                let diagnostic =
                    Diagnostic::error("unknown-operator", format!("there is no operator `{name}`"))
                        .label(*span, "unknown");
                did_you_mean(diagnostic, similar).help("`allot ops` lists all operators")
            }
            Self::OperatorAsValue { op, span } => {
                let row = op.info();
                let diagnostic = Diagnostic::error(
                    "operator-as-value",
                    format!("`{}` is an operator, not a value", row.name),
                )
                .label(*span, "needs parentheses");
                diagnostic.help(match row.operands.first() {
                    Some(operand) => format!("write `{0}({operand})`, or `{operand} |> {0}`", row.name),
                    None => format!("write `{}({})`", row.name, required(*op)),
                })
            }
            Self::NotCallable { name, span, terminal } => {
                let what = if *terminal { "a value" } else { "a name bound by `let`" };
                Diagnostic::error("not-an-operator", format!("`{name}` is {what} and takes no arguments"))
                    .label(*span, "not an operator")
                    .help(format!("write `{name}` alone"))
            }
            Self::StageIsValue { name, span } => Diagnostic::error(
                "stage-is-value",
                format!("`{name}` is a value, and a stage of a pipeline is an operator"),
            )
            .label(*span, "takes nothing in")
            .help(format!(
                "to combine it with what comes in, write it as an argument: `|> multiply({name})`"
            )),
            Self::MissingOperand { op, operand, span } => {
                Diagnostic::error("missing-operand", format!("`{}` lacks its operand `{operand}`", op.name()))
                    .label(*span, format!("`{operand}` is missing"))
                    .help(format!("its signature is `{}`", op.info().signature()))
            }
            Self::TooManyArguments { op, span, piped, given } => {
                let row = op.info();
                let most = row.operands.len() + row.parameters.len();
                let with = if *piped { ", with what is piped in" } else { "" };
                Diagnostic::error(
                    "too-many-arguments",
                    format!("`{}` takes {}, and here are {given}{with}", row.name, counted(most, "argument")),
                )
                .label(*span, "one too many")
                .help(format!("its signature is `{}`", row.signature()))
            }
            Self::MissingParameter { op, parameter, span } => {
                let diagnostic = Diagnostic::error(
                    "missing-parameter",
                    format!("`{}` lacks its parameter `{parameter}`", op.name()),
                )
                .label(*span, format!("`{parameter}` is missing"));
                match op.info().parameters.iter().find(|row| row.name == *parameter) {
                    Some(row) => {
                        diagnostic.help(format!("add `{parameter} = ...`: {}, {}", row.summary, row.domain))
                    }
                    None => diagnostic,
                }
            }
            Self::UnknownParameter { op, name, span, similar } => {
                let (owner, known) = match op {
                    Some(op) => {
                        (op.name(), op.info().parameters.iter().map(|row| row.name).collect::<Vec<_>>())
                    }
                    None => ("metric", vec!["per"]),
                };
                let diagnostic =
                    Diagnostic::error("unknown-parameter", format!("`{owner}` has no parameter `{name}`"))
                        .label(*span, "unknown");
                let diagnostic = did_you_mean(diagnostic, similar);
                match known.is_empty() {
                    true => diagnostic.help(format!("`{owner}` has no parameters")),
                    false => diagnostic.help(format!("it has {}", listed(&known))),
                }
            }
            Self::RepeatedParameter { name, span, first } => {
                Diagnostic::error("repeated-parameter", format!("`{name}` is given twice"))
                    .label(*span, "again here")
                    .label(*first, "first here")
                    .help("remove one of them")
            }
            Self::NamedOperand { op, name, span } => Diagnostic::error(
                "named-operand",
                format!("`{name}` is an operand of `{}`, and operands have no names", op.name()),
            )
            .label(*span, "by name")
            .help(format!("give it by its place: `{}`", op.info().signature())),
            Self::PositionalAfterNamed { op, span } => Diagnostic::error(
                "positional-after-named",
                "an argument without a name follows one with a name",
            )
            .label(*span, "without a name")
            .help(format!("give operands first: `{}`", op.info().signature())),
            Self::OutOfDomain { op, parameter, domain, span, found } => {
                let owner = op.map_or("metric", Op::name);
                Diagnostic::error("out-of-range", format!("`{parameter}` of `{owner}` must be {domain}"))
                    .label(*span, format!("this is {found}"))
            }
            Self::NotConstant { op, parameter, span, found } => Diagnostic::error(
                "not-constant",
                format!("`{parameter}` of `{}` must be a constant", op.name()),
            )
            .label(
                *span,
                match found {
                    Type::Number => "depends on the target".to_owned(),
                    _ => format!("this is a {found}: {}", found.one_for_each()),
                },
            )
            .help("write a number, or arithmetic on numbers"),
            Self::BoundsReversed { op, span } => Diagnostic::error(
                "bounds-reversed",
                format!("the bounds of `{}` are the wrong way round", op.name()),
            )
            .label(*span, "the lower bound is above the upper one")
            .help("write `clip(lo, hi)` with lo <= hi"),
            Self::WrongType { op, operand, found, span, name, over } => {
                let diagnostic = Diagnostic::error(
                    "wrong-type",
                    format!("`{}` takes {}, and its operand is a {found}", op.name(), accepted(*op, *over)),
                )
                .label(*span, format!("a {found}: {}", found.one_for_each()))
                .label(*name, format!("operand {} of this", operand + 1));
                type_help(diagnostic, *op, *found, *over)
            }
            Self::WrongStage { op, found, stage, input, over } => {
                let diagnostic = Diagnostic::error(
                    "wrong-stage",
                    format!("this stage takes {}, and a {found} comes in", accepted(*op, *over)),
                )
                .label(*stage, format!("`{}` does not take a {found}", op.name()))
                .label(*input, format!("a {found}: {}", found.one_for_each()));
                type_help(diagnostic, *op, *found, *over)
            }
            Self::NotAnAllocation { found, span } => {
                let what = match found {
                    Type::Layer => "a Layer importance",
                    Type::Matrix => "a Matrix of scores",
                    Type::Input => "an Input vector",
                    Type::Output => "an Output vector",
                    Type::Number | Type::Sparsity => "a Number",
                };
                let diagnostic = Diagnostic::error(
                    "not-an-allocation",
                    format!("this is {what}, and an allocation must end in Sparsity"),
                )
                .label(*span, format!("a {found}: {}", found.one_for_each()));
                match found {
                    Type::Layer => diagnostic.help("add `|> scale`"),
                    Type::Number => diagnostic.help("one number for all units is `uniform()`"),
                    Type::Matrix => diagnostic
                        .help("reduce it to an importance and allocate by that: `|> mean |> scale`")
                        .help("or let one threshold decide for all units: `|> global`"),
                    _ => {
                        diagnostic.help("reduce it to an importance and allocate by that: `|> mean |> scale`")
                    }
                }
            }
            Self::AllocationInside { op, span, consumer } => Diagnostic::error(
                "allocation-inside",
                format!("`{}` makes the allocation, and nothing takes one", op.name()),
            )
            .label(*consumer, "takes an allocation in")
            .label(*span, "a Sparsity: the budget is met here")
            .help(format!("do this before `{}`, which stands last", op.name())),
            Self::MetricNotMatrix { found, span } => {
                Diagnostic::error("metric-not-matrix", "a metric scores each weight, so it must be a Matrix")
                    .label(*span, format!("a {found}: {}", found.one_for_each()))
                    .help("let the weight take part: `abs(weight) * ...`")
            }
            Self::ScoreInMetric { span } => Diagnostic::error(
                "score-in-metric",
                "`score` is what the metric defines, so the metric cannot use it",
            )
            .label(*span, "refers to the metric itself")
            .help("write the score out, such as `abs(weight) * input_norm`"),
            Self::UnknownUnit { name, span } => {
                Diagnostic::error("unknown-unit", format!("there is no unit `{name}`"))
                    .label(*span, "unknown")
                    .help(format!(
                        "write {}",
                        UnitKind::ALL.map(|unit| format!("`unit {unit}`")).join(" or ")
                    ))
            }
            Self::NeedsProjection { op, span, unit } => {
                let why = match unit {
                    Some(_) => "the unit here is the block",
                    None => "the unit is the block unless the script says otherwise",
                };
                Diagnostic::error(
                    "needs-projection",
                    format!("`{}` is defined for projections only", op.name()),
                )
                .label(*span, why)
                .help("add the line `unit projection`, or evaluate with `--unit projection`")
            }
            Self::Shadowed { name, span, first } => match first {
                Some(first) => Diagnostic::error("shadowed", format!("`{name}` is bound twice"))
                    .label(*span, "again here")
                    .label(*first, "first here")
                    .help("give one of them another name"),
                None => Diagnostic::error("shadowed", format!("`{name}` is the language's own name"))
                    .label(*span, "already has a meaning")
                    .help(format!("give it another name; `allot explain {name}` says what this one means")),
            },
            Self::Recursive { name, span, binding } => {
                Diagnostic::error("recursive", format!("`{name}` is defined by itself"))
                    .label(*span, "used here, before it has a value")
                    .label(*binding, "while it is bound here")
                    .help("a binding can use only those above it")
            }
            Self::Unused { name, span } => Diagnostic::warning("unused", format!("`{name}` is never used"))
                .label(*span, "bound here")
                .help("use it or remove it"),
            Self::Hole { span, wanted, fits } => {
                let mut diagnostic =
                    Diagnostic::error("hole", "a hole is to be filled").label(*span, wanted.clone());
                for line in fits {
                    diagnostic = diagnostic.help(line.clone());
                }
                diagnostic
            }
        }
    }
}

fn syntax(span: Span, found: &str, expected: &[&'static str]) -> Diagnostic {
    let found_words = match found {
        "" => "the end".to_owned(),
        "\n" | "\r" => "the end of the line".to_owned(),
        _ => format!("`{found}`"),
    };
    let message = match expected {
        [] => format!("{found_words} does not fit here"),
        _ => format!("expected {}, found {found_words}", alternatives(expected)),
    };
    let diagnostic = Diagnostic::error("syntax", message).label(span, "here");
    match found {
        "=" => diagnostic.help("name something with `let NAME = VALUE`"),
        "|" => diagnostic.help("a pipeline is written `|>`"),
        "'" | "\"" => diagnostic.help("scripts have no strings"),
        "[" | "]" | "{" | "}" => diagnostic.help("scripts have only round parentheses"),
        "let" | "metric" | "unit" => {
            diagnostic.help(format!("`{found}` begins a statement, on a line of its own"))
        }
        _ => diagnostic,
    }
}

fn type_help(diagnostic: Diagnostic, op: Op, found: Type, over: Option<&str>) -> Diagnostic {
    match (op.info().class, found) {
        (Class::Reduction | Class::MatrixReduction, Type::Layer) => {
            diagnostic.help("this is already one value for each unit: leave the reduction out")
        }
        (Class::Reduction, Type::Input | Type::Output) if over.is_some_and(|over| over != "unit") => {
            diagnostic.help("`over` works within each matrix: leave it out to reduce all values of the unit")
        }
        (Class::MatrixReduction, Type::Input | Type::Output) => {
            diagnostic.help("this needs a whole matrix, such as `weight`")
        }
        (Class::Reduction | Class::MatrixReduction | Class::Normaliser, Type::Number) => {
            diagnostic.help("a single number has nothing to be reduced or compared with")
        }
        (Class::Allocator(Some(Type::Layer)), Type::Matrix | Type::Input | Type::Output)
        | (Class::Layerwise, Type::Matrix | Type::Input | Type::Output) => {
            diagnostic.help("reduce it first, such as with `mean`")
        }
        (Class::Allocator(_), Type::Number) => diagnostic.help("one number for all units is `uniform()`"),
        (Class::Allocator(Some(Type::Matrix)), Type::Layer) => {
            diagnostic.help("`scale` allocates by a Layer importance")
        }
        _ => diagnostic,
    }
}

fn accepted(op: Op, over: Option<&str>) -> String {
    let types = match over {
        Some("inputs" | "outputs") => &[Type::Matrix][..],
        _ => op.accepts(),
    };
    let names: Vec<&str> = types.iter().map(|shape| shape.name()).collect();
    format!("a {}", alternatives(&names))
}

fn required(op: Op) -> String {
    let required: Vec<String> = op
        .info()
        .parameters
        .iter()
        .filter(|parameter| parameter.default.is_none())
        .map(|parameter| format!("{} = ...", parameter.name))
        .collect();
    required.join(", ")
}

fn did_you_mean(diagnostic: Diagnostic, similar: &[String]) -> Diagnostic {
    match similar {
        [] => diagnostic,
        _ => {
            let names: Vec<String> = similar.iter().map(|name| format!("`{name}`")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            diagnostic.help(format!("did you mean {}?", alternatives(&names)))
        }
    }
}

fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("`{}` and `{last}`", first.join("`, `")),
    }
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// Returns the words that a script uses for groups, for the `per` option of `metric`.
pub(super) const GROUPS: Domain = Domain::Word(&[Group::Row.name(), Group::Matrix.name()]);
