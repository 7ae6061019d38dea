//! The terminal: messages on standard error, colours, width.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use crate::report::TableOptions;

/// Prints a message to standard error; that nobody reads it is no failure.
pub(in crate::cli) fn message(text: &str) {
    let _ = write!(std::io::stderr().lock(), "{text}");
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set; everywhere where FORCE_COLOR is
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

static COLOR: OnceLock<ColorChoice> = OnceLock::new();

/// Decides when output is coloured, once, for the whole process.
pub(in crate::cli) fn color(choice: ColorChoice) {
    let _ = COLOR.set(choice);
}

/// Returns whether a variable of the environment is set to something.
pub(in crate::cli) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Returns whether a stream shows colours.
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
