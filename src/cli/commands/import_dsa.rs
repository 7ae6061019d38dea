//! `allot import-dsa`: converts a graph string of DSA's released engine into a script.

use serde::Serialize;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;
use crate::exchange::dsa;
use crate::json::DocumentKind;
use crate::lang::{canonical, print};

/// Converts a graph string of DSA's released engine into a script
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot import-dsa 'W:(ABSLOG)-(VAR)-(ATAN,ASIN)-(7)'
  allot import-dsa 'W:(NO_OP)-(MEAN)-(SIGMOID)' > mean.allot")]
pub(in crate::cli) struct Arguments {
    /// The graph string
    graph: String,
}

/// The document of `--format json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed<'a> {
    /// The graph string.
    graph: &'a str,
    /// The script that it stands for.
    script: &'a str,
    /// The hash of the formula.
    hash: String,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let script = dsa::import(&arguments.graph)?;
    let text = print::script(&script);
    match common.format {
        Format::Text => output::print(&format!("# DSA graph string {}\n{text}", arguments.graph.trim()))?,
        Format::Json => output::print_json(
            DocumentKind::DsaScript,
            &Printed { graph: arguments.graph.trim(), script: &text, hash: canonical::hash(&script) },
        )?,
    }
    Ok(Verdict::Fine)
}
