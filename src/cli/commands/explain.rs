//! `allot explain`: the full page of an operator, a published script, a word of the language, or a diagnostic's code.

use serde::Serialize;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;
use crate::json::DocumentKind;
use crate::lang::check::similar::similar;
use crate::lang::ops::{CATALOGUE, Op};
use crate::lang::published::{self, PUBLISHED};
use crate::report::{catalogue, language};

/// Explains an operator, a published script, a keyword, a type or a diagnostic's code
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot explain scale
  allot explain '>'
  allot explain owl
  allot explain unit
  allot explain Layer
  allot explain unknown-name
  allot explain dsa::entropy --format json")]
pub(in crate::cli) struct Arguments {
    /// The name, as written in scripts and messages
    name: String,
}

/// The explanation of a diagnostic's code.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Code<'a> {
    /// The code.
    name: &'a str,
    /// Its meaning, with a script that has the mistake.
    text: &'a str,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let name = arguments.name.as_str();
    let op = Op::find(name).or_else(|| Op::infix(name));
    let op = op.or_else(|| CATALOGUE.iter().find(|row| row.symbol() == Some(name)).map(|row| row.op));
    // `uniform` and `magnitude` have several meanings; operators take precedence.
    if let Some(op) = op {
        match common.format {
            Format::Text => output::print(&catalogue::page(op))?,
            Format::Json => output::print_json(DocumentKind::Operator, &catalogue::entry(op.info()))?,
        }
    } else if let Some(word) = language::find(name) {
        match common.format {
            Format::Text => output::print(&word.page())?,
            Format::Json => output::print_json(DocumentKind::Word, word)?,
        }
    } else if let Some(script) = published::find(name) {
        let shown = super::show::script(script.name)?;
        match common.format {
            Format::Text => output::print(&shown.page())?,
            Format::Json => output::print_json(DocumentKind::Script, &shown)?,
        }
    } else if let Some(text) = language::diagnostic(name) {
        match common.format {
            Format::Text => output::print(&text)?,
            Format::Json => output::print_json(DocumentKind::Code, &Code { name, text: &text })?,
        }
    } else {
        return Err(unknown(name));
    }
    Ok(Verdict::Fine)
}

fn unknown(name: &str) -> CliError {
    let known = CATALOGUE.iter().map(|row| row.name).chain(language::WORDS.iter().map(|word| word.name));
    let known = known.chain(PUBLISHED.iter().map(|script| script.name)).chain(language::codes());
    CliError::NoWord { name: name.to_owned(), similar: similar(name, known) }
}
