//! `allot inspect`: what a model's folder holds.

use std::path::PathBuf;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::{model, output};
use crate::json::DocumentKind;
use crate::report;

/// Shows a model: architecture, units, projections, parameters, types, memory
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot inspect MODEL
  allot inspect MODEL --check
  allot inspect MODEL --format json")]
pub(in crate::cli) struct Arguments {
    /// The model's folder, as Hugging Face lays it out, or its id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// Also looks at every number, and fails on one that is NaN or infinite
    #[arg(long)]
    check: bool,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let checkpoint = model::open(&arguments.model, common)?;
    if arguments.check {
        checkpoint.check_finite()?;
    }
    let summary = checkpoint.summary()?;
    match common.format {
        Format::Text => output::print(&report::model::summary(&summary))?,
        Format::Json => output::print_json(DocumentKind::Model, &summary)?,
    }
    Ok(Verdict::Fine)
}
