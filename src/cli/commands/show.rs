//! `allot show`: the results of a search, or a script.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::terminal::{self, table_options as options};
use crate::cli::shared::{context, output, scripts};
use crate::json::DocumentKind;
use crate::lang::ops::Op;
use crate::prune::Method;
use crate::report::published::{self, Shown};
use crate::report::search as tables;
use crate::search::folder::{self, BEST, SUMMARY};
use crate::search::measured::{self, MeasuredFormula};
use crate::search::settings::Settings;
use crate::search::summary::Winner;
use crate::session::{Found, Needs, metric_of};

/// The report page in a run's folder.
const REPORT: &str = "report.html";

/// Shows the results of a search as a table or Pareto front, the progress of an unfinished search, or a script
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot show RUN
  allot show RUN --markdown
  allot show RUN --all
  allot show RUN --csv > formulas.csv
  allot show RUN --front
  allot show RUN --front --format json
  allot show owl")]
pub(in crate::cli) struct Arguments {
    /// The run's folder; or a script: a file, or the name of a published script
    run: PathBuf,
    /// Shows only the Pareto front: the best formula of each size
    #[arg(long, conflicts_with = "markdown")]
    front: bool,
    /// Shows the tables as Markdown
    #[arg(long)]
    markdown: bool,
    /// Shows every measured allocation, sorted by loss, lowest first; `~` marks losses that are estimated on a part of the text
    #[arg(long, conflicts_with_all = ["front", "markdown"])]
    all: bool,
    /// Prints every measured allocation as CSV, in the order of measuring
    #[arg(long, conflicts_with_all = ["front", "markdown"])]
    csv: bool,
}

/// The Pareto front of a search.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Front<'a> {
    /// The best formula of each size, by size.
    front: &'a [Winner],
}

/// Everything that a search measured.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Measured<'a> {
    /// The formulas, in the order of measuring.
    formulas: &'a [MeasuredFormula],
}

/// A search that is not finished.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Unfinished<'a> {
    /// Whether the search is finished: always false.
    finished: bool,
    /// The formulas measured so far, in the order of measuring.
    measured: &'a [MeasuredFormula],
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    if !arguments.run.is_dir() {
        let shown = script(&arguments.run.display().to_string())?;
        match common.format {
            Format::Text => output::print(&shown.page())?,
            Format::Json => output::print_json(DocumentKind::Script, &shown)?,
        }
        return Ok(Verdict::Fine);
    }
    if arguments.all || arguments.csv {
        let measured = measured::read(&arguments.run)?;
        match (arguments.csv, common.format) {
            (true, _) => output::print(&tables::measured_csv(&measured))?,
            (false, Format::Json) => {
                output::print_json(DocumentKind::Measured, &Measured { formulas: &measured })?
            }
            (false, Format::Text) => output::print(&tables::measured_table(&measured, &options()))?,
        }
        return Ok(Verdict::Fine);
    }
    if !arguments.run.join(SUMMARY).exists() {
        return unfinished(&arguments.run, common);
    }
    let summary = folder::read(&arguments.run)?;
    context::search(&Settings::read(&arguments.run)?);
    match (arguments.front, common.format) {
        (true, Format::Json) => output::print_json(DocumentKind::Front, &Front { front: &summary.front })?,
        (false, Format::Json) => output::print_json(DocumentKind::Search, &summary)?,
        (true, Format::Text) => output::print(&tables::front(&summary, &options()))?,
        (false, Format::Text) if arguments.markdown => output::print(&tables::markdown(&summary))?,
        (false, Format::Text) => output::print(&tables::text(&summary, &options()))?,
    }
    Ok(Verdict::Fine)
}

/// Shows the progress of a search that is running or was stopped.
fn unfinished(run: &Path, common: Common) -> Result<Verdict, CliError> {
    let settings = Settings::read(run)?;
    context::search(&settings);
    // The file is missing while models and texts are still being prepared.
    let measured = if run.join(measured::MEASURED).exists() { measured::read(run)? } else { Vec::new() };
    match common.format {
        Format::Json => output::print_json(
            DocumentKind::Unfinished,
            &Unfinished { finished: false, measured: &measured },
        )?,
        Format::Text => {
            output::print(&tables::unfinished(&settings, &measured, &run.display().to_string(), &options()))?;
        }
    }
    Ok(Verdict::Fine)
}

/// Returns the description of a script, which needs no model.
///
/// # Errors
/// When there is no such script, or it has errors.
pub(in crate::cli) fn script(name: &str) -> Result<Shown, CliError> {
    let loaded = scripts::load(name, None, true)?;
    let needs = match &loaded.script.allocation {
        Some(_) => Needs::of_scripts([&loaded.script], &metric_of(&Method::Wanda)?),
        None => Needs::of_method(&loaded.method()),
    };
    let needs = needs.terminals().map(Op::name).collect();
    Ok(published::shown(&loaded.name, &loaded.text, &loaded.script, needs))
}

/// Writes the report page of a run into its folder, and prints the table.
///
/// # Errors
/// When the page cannot be written, or standard output fails.
pub(in crate::cli) fn found(found: &Found, common: Common) -> Result<(), CliError> {
    let Found { folder, settings, summary, .. } = found;
    context::search(settings);
    write_pages(found, common)?;
    match common.format {
        Format::Json => output::print_json(DocumentKind::Search, summary)?,
        Format::Text => output::print(&tables::text(summary, &options()))?,
    }
    if !common.quiet {
        if let Some(judged) = tables::judged(summary) {
            terminal::message(&format!("{judged}\n"));
        }
        let best = folder.join(BEST);
        terminal::message(&format!(
            "script: {}, report: {}; to prune with the script as the search did, run:\n",
            best.display(),
            folder.join(REPORT).display()
        ));
        for command in commands(found, &best.display().to_string(), "PRUNED", common) {
            terminal::message(&format!("  {command}\n"));
        }
    }
    Ok(())
}

/// Writes the report page and the figures of a search.
///
/// # Errors
/// Fails when a file cannot be written.
pub(in crate::cli) fn write_pages(found: &Found, common: Common) -> Result<(), CliError> {
    let Found { folder, settings, summary, .. } = found;
    let mut beside = commands(found, BEST, "pruned", common);
    beside.push(format!("allot search --resume .{}", common.device.flags()));
    let page = tables::html(summary, &settings.identities, &beside);
    output::write_file(&folder.join(REPORT), page.as_bytes())?;
    for (name, figure) in tables::figures(summary) {
        output::write_file(&folder.join(name), figure.as_bytes())?;
    }
    Ok(())
}

/// Returns the commands that prune with a script as the search did, and measure the result.
fn commands(found: &Found, script: &str, out: &str, common: Common) -> Vec<String> {
    // Statistics differ in the last digits between devices, and a run must resume on the device it started on.
    let one = common.device.flags_of_one();
    let commands = tables::commands(&found.settings, found.report_windows, script, out);
    commands.into_iter().map(|command| command + &one).collect()
}
