//! `allot show`: what a search found.

use std::path::PathBuf;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;
use crate::cli::shared::terminal;
use crate::report::{TableOptions, search as tables};
use crate::search::folder::{self, BEST};
use crate::session::Found;

/// The file of a run's folder that holds what it found as a page.
const REPORT: &str = "report.html";

/// Shows what a search found: the table, or its Pareto front
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot show RUN
  allot show RUN --markdown
  allot show RUN --front
  allot show RUN --front --format json")]
pub(in crate::cli) struct Arguments {
    /// The run's folder
    run: PathBuf,
    /// Shows the front alone: the best formula of each size
    #[arg(long, conflicts_with = "markdown")]
    front: bool,
    /// Shows the tables as Markdown
    #[arg(long)]
    markdown: bool,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let summary = folder::read(&arguments.run)?;
    match (arguments.front, common.format) {
        (true, Format::Json) => output::print_json(&summary.front)?,
        (false, Format::Json) => output::print_json(&summary)?,
        (true, Format::Text) => output::print(&tables::front(&summary, &options()))?,
        (false, Format::Text) if arguments.markdown => output::print(&tables::markdown(&summary))?,
        (false, Format::Text) => output::print(&tables::text(&summary, &options()))?,
    }
    Ok(Verdict::Fine)
}

/// Writes the page of what a run found into its folder, and prints the table.
///
/// # Errors
/// When the page cannot be written, or standard output fails.
pub(in crate::cli) fn found(found: &Found, common: Common) -> Result<(), CliError> {
    let Found { folder, settings, summary, report_windows } = found;
    // Statistics of another device are not the same to the last digit, and a run goes on where it began.
    let (one, all) = (common.device.flags_of_one(), common.device.flags());
    let commands = |script: &str, out: &str| -> Vec<String> {
        let commands = tables::commands(settings, *report_windows, script, out);
        commands.into_iter().map(|command| command + &one).collect()
    };
    let mut beside = commands(BEST, "pruned");
    beside.push(format!("allot search --resume .{all}"));
    output::write_file(&folder.join(REPORT), tables::html(summary, &beside).as_bytes())?;
    match common.format {
        Format::Json => output::print_json(summary)?,
        Format::Text => output::print(&tables::text(summary, &options()))?,
    }
    if !common.quiet {
        let best = folder.join(BEST);
        terminal::message(&format!(
            "the script is {}, the picture {}; to prune by it as the search did:\n",
            best.display(),
            folder.join(REPORT).display()
        ));
        for command in commands(&best.display().to_string(), "PRUNED") {
            terminal::message(&format!("  {command}\n"));
        }
    }
    Ok(())
}

fn options() -> TableOptions {
    TableOptions { width: terminal::width(), color: terminal::styled(&std::io::stdout()), ascii: false }
}
