//! Problems in words: what is wrong, where, and what to do.

use super::Problem;
use super::phrases::{
    alternatives, counted, did_you_mean, instead, listed, number_help, quoted, required, shortened,
    signature, takes, type_help, typed, written,
};
use crate::diagnostic::Diagnostic;
use crate::ops::{Class, Op};
use crate::syntax::{MAX_DEPTH, MAX_SIZE};
use crate::types::{Type, UnitKind};

impl Problem {
    /// Puts the problem into words.
    pub fn diagnostic(&self) -> Diagnostic {
        let mut diagnostic = self.words();
        let labels = diagnostic.labels.iter_mut().map(|label| &mut label.text);
        for text in std::iter::once(&mut diagnostic.message).chain(labels).chain(&mut diagnostic.help) {
            *text = shortened(text);
        }
        diagnostic
    }

    fn words(&self) -> Diagnostic {
        match self {
            Self::TooLong { .. } => {
                Diagnostic::error("too-long", "a script has at most 1 MiB, and this one has more")
                    .help("check that this is an allot script")
            }
            Self::NotText { at } => Diagnostic::error(
                "not-text",
                format!("the script is not UTF-8 text: byte {at} begins no character"),
            )
            .help("check that this is an allot script, and save it as UTF-8"),
            Self::TooDeep { span } => {
                Diagnostic::error("too-deep", format!("this is nested more than {MAX_DEPTH} levels deep"))
                    .label(*span, "too deep from here")
                    .help("name parts of it with `let`")
            }
            Self::TooLarge { span } => Diagnostic::error(
                "too-large",
                format!(
                    "with bindings written out wherever they are used, this is more than {MAX_SIZE} operators"
                ),
            )
            .label(*span, "too large from here")
            .help("bindings that use others add up, and one that uses another twice doubles it"),
            Self::Syntax { span, found, expected, help } => {
                let (found, label) = match found.as_str() {
                    "" => ("the end of the statement".to_owned(), "here"),
                    found => (format!("`{found}`"), "does not fit here"),
                };
                let message = match expected[..] {
                    [] => format!("{found} does not fit here"),
                    _ => format!("expected {}, found {found}", alternatives(expected)),
                };
                let diagnostic = Diagnostic::error("syntax", message).label(*span, label);
                match help {
                    Some(help) => diagnostic.help(help.as_str()),
                    None => diagnostic,
                }
            }
            Self::UnknownCharacter { character, span } => {
                let diagnostic = Diagnostic::error(
                    "unknown-character",
                    format!("scripts are not written with {}", quoted(*character)),
                )
                .label(*span, "not in the language");
                match instead(*character) {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                }
            }
            Self::UnknownLetter { name, span } => {
                Diagnostic::error("unknown-letter", format!("`{name}` is no name in a script"))
                    .label(*span, "other letters than a to z")
                    .help("names are written with the letters a to z, digits and `_`")
            }
            Self::NotANumber { text, span } => {
                Diagnostic::error("not-a-number", format!("`{text}` is neither a number nor a name"))
                    .label(*span, "here")
                    .help(number_help(text))
            }
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
                let ending = match last_binding {
                    Some((name, Type::Sparsity)) => name.clone(),
                    Some((name, Type::Layer)) => format!("{name} |> scale"),
                    Some((name, Type::Input | Type::Output | Type::Matrix)) => {
                        format!("{name} |> mean |> scale")
                    }
                    Some((_, Type::Number)) | None => "mean(score) |> scale".to_owned(),
                };
                diagnostic.help(format!("end it with an allocation, such as `{ending}`"))
            }
            Self::ValueNotLast { span, next, sign } => Diagnostic::error(
                "value-not-last",
                "a script has one value, and it stands last",
            )
            .label(*span, "this value is lost")
            .label(*next, "more follows")
            .help(match sign {
                true => {
                    "a `-` at the beginning of a line is a sign: to subtract, end the line before with it"
                }
                false => "name it with `let`, or join the lines with `|>`",
            }),
            Self::Repeated { what, span, first } => {
                Diagnostic::error("repeated-statement", format!("a script has one `{what}`"))
                    .label(*span, "a second one")
                    .label(*first, "the first")
                    .help("remove one of them")
            }
            Self::UnknownName { name, span, similar, below } => match below {
                Some(below) => {
                    Diagnostic::error("unknown-name", format!("`{name}` is used before it is bound"))
                        .label(*span, "not bound yet")
                        .label(*below, "bound here")
                        .help("a binding can use only those above it: move it up")
                }
                None => {
                    let diagnostic = Diagnostic::error("unknown-name", format!("there is no `{name}`"))
                        .label(*span, "unknown");
                    did_you_mean(diagnostic, similar)
                        .help("`allot ops` lists what there is; `let` names what you define")
                }
            },
            Self::UnknownOperator { name, span, similar } => {
                let diagnostic =
                    Diagnostic::error("unknown-operator", format!("there is no operator `{name}`"))
                        .label(*span, "unknown");
                did_you_mean(diagnostic, similar).help("`allot ops --all` lists all operators")
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
                    .help(signature(*op))
            }
            Self::TooManyArguments { op, span, piped, given } => {
                let row = op.info();
                let most = row.operands.len() + row.parameters.len();
                let are = if *given == 1 { "is" } else { "are" };
                let with = if *piped { ", with what is piped in" } else { "" };
                Diagnostic::error(
                    "too-many-arguments",
                    format!(
                        "`{}` takes {}, and here {are} {given}{with}",
                        row.name,
                        counted(most, "argument")
                    ),
                )
                .label(*span, "one too many")
                .help(signature(*op))
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
                if Op::find(name).is_some_and(Op::is_terminal) {
                    return diagnostic
                        .help("`=` sets a parameter; numbers are compared with `<`, `<=`, `>` and `>=`");
                }
                match known[..] {
                    [] => diagnostic.help(format!("`{owner}` has no parameters")),
                    [_] if !similar.is_empty() => diagnostic,
                    _ => diagnostic.help(format!("it has {}", listed(&known))),
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
            .help(format!("leave `{name} =` out: an operand is known by its place")),
            Self::PositionalAfterNamed { op, span } => Diagnostic::error(
                "positional-after-named",
                "an argument without a name follows one with a name",
            )
            .label(*span, "without a name")
            .help(format!("operands come first: {}", signature(*op))),
            Self::UnnamedOption { span } => {
                Diagnostic::error("unnamed-option", "an option of `metric` has no name")
                    .label(*span, "without a name")
                    .help("write `metric(per = row) ...` or `metric(per = matrix) ...`")
            }
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
                    _ => format!("this is {}: {}", found.with_article(), found.one_for_each()),
                },
            )
            .help("write a number, or arithmetic on numbers"),
            Self::NotFinite { op, parameter, span } => Diagnostic::error(
                "not-finite",
                format!("`{parameter}` of `{}` must be a finite number", op.name()),
            )
            .label(*span, "leaves the range of numbers")
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
                    format!("{}, and its operand is {}", takes(*op, *over), found.with_article()),
                )
                .label(*span, typed(*found));
                let diagnostic = match op.info().operands.len() {
                    1 => diagnostic,
                    _ => diagnostic.label(*name, format!("operand {} of this", operand + 1)),
                };
                type_help(diagnostic, *op, *found, *over)
            }
            Self::WrongStage { op, found, stage, input, over } => {
                let diagnostic = Diagnostic::error(
                    "wrong-stage",
                    format!("{}, and {} comes in", takes(*op, *over), found.with_article()),
                )
                .label(*stage, format!("this stage does not take {}", found.with_article()))
                .label(*input, typed(*found));
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
                .label(*span, typed(*found));
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
            Self::AllocationInside { op, span, by, consumer } => Diagnostic::error(
                "allocation-inside",
                format!("`{}` makes the allocation, and nothing takes one", op.name()),
            )
            .label(*consumer, "takes an allocation in")
            .label(*span, "a Sparsity: the budget is met here")
            .help(match (by.info().class, op.info().class) {
                (Class::Allocator(_), _) => {
                    format!(
                        "keep one of the two: a script ends in one allocator, `{}` or `{}`",
                        op.name(),
                        by.name()
                    )
                }
                (_, Class::Allocator(None)) => format!("`{}` stands alone: it takes nothing in", op.name()),
                _ => format!("apply `{}` to the importance, before `{}`", written(*by), op.name()),
            }),
            Self::MetricNotMatrix { found, span } => {
                Diagnostic::error("metric-not-matrix", "a metric scores each weight, so it must be a Matrix")
                    .label(*span, typed(*found))
                    .help(match found {
                        Type::Sparsity => {
                            "end it before the allocator; the allocation stands on a line of its own"
                        }
                        _ => "let the weight take part: `abs(weight) * ...`",
                    })
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
                .help(match unit {
                    Some(_) => "take `unit projection` instead",
                    None => "add the line `unit projection`, or give `--unit projection`",
                })
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
            Self::Further { span, listed } => {
                Diagnostic::error("further", format!("there are more problems than the first {listed}"))
                    .label(*span, "further problems from here on")
            }
        }
    }
}
