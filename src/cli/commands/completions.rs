//! `allot completions`: completion scripts for shells.

use clap_complete::{Shell, generate};

use crate::cli::shared::common::Verdict;
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;

/// Prints the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot completions bash > ~/.local/share/bash-completion/completions/allot
  allot completions zsh > ~/.zfunc/_allot
  allot completions fish > ~/.config/fish/completions/allot.fish")]
pub(in crate::cli) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completion script of `command`.
pub(in crate::cli) fn run(arguments: &Arguments, mut command: clap::Command) -> Result<Verdict, CliError> {
    let mut text = Vec::new();
    generate(arguments.shell, &mut command, "allot", &mut text);
    output::print(&String::from_utf8_lossy(&text))?;
    Ok(Verdict::Fine)
}
