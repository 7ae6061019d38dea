//! Words for mistakes about the statements of a script.

use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::types::Type;

pub(super) fn empty() -> Diagnostic {
    Diagnostic::error("empty", "the script is empty")
        .help("write an allocation, such as `mean(score) |> scale`")
}

pub(super) fn no_value(at: Span, last_binding: &Option<(String, Type)>) -> Diagnostic {
    let diagnostic = Diagnostic::error("no-value", "the script has neither an allocation nor a metric")
        .label(at, "the script ends here");
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

pub(super) fn value_not_last(span: Span, next: Span, sign: bool) -> Diagnostic {
    Diagnostic::error("value-not-last", "a script has only one value, which must be its last statement")
        .label(span, "this value is not used")
        .label(next, "another statement follows")
        .help(match sign {
            true => "a `-` at the beginning of a line is a sign; to subtract, end the previous line with it",
            false => "name it with `let`, or join the lines with `|>`",
        })
}

pub(super) fn repeated(what: &'static str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("repeated-statement", format!("a script can have only one `{what}`"))
        .label(span, "second one here")
        .label(first, "first one here")
        .help("remove one of them")
}

pub(super) fn unknown_unit(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("unknown-unit", format!("unknown unit `{name}`"))
        .label(span, "not a unit")
        .help("write `unit block`, `unit projection` or `unit row`")
}

pub(super) fn further(span: Span, listed: usize) -> Diagnostic {
    Diagnostic::error("further", format!("only the first {listed} problems are listed"))
        .label(span, "problems from here on are not listed")
}
