//! `allot schema`: the JSON Schemas of printed and written documents.

use crate::cli::json_schema::{self, Listed};
use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;
use crate::json::DocumentKind;
use crate::lang::check::similar::similar;

/// Lists the kinds of JSON that allot prints and writes, or prints the JSON Schema of one kind
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot schema
  allot schema perplexity > perplexity.schema.json

Each document names its schema in the field `schema`, with the version after a slash.")]
pub(in crate::cli) struct Arguments {
    /// Name of the schema, as in the list
    name: Option<String>,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let Some(name) = &arguments.name else {
        let listed = Listed::all();
        match common.format {
            Format::Json => output::print_json(DocumentKind::Schemas, &listed)?,
            Format::Text => output::print(&listed.text())?,
        }
        return Ok(Verdict::Fine);
    };
    let wanted = |it: &&DocumentKind| it.name() == name || it.tag() == name;
    let document = DocumentKind::ALL.iter().find(wanted).ok_or_else(|| {
        let similar = similar(name, DocumentKind::ALL.iter().map(|it| it.name()));
        CliError::NoSchema { name: name.clone(), similar }
    })?;
    output::print(&format!("{}\n", serde_json::to_string_pretty(&json_schema::of(*document))?))?;
    Ok(Verdict::Fine)
}
