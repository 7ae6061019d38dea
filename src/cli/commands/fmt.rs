//! `allot fmt`: formats scripts.

use serde::Serialize;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::input::Input;
use crate::cli::shared::scripts::{self, Named, WrittenScripts};
use crate::cli::shared::{help, output, terminal};
use crate::json::DocumentKind;
use crate::lang;
use crate::lang::format::format;
use crate::lang::problem::Problem;

/// Formats scripts in the standard layout, in place
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot fmt my.allot
  allot fmt --check scripts/
  allot fmt --diff my.allot
  allot fmt -e 'mean( score )|>scale'
  cat my.allot | allot fmt -")]
pub(in crate::cli) struct Arguments {
    /// The scripts: files, folders with files that end in .allot, or `-` to format standard input to standard output
    #[arg(required_unless_present = "expression", value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    written: WrittenScripts,
    /// Changes nothing, and exits with 1 if a script is not in the standard layout
    #[arg(long)]
    check: bool,
    /// Like --check, and also shows the changes as a diff
    #[arg(long)]
    diff: bool,
}

/// The document of `--format json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed<'a> {
    /// The scripts, in order.
    scripts: Vec<FormattedScript>,
    /// The errors of scripts that could not be read.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unread: &'a [String],
}

/// A script in the standard layout.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct FormattedScript {
    /// The script's file.
    file: String,
    /// Whether it was not in the standard layout.
    changed: bool,
    /// The text in the standard layout; null if the script does not parse.
    text: Option<String>,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let mut outcome = Verdict::Fine;
    let mut unread = Vec::new();
    let mut printed = Vec::new();
    let names = scripts::expanded(&arguments.files)?.into_iter().map(Named::Name);
    for name in names.chain(arguments.written.named()) {
        let input = match name.read() {
            Ok(input) => input,
            Err(error) => {
                unread.push(error.to_string());
                help::report(&error);
                continue;
            }
        };
        let text = formatted(&input);
        let changed = text.as_ref().is_none_or(|text| *text != input.text());
        if text.is_none() || (changed && (arguments.check || arguments.diff)) {
            outcome = Verdict::Found;
        }
        if let Some(text) = &text {
            put(arguments, &input, text, common)?;
        }
        printed.push(FormattedScript { file: input.name, changed, text });
    }
    if common.format == Format::Json {
        output::print_json(DocumentKind::Format, &Printed { scripts: printed, unread: &unread })?;
    }
    if !unread.is_empty() { Err(CliError::Reported) } else { Ok(outcome) }
}

/// Returns a script in the standard layout. If it does not parse, prints its errors and returns `None`.
fn formatted(input: &Input) -> Option<String> {
    let formatted = match std::str::from_utf8(&input.bytes) {
        Ok(source) => format(source),
        Err(error) => Err(vec![Problem::NotText { at: error.valid_up_to() }]),
    };
    formatted
        .map_err(|problems| {
            let diagnostics: Vec<_> = problems.iter().map(Problem::diagnostic).collect();
            let styled = terminal::styled(&std::io::stderr());
            terminal::message(&lang::render::render(&diagnostics, &input.name, &input.text(), styled));
        })
        .ok()
}

/// Writes a formatted script to its file or to standard output, or reports that it would change.
fn put(arguments: &Arguments, input: &Input, formatted: &str, common: Common) -> Result<(), CliError> {
    let text = input.text();
    let changed = formatted != text;
    let shown = common.format == Format::Text;
    match (&input.path, arguments.check || arguments.diff) {
        (_, true) if changed && arguments.diff => output::print(&difference(&input.name, &text, formatted)),
        (_, true) if changed && shown && !common.quiet => {
            output::print(&format!("{} is not in the standard layout\n", input.name))
        }
        (None, false) if shown => output::print(formatted),
        (Some(path), false) if changed => output::write_file(path, formatted.as_bytes()),
        (_, true) | (None | Some(_), false) => Ok(()),
    }
}

/// Returns the difference of two texts as a unified diff.
fn difference(name: &str, before: &str, after: &str) -> String {
    similar::TextDiff::from_lines(before, after)
        .unified_diff()
        .header(name, &format!("{name} (standard layout)"))
        .to_string()
}
