//! `allot ops`: the operators of the language.

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;
use crate::report::catalogue;

/// Lists the operators with their signatures
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot ops
  allot ops --all
  allot ops --format json")]
pub(in crate::cli) struct Arguments {
    /// Also lists the operators that exist for DSA's released formulas only
    #[arg(long)]
    all: bool,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    match common.format {
        Format::Text => output::print(&catalogue::list(arguments.all))?,
        Format::Json => output::print_json(&catalogue::data(arguments.all))?,
    }
    Ok(Verdict::Fine)
}
