//! What every command takes, and what it comes to.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::device::DeviceArguments;
use super::terminal::ColorChoice;
use super::values::count;

/// What every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct Common {
    /// How results are written
    #[arg(long, global = true, default_value = "text", value_parser = format())]
    pub(in crate::cli) format: Format,
    /// Writes results only, no messages and no progress
    #[arg(long, short, global = true)]
    pub(in crate::cli) quiet: bool,
    /// How many threads work, instead of one for each core; results are the same
    #[arg(long, global = true, value_name = "COUNT", env = "ALLOT_THREADS", hide_env_values = true, value_parser = count)]
    pub(in crate::cli) threads: Option<usize>,
    /// When output is coloured: on a terminal, unless NO_COLOR is set, or always or never
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

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Reads a format. Those of `check` alone are data to everything else, and refused there.
fn format() -> impl TypedValueParser<Value = Format> {
    let words = [
        PossibleValue::new("text").help("For people"),
        PossibleValue::new("json").help("For programs"),
        PossibleValue::new("sarif").help("`check` alone: for code scanners and editors"),
        PossibleValue::new("github").help("`check` alone: for GitHub's workflows"),
    ];
    PossibleValuesParser::new(words).map(|word| if word == "text" { Format::Text } else { Format::Json })
}

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Verdict {
    /// All is well.
    Fine,
    /// A check found something.
    Found,
}
