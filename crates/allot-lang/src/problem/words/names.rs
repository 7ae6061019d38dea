//! Words for mistakes about names.

use super::phrases::{did_you_mean, required};
use crate::diagnostic::Diagnostic;
use crate::ops::Op;
use crate::span::Span;

pub(super) fn unknown_name(name: &str, span: Span, similar: &[String], below: Option<Span>) -> Diagnostic {
    match below {
        Some(below) => Diagnostic::error("unknown-name", format!("`{name}` is used before it is bound"))
            .label(span, "not bound yet")
            .label(below, "bound here")
            .help("a statement can use only the bindings above it: move the binding up"),
        None => {
            let diagnostic = Diagnostic::error("unknown-name", format!("unknown name `{name}`"))
                .label(span, "not defined");
            did_you_mean(diagnostic, similar)
                .help("`allot ops` lists the names of the language; define your own with `let`")
        }
    }
}

pub(super) fn unknown_operator(name: &str, span: Span, similar: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::error("unknown-operator", format!("unknown operator `{name}`"))
        .label(span, "not an operator");
    did_you_mean(diagnostic, similar).help("`allot ops --all` lists all operators")
}

pub(super) fn operator_as_value(op: Op, span: Span) -> Diagnostic {
    let row = op.info();
    let diagnostic =
        Diagnostic::error("operator-as-value", format!("`{}` is an operator, not a value", row.name))
            .label(span, "needs parentheses");
    diagnostic.help(match row.operands.first() {
        Some(operand) => format!("write `{0}({operand})`, or `{operand} |> {0}`", row.name),
        None => format!("write `{}({})`", row.name, required(op)),
    })
}

pub(super) fn not_callable(name: &str, span: Span, terminal: bool) -> Diagnostic {
    let what = if terminal { "a value" } else { "a name bound by `let`" };
    Diagnostic::error("not-an-operator", format!("`{name}` is {what} and takes no arguments"))
        .label(span, "not an operator")
        .help(format!("write `{name}` alone"))
}

pub(super) fn stage_is_value(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "stage-is-value",
        format!("`{name}` is a value, but a stage of a pipeline must be an operator"),
    )
    .label(span, "takes no input")
    .help(format!("to combine it with the stage's input, write it as an argument: `|> multiply({name})`"))
}

pub(super) fn shadowed(name: &str, span: Span, first: Option<Span>) -> Diagnostic {
    match first {
        Some(first) => Diagnostic::error("shadowed", format!("`{name}` is bound twice"))
            .label(span, "again here")
            .label(first, "first here")
            .help("give one of them another name"),
        None => Diagnostic::error("shadowed", format!("`{name}` is a name of the language"))
            .label(span, "already has a meaning")
            .help(format!("choose another name; `allot explain {name}` shows what this one means")),
    }
}

pub(super) fn recursive(name: &str, span: Span, binding: Span) -> Diagnostic {
    Diagnostic::error("recursive", format!("the definition of `{name}` uses `{name}` itself"))
        .label(span, "used here, before it has a value")
        .label(binding, "bound here")
        .help("a binding can use only the bindings above it")
}

pub(super) fn unused(name: &str, span: Span) -> Diagnostic {
    Diagnostic::warning("unused", format!("`{name}` is never used"))
        .label(span, "bound here")
        .help("use it or remove it")
}
