//! What can be said of text that does not parse.
//!
//! A script has no strings, so `#` always begins a comment and brackets always nest: a scan of the characters is enough
//! to find where statements end and which parenthesis has no partner.

use crate::lang::problem::Problem;
use crate::lang::span::Span;

use super::MAX_DEPTH;

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

/// Returns where parentheses nest deeper than they may.
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

/// Cuts a script into its statements as well as its lines tell: where a line begins with a keyword, and where a line that
/// ends outside parentheses is not continued.
pub(super) fn statements(source: &str) -> Vec<Span> {
    let mut pieces: Vec<Span> = Vec::new();
    let mut depth = 0_usize;
    let mut open = false;
    let mut line_start = 0;
    for line in source.split_inclusive(['\n', '\r']) {
        let span = Span::new(line_start, line_start + line.len());
        line_start = span.end;
        let text: String = code(line).map(|(_, character)| character).collect();
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let keyword = ["let", "metric", "unit"].iter().any(|keyword| {
            text.strip_prefix(keyword)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        });
        let continues = text.starts_with("|>") || text.starts_with(['+', '*', '/', '^', '<', '>', ')', ',']);
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
        open = text.ends_with("|>") || text.ends_with(['+', '-', '*', '/', '^', '<', '>', '=', ',']);
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

/// Returns the name that a broken `let` statement meant to bind.
pub(super) fn bound_name(text: &str) -> Option<String> {
    let rest = text.trim_start().strip_prefix("let")?;
    let name: String = rest
        .trim_start()
        .chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

/// Returns the token at a byte of `text`: a word or number, else one character, else nothing at its end.
pub(super) fn token_at(text: &str, at: usize) -> String {
    let rest = text.get(at..).unwrap_or_default();
    let word: String = rest
        .chars()
        .take_while(|character| character.is_alphanumeric() || matches!(character, '_' | '.'))
        .take(40)
        .collect();
    if word.is_empty() { rest.chars().take(1).collect() } else { word }
}
