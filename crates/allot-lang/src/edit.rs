//! Edits of a script's text.

use super::span::Span;

/// A piece of a script, and the text that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The piece.
    pub span: Span,
    /// The text that replaces it.
    pub text: String,
}

/// Applies edits to a text; of two that overlap, only the first is applied, and one outside the text is skipped.
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
