//! `allot list`: the scripts and programs that commands know by name.

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::{output, terminal};
use crate::report::published;

/// Lists the published scripts, and the programs that `compare` knows
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot list
  allot list --format json
  allot show owl

`allot show NAME` shows a script whole, `allot ops` lists the operators that scripts are made of.")]
pub(in crate::cli) struct Arguments {}

pub(in crate::cli) fn run(_: &Arguments, common: Common) -> Result<Verdict, CliError> {
    match common.format {
        Format::Text => output::print(&published::list(&terminal::table_options()))?,
        Format::Json => {
            let program = |(key, name)| serde_json::json!({ "name": key, "title": name });
            let programs: Vec<_> = published::programs().into_iter().map(program).collect();
            output::print_json(
                &serde_json::json!({ "scripts": published::scripts(), "programs": programs }),
            )?;
        }
    }
    Ok(Verdict::Fine)
}
