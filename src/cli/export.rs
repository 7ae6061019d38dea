//! `allot export`: a script in the forms that other tools read.

use clap::ValueEnum;

use super::{CliError, Common, Format, Outcome, output, scripts};
use crate::lang::{canonical, dsa, latex, print};

/// Writes a script in another form
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot export owl --to latex
  allot export dsa --to dsa")]
pub(super) struct Arguments {
    /// The script: a file, `-`, or the name of a published one
    script: String,
    /// The form
    #[arg(long, value_enum)]
    to: Form,
}

/// The forms that a script is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// LaTeX, for papers
    Latex,
    /// The graph string of DSA's released engine, where the formula is one
    Dsa,
    /// The normal form, as a script
    Canonical,
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    let loaded = scripts::load(&arguments.script, None, common.quiet)?;
    let text = match arguments.to {
        Form::Latex => latex::script(&loaded.script),
        Form::Dsa => format!("{}\n", dsa::export(&loaded.script).ok_or(CliError::NoGraphString)?),
        Form::Canonical => print::script(&canonical::script(&loaded.script)),
    };
    match common.format {
        Format::Text => output::print(&text)?,
        Format::Json => output::print_json(&serde_json::json!({
            "text": text,
            "hash": canonical::hash(&loaded.script),
        }))?,
    }
    Ok(Outcome::Fine)
}
