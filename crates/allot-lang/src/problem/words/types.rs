//! Words for mistakes about types.

use super::phrases::{takes, type_help, typed, written};
use crate::diagnostic::Diagnostic;
use crate::ops::{Class, Op};
use crate::span::Span;
use crate::types::{Over, Type, UnitKind};

pub(super) fn wrong_type(
    op: Op,
    operand: usize,
    found: Type,
    span: Span,
    name: Span,
    over: Option<Over>,
) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "wrong-type",
        format!("{}, but its operand is {}", takes(op, over), found.with_article()),
    )
    .label(span, typed(found));
    let diagnostic = match op.info().operands.len() {
        1 => diagnostic,
        _ => diagnostic.label(name, format!("operand {} of this", operand + 1)),
    };
    type_help(diagnostic, op, found, over)
}

pub(super) fn wrong_stage(op: Op, found: Type, stage: Span, input: Span, over: Option<Over>) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "wrong-stage",
        format!("{}, but its input is {}", takes(op, over), found.with_article()),
    )
    .label(stage, format!("this stage does not take {}", found.with_article()))
    .label(input, typed(found));
    type_help(diagnostic, op, found, over)
}

pub(super) fn not_an_allocation(found: Type, span: Span) -> Diagnostic {
    let what = match found {
        Type::Layer => "a Layer importance",
        Type::Matrix => "a Matrix of scores",
        Type::Input => "an Input vector",
        Type::Output => "an Output vector",
        Type::Number | Type::Sparsity => "a Number",
    };
    let diagnostic = Diagnostic::error(
        "not-an-allocation",
        format!("an allocation must be a Sparsity, but this is {what}"),
    )
    .label(span, typed(found));
    match found {
        Type::Layer => diagnostic.help("add `|> scale`"),
        Type::Number => diagnostic.help("to give every unit the same ratio, write `uniform()`"),
        Type::Matrix => diagnostic
            .help("reduce it to an importance and allocate by that: `|> mean |> scale`")
            .help("or use one threshold for all units: `|> global`"),
        Type::Output => diagnostic
            .help("reduce it to an importance and allocate by that: `|> mean |> scale`")
            .help("or give each output channel its own ratio: write `unit row` and add `|> scale`"),
        _ => diagnostic.help("reduce it to an importance and allocate by that: `|> mean |> scale`"),
    }
}

pub(super) fn allocation_inside(op: Op, span: Span, by: Op, consumer: Span) -> Diagnostic {
    Diagnostic::error(
        "allocation-inside",
        format!("`{}` makes an allocation, which no operator takes", op.name()),
    )
    .label(consumer, "cannot take an allocation")
    .label(span, "a Sparsity: the finished allocation")
    .help(match (by.info().class, op.info().class) {
        (Class::Allocator(_), _) => {
            format!("keep one of the two: a script ends in one allocator, `{}` or `{}`", op.name(), by.name())
        }
        (_, Class::Allocator(None)) => format!("write `{}` alone: nothing can use its result", op.name()),
        _ => format!("apply `{}` to the importance, before `{}`", written(by), op.name()),
    })
}

pub(super) fn metric_not_matrix(found: Type, span: Span) -> Diagnostic {
    Diagnostic::error("metric-not-matrix", "a metric scores each weight, so it must be a Matrix")
        .label(span, typed(found))
        .help(match found {
            Type::Sparsity => "end it before the allocator, and write the allocation on its own line",
            _ => "include the weight: `abs(weight) * ...`",
        })
}

pub(super) fn score_in_metric(op: Op, span: Span) -> Diagnostic {
    if op != Op::Score {
        let name = op.name();
        let text = format!("`{name}` is measured after pruning by the metric, so the metric cannot use it");
        return Diagnostic::error("score-in-metric", text)
            .label(span, "depends on the metric itself")
            .help("use it in the allocation");
    }
    Diagnostic::error("score-in-metric", "the metric defines `score`, so it cannot use `score`")
        .label(span, "refers to the metric itself")
        .help("write the score out, such as `abs(weight) * input_norm`")
}

pub(super) fn needs_rows(op: Op, span: Span, name: Span, unit: Option<UnitKind>) -> Diagnostic {
    let unit = unit.unwrap_or_default();
    let diagnostic = Diagnostic::error(
        "needs-rows",
        format!("`{}` takes an Output only where each row gets its own ratio", op.name()),
    )
    .label(span, typed(Type::Output))
    .label(name, format!("gives one ratio for each {unit}"));
    diagnostic
        .help(format!("for one ratio for each {unit}, reduce it first, for example with `mean`"))
        .help("for one ratio for each output channel, write `unit row`")
}

pub(super) fn needs_projection(op: Op, span: Span, unit: Option<UnitKind>) -> Diagnostic {
    let why = match unit {
        Some(_) => "the unit here is the block",
        None => "the unit is the block by default",
    };
    Diagnostic::error("needs-projection", format!("`{}` is defined only for projections", op.name()))
        .label(span, why)
        .help(match unit {
            Some(_) => "write `unit projection` instead",
            None => "add the line `unit projection`, or pass `--unit projection`",
        })
}
