//! Options of every command, and a command's outcome.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::device::DeviceArguments;
use super::terminal::ColorChoice;
use super::values::count;

/// Options that every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct Common {
    /// Format of the results
    #[arg(long, global = true, default_value = "text", value_parser = format())]
    pub(in crate::cli) format: Format,
    /// Prints results only, without messages and progress
    #[arg(long, short, global = true)]
    pub(in crate::cli) quiet: bool,
    /// Number of threads (default: one per core); results do not depend on it
    #[arg(long, global = true, value_name = "COUNT", env = "ALLOT_THREADS", hide_env_values = true, value_parser = count)]
    pub(in crate::cli) threads: Option<usize>,
    /// When to colour output
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        env = "ALLOT_COLOR",
        hide_env_values = true,
        default_value_t
    )]
    pub(in crate::cli) color: ColorChoice,
    #[command(flatten)]
    pub(in crate::cli) device: DeviceArguments,
}

/// Format of the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Format {
    /// Text for people
    #[default]
    Text,
    /// JSON for programs
    Json,
}

/// Parses a format. `sarif` and `github`, which only `check` prints, become JSON here and are refused for other commands later.
fn format() -> impl TypedValueParser<Value = Format> {
    let words = [
        PossibleValue::new("text").help("Text for people"),
        PossibleValue::new("json").help("JSON for programs"),
        PossibleValue::new("sarif").help("SARIF for code scanners and editors, only with `allot check`"),
        PossibleValue::new("github").help("annotations for GitHub's workflows, only with `allot check`"),
    ];
    PossibleValuesParser::new(words).map(|word| if word == "text" { Format::Text } else { Format::Json })
}

/// The outcome of a command that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Verdict {
    /// Everything is in order.
    Fine,
    /// A check found a problem.
    Found,
}
