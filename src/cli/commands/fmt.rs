//! `allot fmt`: scripts in the standard layout.

use std::path::PathBuf;

use crate::cli::shared::common::{Common, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::input::Input;
use crate::cli::shared::output;
use crate::cli::shared::terminal;
use crate::lang;
use crate::lang::format::format;
use crate::lang::problem::Problem;

/// Puts scripts into the standard layout, in place
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot fmt my.allot
  allot fmt --check examples/*.allot
  cat my.allot | allot fmt -")]
pub(in crate::cli) struct Arguments {
    /// The scripts; `-` is standard input, formatted to standard output
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Changes nothing, and exits with 1 when a script is not in the standard layout
    #[arg(long)]
    check: bool,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let mut outcome = Verdict::Fine;
    for path in &arguments.files {
        let input = Input::read(path)?;
        let text = input.text();
        let formatted = match std::str::from_utf8(&input.bytes) {
            Ok(source) => format(source),
            Err(error) => Err(vec![Problem::NotText { at: error.valid_up_to() }]),
        };
        let formatted = match formatted {
            Ok(formatted) => formatted,
            Err(problems) => {
                let diagnostics: Vec<_> = problems.iter().map(Problem::diagnostic).collect();
                let styled = terminal::styled(&std::io::stderr());
                terminal::message(&lang::render::render(&diagnostics, &input.name, &text, styled));
                outcome = Verdict::Found;
                continue;
            }
        };
        match (&input.path, arguments.check) {
            (_, true) if formatted == text => {}
            (_, true) => {
                outcome = Verdict::Found;
                if !common.quiet {
                    output::print(&format!("{} is not in the standard layout\n", input.name))?;
                }
            }
            (None, false) => output::print(&formatted)?,
            (Some(_), false) if formatted == text => {}
            (Some(path), false) => output::write_file(path, formatted.as_bytes())?,
        }
    }
    Ok(outcome)
}
