//! `allot inspect`: what a model's folder holds.

use std::path::PathBuf;

use super::{CliError, Common, Format, Outcome, output};
use crate::model::{Checkpoint, hub::model_folder};
use crate::report;

/// Shows a model: architecture, units, projections, parameters, types, memory
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot inspect MODEL
  allot inspect MODEL --check
  allot inspect MODEL --format json")]
pub(super) struct Arguments {
    /// The model's folder, as Hugging Face lays it out, or the id of one in the hub's local cache
    model: PathBuf,
    /// Also looks at every number, and fails on one that is NaN or infinite
    #[arg(long)]
    check: bool,
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    let checkpoint = Checkpoint::open(model_folder(&arguments.model)?)?;
    if arguments.check {
        checkpoint.check_finite()?;
    }
    let summary = checkpoint.summary()?;
    match common.format {
        Format::Text => output::print(&report::model::summary(&summary))?,
        Format::Json => output::print_json(&summary)?,
    }
    Ok(Outcome::Fine)
}
