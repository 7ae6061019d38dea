//! Words for syntax errors.

use super::phrases::{alternatives, instead, number_help, quoted};
use crate::diagnostic::Diagnostic;
use crate::span::Span;

pub(super) fn syntax(span: Span, found: &str, expected: &[&'static str], help: Option<&str>) -> Diagnostic {
    let (found, label) = match found {
        "" => ("the end of the statement".to_owned(), "the statement ends here"),
        found => (format!("`{found}`"), "unexpected"),
    };
    let message = match expected[..] {
        [] => format!("unexpected {found}"),
        _ => format!("expected {}, found {found}", alternatives(expected)),
    };
    let diagnostic = Diagnostic::error("syntax", message).label(span, label);
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

pub(super) fn unknown_character(character: char, span: Span) -> Diagnostic {
    let diagnostic =
        Diagnostic::error("unknown-character", format!("unexpected character {}", quoted(character)))
            .label(span, "not allowed in scripts");
    match instead(character) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

pub(super) fn unknown_letter(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("unknown-letter", format!("`{name}` is not a valid name"))
        .label(span, "has letters other than a to z")
        .help("write names with the letters a to z, digits and `_`")
}

pub(super) fn not_a_number(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("not-a-number", format!("`{text}` is neither a number nor a name"))
        .label(span, "not valid")
        .help(number_help(text))
}

pub(super) fn unclosed_parenthesis(span: Span) -> Diagnostic {
    Diagnostic::error("unclosed-parenthesis", "a parenthesis is never closed")
        .label(span, "opened here")
        .help("add `)`")
}

pub(super) fn unexpected_parenthesis(span: Span) -> Diagnostic {
    Diagnostic::error("unexpected-parenthesis", "a parenthesis is closed but never opened")
        .label(span, "no matching `(`")
        .help("remove it, or add `(` before it")
}

pub(super) fn number_too_large(span: Span) -> Diagnostic {
    Diagnostic::error("number-too-large", "a number is too large").label(span, "larger than 1.8e308")
}

pub(super) fn not_in_language(symbol: &str, span: Span) -> Diagnostic {
    let help = match symbol {
        "**" => "write `x ^ y` for a power",
        "%" => "scripts have no remainder and no percentages; write 0.7 for 70 %",
        "&&" => "a condition is 1 or 0: to require both, multiply them",
        "||" => "a condition is 1 or 0: to require either, take their `maximum`",
        _ => "compare real numbers with `<`, `<=`, `>` or `>=`",
    };
    Diagnostic::error("unknown-symbol", format!("unknown operator `{symbol}`"))
        .label(span, "not in the language")
        .help(help)
}

pub(super) fn chained_comparison(first: Span, second: Span) -> Diagnostic {
    Diagnostic::error("chained-comparison", "comparisons cannot be chained")
        .label(second, "second comparison")
        .label(first, "the first one gives 1 or 0")
        .help("write `(a < b) * (b < c)`")
}
