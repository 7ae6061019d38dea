//! `allot inspect`: a summary of a model's folder.

use std::path::PathBuf;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::{model, output};
use crate::json::DocumentKind;
use crate::report;

/// Shows a model's architecture, units, projections, parameters, types and memory
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot inspect MODEL
  allot inspect MODEL --check
  allot inspect MODEL --format json")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// Also reads every weight, and fails if one is NaN or infinite
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
