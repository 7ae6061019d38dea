//! What every command takes, and what it comes to.

use clap::ValueEnum;

use super::device::DeviceArguments;

/// What every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct Common {
    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(in crate::cli) format: Format,
    /// Writes results only, no messages and no progress
    #[arg(long, short, global = true)]
    pub(in crate::cli) quiet: bool,
    #[command(flatten)]
    pub(in crate::cli) device: DeviceArguments,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Verdict {
    /// All is well.
    Fine,
    /// A check found something.
    Found,
}
