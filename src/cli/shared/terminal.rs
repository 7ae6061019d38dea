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

/// Returns how many columns standard output has: what COLUMNS says, or the terminal; 100 where neither does.
pub(in crate::cli) fn width() -> usize {
    columns(terminal_size::terminal_size())
}

/// Returns how many columns standard error has, where it is a terminal that tells.
pub(in crate::cli) fn width_of_errors() -> usize {
    columns(terminal_size::terminal_size_of(std::io::stderr()))
}

fn columns(terminal: Option<(terminal_size::Width, terminal_size::Height)>) -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let known =
        said.or_else(|| terminal.map(|(width, _)| usize::from(width.0))).filter(|columns| *columns > 0);
    known.unwrap_or(100).clamp(40, 240)
}
