//! `allot ops`: the operators of the language.

use serde::Serialize;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;
use crate::json::DocumentKind;
use crate::report::catalogue::{self, Entry};

/// Lists the operators with their signatures
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot ops
  allot ops --all
  allot ops --format json")]
pub(in crate::cli) struct Arguments {
    /// Also lists the operators that exist only for DSA's released formulas
    #[arg(long)]
    all: bool,
}

/// The list of operators.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed {
    /// The operators, by class.
    operators: Vec<Entry>,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    match common.format {
        Format::Text => output::print(&catalogue::list(arguments.all))?,
        Format::Json => output::print_json(
            DocumentKind::Operators,
            &Printed { operators: catalogue::data(arguments.all) },
        )?,
    }
    Ok(Verdict::Fine)
}
