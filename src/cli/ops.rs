//! `allot ops`: the operators of the language.

use super::{CliError, Common, Format, Outcome, output};
use crate::report::catalogue;

/// Lists the operators with their signatures
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot ops
  allot ops --all
  allot ops --format json")]
pub(super) struct Arguments {
    /// Also lists the operators that exist for DSA's released formulas only
    #[arg(long)]
    all: bool,
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    match common.format {
        Format::Text => output::print(&catalogue::list(arguments.all))?,
        Format::Json => output::print_json(&catalogue::data(arguments.all))?,
    }
    Ok(Outcome::Fine)
}
