//! `allot eval`: what a script gives on a model.

use std::path::PathBuf;

use crate::allocate::{Allocation, Bounds};
use crate::cli::shared::allocation::{self, RatioSource};
use crate::cli::shared::calibration::EvaluationArguments;
use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::progress::watch;
use crate::cli::shared::scripts::WrittenScript;
use crate::cli::shared::{model, output, terminal};
use crate::exchange::AllocationFile;
use crate::forecast::Work;
use crate::lang::canonical;
use crate::report::{self, TableOptions};
use crate::session::Session;

/// Evaluates a script on a model: importance and sparsity of each unit
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot eval MODEL owl --stats MODEL.stats.safetensors --sparsity 0.7
  allot eval MODEL owl --text calibration.jsonl --length 256 --sparsity 0.7
  allot eval MODEL my.allot --method magnitude --sparsity 0.6 --unit projection
  allot eval MODEL my.allot --stats S.safetensors --sparsity 0.7 --format json
  allot eval MODEL my.allot --stats S.safetensors --sparsity 0.7 --figure ratios.svg
  allot eval MODEL -e 'log(mean(score)) |> scale' --text c.jsonl --sparsity 0.7
  allot eval MODEL allocation.json

SCRIPT is a file, `-` for standard input, or a published script: `allot list` has them all.")]
pub(in crate::cli) struct Arguments {
    /// The model's folder, as Hugging Face lays it out, or its id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// The script: a file, `-`, or the name of a published one; or an allocation file in JSON, as `allot export` and `allot
    /// import` write it
    #[arg(required_unless_present = "expression")]
    script: Option<String>,
    #[command(flatten)]
    written: WrittenScript,
    /// The share of all weights in the blocks' linears that is to be pruned, from 0 to 1; an allocation file has its own
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio)]
    sparsity: Option<f64>,
    #[command(flatten)]
    evaluation: EvaluationArguments,
    /// The least sparsity of a unit
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, default_value_t = 0.0)]
    least: f64,
    /// The greatest sparsity of a unit
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, default_value_t = 1.0)]
    most: f64,
    /// Also prints how the ratios of rows spread in each projection, where rows have ratios of their own
    #[arg(long)]
    rows: bool,
    /// Also prints what each row of a projection loses: its module's name, or the end of it
    #[arg(long, value_name = "MODULE")]
    rows_of: Option<String>,
    /// Also writes the figure of ratios and importances there, as SVG
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let loaded = match allocation::load(
        &arguments.written.or(arguments.script.as_deref()),
        arguments.evaluation.unit,
        common.quiet,
    )? {
        RatioSource::Script(loaded) => *loaded,
        RatioSource::File(file, name) => return show_file(&file, &name, arguments, common),
    };
    if arguments.dry_run.dry_run {
        let outline = Outline::read(&arguments.model)?;
        let mut work = vec![(Work::Check, 1)];
        work.extend(arguments.evaluation.work(&outline, &loaded)?);
        return outline.show(&work, arguments.evaluation.memory(), common);
    }
    let sparsity = arguments.sparsity.ok_or(CliError::NoSparsity)?;
    let bounds = Bounds::new(arguments.least, arguments.most)?;
    let ([outcome], _) =
        arguments.evaluation.evaluate(&arguments.model, [&loaded], sparsity, bounds, common)?;
    draw(arguments, &outcome.allocation, &loaded.name)?;
    match common.format {
        Format::Json => output::print_json(&AllocationFile::new(
            &outcome.allocation,
            outcome.unit,
            &loaded.name,
            Some(canonical::hash(&loaded.script)),
        ))?,
        Format::Text => print_table(&outcome.allocation, arguments)?,
    }
    Ok(Verdict::Fine)
}

/// Shows an allocation file as what a script gives.
fn show_file(
    file: &AllocationFile,
    name: &str,
    arguments: &Arguments,
    common: Common,
) -> Result<Verdict, CliError> {
    if arguments.dry_run.dry_run {
        return Outline::read(&arguments.model)?.show(&[(Work::Check, 1)], None, common);
    }
    let checkpoint = model::open(&arguments.model, common)?;
    let session = Session::of(checkpoint).watched(watch(common.quiet));
    let allocation = session.allocation_of_file(file, name, arguments.sparsity)?;
    draw(arguments, &allocation, name)?;
    match common.format {
        Format::Json => output::print_json(file)?,
        Format::Text => print_table(&allocation, arguments)?,
    }
    Ok(Verdict::Fine)
}

/// Draws the figure that was asked for.
fn draw(arguments: &Arguments, allocation: &Allocation, name: &str) -> Result<(), CliError> {
    let Some(path) = &arguments.figure else { return Ok(()) };
    let title = format!("{name} at {} sparsity", report::number::percent(allocation.target, 0));
    output::write_file(path, report::allocation_figure(allocation, &title).as_bytes())
}

fn print_table(allocation: &Allocation, arguments: &Arguments) -> Result<(), CliError> {
    let options =
        TableOptions { width: terminal::width(), color: terminal::styled(&std::io::stdout()), ascii: false };
    output::print(&report::allocation_table(allocation, &options))?;
    if arguments.rows {
        output::print(&format!("\n{}", report::rows::by_projection(allocation, &options)))?;
    }
    if let Some(module) = &arguments.rows_of {
        let rows = report::rows::of_module(allocation, module, &options);
        let missing = || CliError::NoRows { module: module.clone() };
        output::print(&format!("\n{}", rows.ok_or_else(missing)?))?;
    }
    Ok(())
}
