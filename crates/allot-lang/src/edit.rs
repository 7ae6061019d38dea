//! Changes to a script's text.

use super::span::Span;

/// A piece of a script, and the text that belongs in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The piece.
    pub span: Span,
    /// The text.
    pub text: String,
}

/// Applies changes that do not overlap, from the last to the first; of two that do, the first one counts.
pub fn apply(source: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    for Edit { span, text } in edits {
        if span.start < at
            || source.get(at..span.start).is_none()
            || source.get(span.start..span.end).is_none()
        {
            continue;
        }
        out.push_str(&source[at..span.start]);
        out.push_str(&text);
        at = span.end;
    }
    out.push_str(&source[at..]);
    out
}
