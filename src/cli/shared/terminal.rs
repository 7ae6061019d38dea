//! The terminal: messages on standard error, colours, width.

use std::io::{IsTerminal, Write};

/// Prints a message to standard error; that nobody reads it is no failure.
pub(in crate::cli) fn message(text: &str) {
    let _ = write!(std::io::stderr().lock(), "{text}");
}

/// Returns whether a stream shows colours: a terminal, unless NO_COLOR is set.
pub(in crate::cli) fn styled(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Returns how many columns standard output has; 100 where that is not known.
pub(in crate::cli) fn width() -> usize {
    let known = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    known.unwrap_or(100).clamp(50, 200)
}
