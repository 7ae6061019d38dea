//! Words for mistakes about the arguments of calls.

use super::phrases::{counted, did_you_mean, listed, signature};
use crate::diagnostic::Diagnostic;
use crate::ops::{Domain, Op};
use crate::span::Span;
use crate::types::Type;

pub(super) fn missing_operand(op: Op, operand: &'static str, span: Span) -> Diagnostic {
    Diagnostic::error("missing-operand", format!("`{}` is missing its operand `{operand}`", op.name()))
        .label(span, format!("needs `{operand}`"))
        .help(signature(op))
}

pub(super) fn too_many_arguments(op: Op, span: Span, piped: bool, given: usize) -> Diagnostic {
    let row = op.info();
    let most = row.operands.len() + row.parameters.len();
    let are = if given == 1 { "is" } else { "are" };
    let with = if piped { ", counting the piped value" } else { "" };
    Diagnostic::error(
        "too-many-arguments",
        format!("`{}` takes {}, but {given} {are} given{with}", row.name, counted(most, "argument")),
    )
    .label(span, "one too many")
    .help(signature(op))
}

pub(super) fn missing_parameter(op: Op, parameter: &'static str, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "missing-parameter",
        format!("`{}` is missing its parameter `{parameter}`", op.name()),
    )
    .label(span, format!("needs `{parameter}`"));
    match op.info().parameters.iter().find(|row| row.name == parameter) {
        Some(row) => diagnostic.help(format!("add `{parameter} = ...`: {}, {}", row.summary, row.domain)),
        None => diagnostic,
    }
}

pub(super) fn unknown_parameter(op: Option<Op>, name: &str, span: Span, similar: &[String]) -> Diagnostic {
    let (owner, known) = match op {
        Some(op) => (op.name(), op.info().parameters.iter().map(|row| row.name).collect::<Vec<_>>()),
        None => ("metric", vec!["per"]),
    };
    let diagnostic = Diagnostic::error("unknown-parameter", format!("`{owner}` has no parameter `{name}`"))
        .label(span, "unknown parameter");
    let diagnostic = did_you_mean(diagnostic, similar);
    if Op::find(name).is_some_and(Op::is_terminal) {
        return diagnostic.help("`=` sets a parameter; compare numbers with `<`, `<=`, `>` or `>=`");
    }
    match known[..] {
        [] => diagnostic.help(format!("`{owner}` takes no parameters")),
        [_] if !similar.is_empty() => diagnostic,
        _ => diagnostic.help(format!("`{owner}` takes {}", listed(&known))),
    }
}

pub(super) fn repeated_parameter(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("repeated-parameter", format!("`{name}` is given twice"))
        .label(span, "again here")
        .label(first, "first here")
        .help("remove one of them")
}

pub(super) fn named_operand(op: Op, name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "named-operand",
        format!("`{name}` is an operand of `{}`, which cannot be given by name", op.name()),
    )
    .label(span, "given by name")
    .help(format!("remove `{name} =`: an operand is given by its position"))
}

pub(super) fn positional_after_named(op: Op, span: Span) -> Diagnostic {
    Diagnostic::error("positional-after-named", "an argument without a name follows one with a name")
        .label(span, "has no name")
        .help(format!("write arguments without a name first: {}", signature(op)))
}

pub(super) fn unnamed_option(span: Span) -> Diagnostic {
    Diagnostic::error("unnamed-option", "an option of `metric` has no name")
        .label(span, "has no name")
        .help("write `metric(per = row) ...` or `metric(per = matrix) ...`")
}

pub(super) fn out_of_domain(
    op: Option<Op>,
    parameter: &'static str,
    domain: Domain,
    span: Span,
    found: &str,
) -> Diagnostic {
    let owner = op.map_or("metric", Op::name);
    Diagnostic::error("out-of-range", format!("`{parameter}` of `{owner}` must be {domain}"))
        .label(span, format!("this is {found}"))
}

pub(super) fn not_constant(op: Op, parameter: &'static str, span: Span, found: Type) -> Diagnostic {
    Diagnostic::error("not-constant", format!("`{parameter}` of `{}` must be a constant", op.name()))
        .label(
            span,
            match found {
                Type::Number => "depends on the target".to_owned(),
                _ => format!("this is {}: {}", found.with_article(), found.one_for_each()),
            },
        )
        .help("write a number, or arithmetic on numbers")
}

pub(super) fn not_finite(op: Op, parameter: &'static str, span: Span) -> Diagnostic {
    Diagnostic::error("not-finite", format!("`{parameter}` of `{}` must be a finite number", op.name()))
        .label(span, "the result is infinite or not a number")
        .help("write a number, or arithmetic with a finite result")
}

pub(super) fn bounds_reversed(op: Op, span: Span) -> Diagnostic {
    Diagnostic::error("bounds-reversed", format!("the bounds of `{}` are in the wrong order", op.name()))
        .label(span, "the lower bound is above the upper one")
        .help("write `clip(lo, hi)` with lo <= hi")
}
