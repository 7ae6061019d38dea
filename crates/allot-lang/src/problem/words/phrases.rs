//! Phrases that several messages share.

use crate::diagnostic::Diagnostic;
use crate::ops::{Class, Notation, Op};
use crate::types::{Over, Type};

/// The longest text that a message quotes, in characters.
const LONGEST_QUOTE: usize = 100;

/// Returns a text with its quotes from the script cut to a readable length.
pub(super) fn shortened(text: &str) -> String {
    let mut out = String::new();
    let mut quoted = 0;
    let mut in_quotes = false;
    for character in text.chars() {
        in_quotes ^= character == '`';
        quoted = if in_quotes { quoted + 1 } else { 0 };
        match quoted {
            0..=LONGEST_QUOTE => out.push(character),
            _ if quoted == LONGEST_QUOTE + 1 => out.push_str("..."),
            _ => {}
        }
    }
    out
}

/// Returns a character in quotes, or its code point if it is invisible.
pub(super) fn quoted(character: char) -> String {
    let shapeless = !character.is_ascii_graphic() && character.escape_debug().len() > 1;
    match shapeless || character.is_whitespace() {
        true => format!("U+{:04X}", u32::from(character)),
        false => format!("`{character}`"),
    }
}

/// Returns what to write instead of a character that scripts cannot contain.
pub(super) fn instead(character: char) -> Option<&'static str> {
    Some(match character {
        '\'' | '"' | '`' => "scripts have no strings; write names and words without quotes",
        '[' | ']' | '{' | '}' => "write round parentheses; scripts have no others",
        ';' => "end a statement with a new line",
        '×' | '·' | '⋅' | '∗' => "write `*` to multiply",
        '÷' | '∕' => "write `/` to divide",
        '−' | '–' | '—' => "write `-` to subtract",
        '≤' => "write `<=`",
        '≥' => "write `>=`",
        '\u{a0}' | '\u{3000}' | '\u{200b}' => "write a plain space",
        _ => return None,
    })
}

pub(super) fn number_help(text: &str) -> String {
    let digits = text.trim_matches('.');
    let number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let letters = text.find(|character: char| character.is_alphabetic() || character == '_');
    match letters.map(|at| text.split_at(at)) {
        Some((value, name)) if number(value) => format!("to multiply, write `{value} * {name}`"),
        None if text.starts_with('.') && number(digits) => format!("write `0.{digits}`"),
        None if number(digits) => format!("write `{digits}`"),
        _ => "write numbers like `5`, `0.5` or `1e-6`".to_owned(),
    }
}

/// Returns a type and its meaning, for a label.
pub(super) fn typed(found: Type) -> String {
    format!("{}: {}", found.with_article(), found.one_for_each())
}

pub(super) fn signature(op: Op) -> String {
    let row = op.info();
    let shapes = match row.class {
        Class::Elementwise => ", where S is any shape",
        Class::Normaliser => ", where S is a Layer, an Input, an Output or a Matrix",
        _ => "",
    };
    format!("the signature is `{}`{shapes}", row.signature())
}

/// Returns an operator as scripts write it.
pub(super) fn written(op: Op) -> &'static str {
    match op.info().notation {
        Notation::Infix { symbol, .. } => symbol,
        _ => op.name(),
    }
}

pub(super) fn type_help(diagnostic: Diagnostic, op: Op, found: Type, over: Option<Over>) -> Diagnostic {
    match (op.info().class, found) {
        (Class::Reduction | Class::MatrixReduction, Type::Layer) => {
            diagnostic.help("this is already one value for each unit: remove the reduction")
        }
        (Class::Reduction, Type::Input | Type::Output) if over.is_some_and(Over::is_within_linears) => {
            diagnostic
                .help("`over` reduces each matrix along one axis: remove it to reduce all values of the unit")
        }
        (Class::MatrixReduction, Type::Input | Type::Output) => {
            diagnostic.help("apply it to a whole matrix, such as `weight`")
        }
        (Class::Reduction | Class::MatrixReduction | Class::Normaliser, Type::Number) => {
            diagnostic.help("a single number cannot be reduced or normalised: remove the operator")
        }
        (Class::Allocator(Some(Type::Layer)), Type::Matrix | Type::Input)
        | (Class::Layerwise, Type::Matrix | Type::Input | Type::Output) => {
            diagnostic.help("reduce it first, for example with `mean`")
        }
        (Class::Allocator(_), Type::Number) => {
            diagnostic.help("to give every unit the same ratio, write `uniform()`")
        }
        (Class::Allocator(Some(Type::Matrix)), Type::Layer) => {
            diagnostic.help("to allocate by a Layer importance, use `scale`")
        }
        _ => diagnostic,
    }
}

/// Returns a clause that says which types an operator takes.
pub(super) fn takes(op: Op, over: Option<Over>) -> String {
    let (with, types) = match over {
        Some(over) if over.is_within_linears() => (format!(" over {over}"), &[Type::Matrix][..]),
        _ => (String::new(), op.accepts()),
    };
    let name = |shape: &Type| match op.needs_rows(*shape) {
        true => "an Output (with `unit row`)",
        false => shape.with_article(),
    };
    let names: Vec<&str> = types.iter().map(name).collect();
    format!("`{}`{with} takes {}", written(op), alternatives(&names))
}

pub(super) fn required(op: Op) -> String {
    let required: Vec<String> = op
        .info()
        .parameters
        .iter()
        .filter(|parameter| parameter.default.is_none())
        .map(|parameter| format!("{} = ...", parameter.name))
        .collect();
    required.join(", ")
}

pub(super) fn did_you_mean(diagnostic: Diagnostic, similar: &[String]) -> Diagnostic {
    match similar {
        [] => diagnostic,
        _ => {
            let names: Vec<String> = similar.iter().map(|name| format!("`{name}`")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            diagnostic.help(format!("did you mean {}?", alternatives(&names)))
        }
    }
}

pub(super) fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

pub(super) fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("`{}` and `{last}`", first.join("`, `")),
    }
}

pub(super) fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
