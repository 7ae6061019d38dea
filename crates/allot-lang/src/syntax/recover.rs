//! Finds statements and unmatched parentheses in text that does not parse.
//!
//! A script has no strings, so `#` always begins a comment and brackets always nest: a scan of the characters is enough
//! to find where statements end and which parenthesis has no partner.

use crate::problem::Problem;
use crate::span::Span;

use super::limits::MAX_DEPTH;

/// The words that begin a statement.
pub(super) const KEYWORDS: [&str; 3] = ["let", "metric", "unit"];

/// Returns the positions and characters of `source` that are not in comments.
fn code(source: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut in_comment = false;
    source.char_indices().filter(move |(_, character)| {
        match character {
            '#' => in_comment = true,
            '\n' | '\r' => in_comment = false,
            _ => {}
        }
        !in_comment
    })
}

/// Returns where parentheses nest deeper than the limit.
pub(super) fn too_deep(source: &str) -> Option<Span> {
    let mut depth = 0_usize;
    for (at, character) in code(source) {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(Span::new(at, at + 1));
        }
    }
    None
}

/// Cuts a script into statements by its lines: before a line that begins with a keyword, and after a line that ends outside
/// parentheses and is not continued.
pub(super) fn statements(source: &str) -> Vec<Span> {
    let mut pieces: Vec<Span> = Vec::new();
    let mut depth = 0_usize;
    let mut open = false;
    let mut line_start = 0;
    for line in source.split_inclusive(['\n', '\r']) {
        let span = Span::new(line_start, line_start + line.len());
        line_start = span.end;
        let text = code_of(line);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let keyword = KEYWORDS.iter().any(|keyword| begins_with_keyword(text, keyword));
        let continues = text.starts_with(['|', '+', '*', '/', '^', '<', '>', '=', '!', '&', '%', ')', ',']);
        match pieces.last_mut() {
            Some(piece) if !keyword && (open || depth > 0 || continues) => piece.end = span.end,
            _ => {
                pieces.push(span);
                depth = 0;
            }
        }
        for character in text.chars() {
            match character {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        open = text.ends_with(['|', '+', '-', '*', '/', '^', '<', '>', '=', '!', '&', '%', ',']);
    }
    pieces
}

/// Returns a parenthesis without a partner in a piece of the script.
pub(super) fn unbalanced(source: &str, piece: Span) -> Option<Problem> {
    let mut open = Vec::new();
    for (at, character) in code(piece.of(source)) {
        let span = Span::new(piece.start + at, piece.start + at + 1);
        match character {
            '(' => open.push(span),
            ')' if open.pop().is_none() => return Some(Problem::UnexpectedParenthesis { span }),
            _ => {}
        }
    }
    open.pop().map(|span| Problem::UnclosedParenthesis { span })
}

/// Returns the name that a broken statement meant to bind, with or without `let`.
pub(super) fn bound_name(text: &str) -> Option<String> {
    let text = code_of(text);
    let text = text.trim_start();
    let with_let = begins_with_keyword(text, "let");
    let rest = if with_let { text["let".len()..].trim_start() } else { text };
    let end = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let binds = rest.trim_start().strip_prefix('=').is_some_and(|rest| !rest.starts_with('='));
    (!name.is_empty() && (with_let || binds)).then(|| name.to_owned())
}

/// Returns the text without its comments.
fn code_of(text: &str) -> String {
    code(text).map(|(_, character)| character).collect()
}

/// Returns whether a statement begins with a keyword.
pub(super) fn begins_with_keyword(text: &str, keyword: &str) -> bool {
    text.strip_prefix(keyword).is_some_and(|rest| !rest.starts_with(is_word))
}

/// Returns whether the character can be part of a word, in any alphabet.
pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Returns the text without the spaces, new lines and comments at its end.
pub(super) fn trimmed(text: &str) -> &str {
    let mut text = text.trim_end();
    loop {
        let line = text.rfind(['\n', '\r']).map_or(0, |newline| newline + 1);
        match text[line..].find('#') {
            Some(comment) => text = text[..line + comment].trim_end(),
            None => return text,
        }
    }
}
