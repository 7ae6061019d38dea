//! The terminal: messages on standard error, colours, width.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use crate::report::TableOptions;

/// Prints a message to standard error; a closed standard error is not a failure.
pub(in crate::cli) fn message(text: &str) {
    let _ = write!(std::io::stderr().lock(), "{text}");
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum ColorChoice {
    /// On a terminal unless NO_COLOR is set, and everywhere if FORCE_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

static COLOR: OnceLock<ColorChoice> = OnceLock::new();

/// Sets the colour choice for the whole process; only the first call counts.
pub(in crate::cli) fn color(choice: ColorChoice) {
    let _ = COLOR.set(choice);
}

/// Returns whether an environment variable is set and not empty.
pub(in crate::cli) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Returns whether output to a stream is coloured.
pub(in crate::cli) fn styled(stream: &impl IsTerminal) -> bool {
    match COLOR.get().copied().unwrap_or_default() {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => !is_set("NO_COLOR") && (stream.is_terminal() || is_set("FORCE_COLOR")),
    }
}

/// Returns how tables are printed on standard output.
pub(in crate::cli) fn table_options() -> TableOptions {
    TableOptions { width: width(), color: styled(&std::io::stdout()), ascii: false }
}

/// Returns the width of standard output in columns: COLUMNS if set, else the terminal's width, else 100.
pub(in crate::cli) fn width() -> usize {
    columns(terminal_size::terminal_size())
}

/// Returns the width of standard error in columns, found like [`width`].
pub(in crate::cli) fn width_of_errors() -> usize {
    columns(terminal_size::terminal_size_of(std::io::stderr()))
}

fn columns(terminal: Option<(terminal_size::Width, terminal_size::Height)>) -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let known =
        said.or_else(|| terminal.map(|(width, _)| usize::from(width.0))).filter(|columns| *columns > 0);
    known.unwrap_or(100).clamp(40, 240)
}
