//! `allot man`: the manual pages.

use std::path::PathBuf;

use clap_mangen::Man;

use crate::cli::shared::common::Verdict;
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;

/// Prints the manual page of allot, or writes the pages of all commands into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot man > allot.1
  allot man --out ~/.local/share/man/man1")]
pub(in crate::cli) struct Arguments {
    /// Output folder for the pages allot.1, allot-check.1, ...
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Prints or writes the pages of `command`.
pub(in crate::cli) fn run(arguments: &Arguments, mut command: clap::Command) -> Result<Verdict, CliError> {
    command.build();
    let Some(folder) = &arguments.out else {
        output::print(&page(&command)?)?;
        return Ok(Verdict::Fine);
    };
    let failed = |cause| CliError::Write { path: folder.clone(), cause };
    std::fs::create_dir_all(folder).map_err(failed)?;
    output::write_file(&folder.join("allot.1"), page(&command)?.as_bytes())?;
    for subcommand in command.get_subcommands() {
        let name = format!("allot-{}", subcommand.get_name());
        let page = page(subcommand)?;
        output::write_file(&folder.join(format!("{name}.1")), page.as_bytes())?;
    }
    Ok(Verdict::Fine)
}

fn page(command: &clap::Command) -> Result<String, CliError> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text).map_err(CliError::Standard)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
