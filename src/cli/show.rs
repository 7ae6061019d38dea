//! `allot show`: what a search found.

use std::path::{Path, PathBuf};

use super::{CliError, Common, Format, Outcome, output};
use crate::search::run;
use crate::search::summary::Summary;

/// Shows what a search found: the table, or its Pareto front
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot show RUN
  allot show RUN --front
  allot show RUN --front --format json")]
pub(super) struct Arguments {
    /// The run's folder
    run: PathBuf,
    /// Shows the front alone: the best formula of each size
    #[arg(long)]
    front: bool,
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    let summary = run::read(&arguments.run)?;
    match (arguments.front, common.format) {
        (true, Format::Json) => output::print_json(&summary.front)?,
        (true, Format::Text) => todo_print(&summary)?,
        (false, _) => found(&summary, &arguments.run, common)?,
    }
    Ok(Outcome::Fine)
}
fn todo_print(summary: &Summary) -> Result<(), CliError> {
    for w in &summary.front {
        output::print(&format!(
            "{} {:.4} {:?} {:?}\n{}",
            w.formula.as_ref().map_or(0, |f| f.size),
            w.fitness,
            w.selection,
            w.report,
            w.formula.as_ref().map_or("", |f| f.script.as_str())
        ))?;
    }
    Ok(())
}

/// Prints what a run found.
///
/// # Errors
/// When standard output fails.
pub(super) fn found(summary: &Summary, _folder: &Path, common: Common) -> Result<(), CliError> {
    match common.format {
        Format::Json => output::print_json(summary),
        Format::Text => {
            for w in
                summary.published.iter().chain(summary.runs.iter().map(|r| &r.best)).chain([&summary.best])
            {
                output::print(&format!(
                    "{:32} fit {:.4} sel {:?} {:?}\n",
                    w.name, w.fitness, w.selection, w.report
                ))?;
            }
            for r in &summary.runs {
                output::print(&format!("{:?} {} {:?}\n", r.searcher, r.seed, r.spent))?;
            }
            for c in &summary.comparisons {
                output::print(&format!("{c:?}\n"))?;
            }
            todo_print(summary)
        }
    }
}
