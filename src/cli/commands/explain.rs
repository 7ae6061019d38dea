//! `allot explain`: one operator, whole.

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;
use crate::lang::check::similar::similar;
use crate::lang::ops::{CATALOGUE, Op};
use crate::report::catalogue;

/// Explains an operator: signature, definition for every input, source, example
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot explain scale
  allot explain '>'
  allot explain dsa::entropy --format json")]
pub(in crate::cli) struct Arguments {
    /// The operator's name or symbol
    name: String,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let name = arguments.name.as_str();
    let op = Op::find(name).or_else(|| Op::infix(name));
    let op = op.or_else(|| CATALOGUE.iter().find(|row| row.symbol() == Some(name)).map(|row| row.op));
    let Some(op) = op else {
        let similar = similar(name, CATALOGUE.iter().map(|row| row.name));
        return Err(CliError::NoOperator { name: name.to_owned(), similar });
    };
    match common.format {
        Format::Text => output::print(&catalogue::page(op))?,
        Format::Json => output::print_json(&catalogue::entry(op.info()))?,
    }
    Ok(Verdict::Fine)
}
