//! Words for mistakes about what does not parse.

use super::phrases::{alternatives, instead, number_help, quoted};
use crate::diagnostic::Diagnostic;
use crate::span::Span;

pub(super) fn syntax(span: Span, found: &str, expected: &[&'static str], help: Option<&str>) -> Diagnostic {
    let (found, label) = match found {
        "" => ("the end of the statement".to_owned(), "here"),
        found => (format!("`{found}`"), "does not fit here"),
    };
    let message = match expected[..] {
        [] => format!("{found} does not fit here"),
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
        Diagnostic::error("unknown-character", format!("scripts are not written with {}", quoted(character)))
            .label(span, "not in the language");
    match instead(character) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

pub(super) fn unknown_letter(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("unknown-letter", format!("`{name}` is no name in a script"))
        .label(span, "other letters than a to z")
        .help("names are written with the letters a to z, digits and `_`")
}

pub(super) fn not_a_number(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("not-a-number", format!("`{text}` is neither a number nor a name"))
        .label(span, "here")
        .help(number_help(text))
}

pub(super) fn unclosed_parenthesis(span: Span) -> Diagnostic {
    Diagnostic::error("unclosed-parenthesis", "a parenthesis is never closed")
        .label(span, "opened here")
        .help("add `)`")
}

pub(super) fn unexpected_parenthesis(span: Span) -> Diagnostic {
    Diagnostic::error("unexpected-parenthesis", "a parenthesis closes nothing")
        .label(span, "no `(` belongs to this")
        .help("remove it, or add `(` before")
}

pub(super) fn number_too_large(span: Span) -> Diagnostic {
    Diagnostic::error("number-too-large", "a number is too large").label(span, "beyond 1.8e308")
}

pub(super) fn not_in_language(symbol: &str, span: Span) -> Diagnostic {
    let help = match symbol {
        "**" => "write `x ^ y` for a power",
        "%" => "scripts have no remainder; write ratios as numbers, such as 0.7 for 70 %",
        "&&" => "multiply two conditions: each is 1 or 0",
        "||" => "take the `maximum` of two conditions: each is 1 or 0",
        _ => "real numbers are compared with `<`, `<=`, `>` and `>=`",
    };
    Diagnostic::error("unknown-symbol", format!("there is no operator `{symbol}`"))
        .label(span, "not in the language")
        .help(help)
}

pub(super) fn chained_comparison(first: Span, second: Span) -> Diagnostic {
    Diagnostic::error("chained-comparison", "comparisons cannot be chained")
        .label(second, "a second comparison")
        .label(first, "the first gives 1 or 0")
        .help("write `(a < b) * (b < c)`")
}
