//! `allot list`: the scripts and programs that have a built-in name.

use serde::Serialize;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::{output, terminal};
use crate::json::DocumentKind;
use crate::report::published::{self, Listed};

/// Lists the published scripts and the programs of `allot compare`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot list
  allot list --format json
  allot show owl

`allot show NAME` prints a script, `allot ops` lists the operators of the language.")]
pub(in crate::cli) struct Arguments {}

/// The scripts and programs that have a built-in name.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed {
    /// The published scripts.
    scripts: Vec<Listed>,
    /// The programs of `allot compare`.
    programs: Vec<Program>,
}

/// A program that decides ratios without a script.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Program {
    /// Its name on the command line.
    name: &'static str,
    /// Its name in tables.
    title: &'static str,
}

pub(in crate::cli) fn run(_: &Arguments, common: Common) -> Result<Verdict, CliError> {
    match common.format {
        Format::Text => output::print(&published::list(&terminal::table_options()))?,
        Format::Json => {
            let program = |(name, title)| Program { name, title };
            let programs = published::programs().into_iter().map(program).collect();
            output::print_json(
                DocumentKind::Published,
                &Printed { scripts: published::scripts(), programs },
            )?;
        }
    }
    Ok(Verdict::Fine)
}
