//! `allot eval`: evaluates a script on a model.

use std::path::{Path, PathBuf};

use crate::allocate::{Allocation, Bounds};
use crate::cli::shared::allocation::{self, RatioSource};
use crate::cli::shared::calibration::EvaluationArguments;
use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::scripts::WrittenScript;
use crate::cli::shared::{model, output, scripts, terminal};
use crate::exchange::AllocationFile;
use crate::forecast::Work;
use crate::json::DocumentKind;
use crate::lang::canonical;
use crate::lang::types::UnitKind;
use crate::prune::Method;
use crate::report::{self, TableOptions};
use crate::session::{Session, model_name};
use crate::stats::Source;

/// Evaluates a script on a model, and prints the importance and sparsity of each unit
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot eval MODEL owl --stats MODEL.stats.safetensors --sparsity 0.7
  allot eval MODEL owl --text calibration.jsonl --length 256 --sparsity 0.7
  allot eval MODEL my.allot --method magnitude --sparsity 0.6 --unit projection
  allot eval MODEL my.allot --stats S.safetensors --sparsity 0.7 --format json
  allot eval MODEL my.allot --stats S.safetensors --sparsity 0.7 --figure ratios.svg
  allot eval MODEL -e 'log(mean(score)) |> scale' --text c.jsonl --sparsity 0.7
  allot eval MODEL allocation.json
  allot eval MODEL owl --text calibration.jsonl --sparsity 0.7 --marginals fitness.jsonl

SCRIPT is a file, `-` for standard input, or the name of a published script; `allot list` lists them.")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// The script: a file, `-` for standard input, or the name of a published script; or an allocation file in JSON, as written
    /// by `allot export` and `allot import`
    #[arg(required_unless_present = "expression")]
    script: Option<String>,
    #[command(flatten)]
    written: WrittenScript,
    /// The target sparsity, from 0 to 1: the share of all weights in the blocks' linears to prune; an allocation file has its own
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio)]
    sparsity: Option<f64>,
    #[command(flatten)]
    evaluation: EvaluationArguments,
    /// Lowest sparsity of a unit, from 0 to 1
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, default_value_t = 0.0)]
    least: f64,
    /// Highest sparsity of a unit, from 0 to 1
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, default_value_t = 1.0)]
    most: f64,
    /// Also prints the spread of the rows' ratios in each projection, if rows have their own ratios
    #[arg(long)]
    rows: bool,
    /// Also prints the ratio of each row of a projection, given by its module's name or the end of that name
    #[arg(long, value_name = "MODULE")]
    rows_of: Option<String>,
    /// Also draws ratios and importances into this SVG file
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
    /// Overwrites an existing figure
    #[arg(long, requires = "figure")]
    force: bool,
    /// Prints, instead of the table, each unit's marginal damage: what pruning one more of its weights would do, measured on these
    /// texts by gradients at the pruned model; if it is the same in every unit, moving budget between units cannot help
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["dry_run", "rows", "rows_of", "figure"])]
    marginals: Vec<PathBuf>,
    /// Number of windows to read from those texts
    #[arg(long, value_name = "WINDOWS", default_value_t = 16, requires = "marginals")]
    marginal_windows: usize,
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
        return outline.show(&work, arguments.evaluation.memory(), None, common);
    }
    let sparsity = arguments.sparsity.ok_or(CliError::NoSparsity)?;
    let bounds = Bounds::new(arguments.least, arguments.most)?;
    let ([outcome], mut session) =
        arguments.evaluation.evaluate(&arguments.model, [&loaded], sparsity, bounds, common)?;
    if !arguments.marginals.is_empty() {
        let method = match Method::from_script(&loaded.script) {
            Some(method) => method,
            None => scripts::method(&arguments.evaluation.method)?,
        };
        return show_marginals(&mut session, &outcome.allocation, outcome.unit, &method, arguments, common);
    }
    draw(arguments, &outcome.allocation, &loaded.name)?;
    match common.format {
        Format::Json => {
            let hash = Some(canonical::hash(&loaded.script));
            let file = AllocationFile {
                model: Some(model_name(session.checkpoint())),
                ..AllocationFile::new(&outcome.allocation, outcome.unit, &loaded.name, hash)
            };
            output::print_json(DocumentKind::Allocation, &file)?;
        }
        Format::Text => print_table(&outcome.allocation, arguments)?,
    }
    Ok(Verdict::Fine)
}

/// Shows an allocation file in the form of a script's result.
fn show_file(
    file: &AllocationFile,
    name: &str,
    arguments: &Arguments,
    common: Common,
) -> Result<Verdict, CliError> {
    if arguments.dry_run.dry_run {
        return Outline::read(&arguments.model)?.show(&[(Work::Check, 1)], None, None, common);
    }
    let checkpoint = model::open(&arguments.model, common)?;
    let mut session = arguments.evaluation.session(checkpoint, common.quiet)?;
    let allocation = session.allocation_of_file(file, name, arguments.sparsity)?;
    if !arguments.marginals.is_empty() {
        let method = scripts::method(&arguments.evaluation.method)?;
        return show_marginals(&mut session, &allocation, file.unit, &method, arguments, common);
    }
    draw(arguments, &allocation, name)?;
    match common.format {
        Format::Json => output::print_json(DocumentKind::Allocation, file)?,
        Format::Text => print_table(&allocation, arguments)?,
    }
    Ok(Verdict::Fine)
}

/// Measures and prints each unit's marginal damage: the effect of pruning one more of its weights.
fn show_marginals(
    session: &mut Session,
    allocation: &Allocation,
    unit: UnitKind,
    method: &Method,
    arguments: &Arguments,
    common: Common,
) -> Result<Verdict, CliError> {
    let text = Source::Text(arguments.marginals.clone());
    let length = arguments.evaluation.length();
    let tokens = text.windows(session.checkpoint(), length, Some(arguments.marginal_windows))?;
    model::warn_of_texts(tokens.special_tokens(), common.quiet);
    let flatness = session.flatness(allocation, unit, method, tokens)?;
    match common.format {
        Format::Json => output::print_json(DocumentKind::Marginals, &flatness)?,
        Format::Text => output::print(&report::marginals::text(&flatness, &table_options()))?,
    }
    Ok(Verdict::Fine)
}

fn table_options() -> TableOptions {
    TableOptions { width: terminal::width(), color: terminal::styled(&std::io::stdout()), ascii: false }
}

/// Draws the figure of `--figure`.
fn draw(arguments: &Arguments, allocation: &Allocation, name: &str) -> Result<(), CliError> {
    let Some(path) = &arguments.figure else { return Ok(()) };
    let last = |path: &Path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let model = arguments.model.file_name().unwrap_or(arguments.model.as_os_str()).to_string_lossy();
    let sparsity = report::number::percent(allocation.target, 0);
    let title = format!("{} on {model} at {sparsity} sparsity", last(Path::new(name)));
    output::write_file(path, report::allocation_figure(allocation, &title).as_bytes())
}

fn print_table(allocation: &Allocation, arguments: &Arguments) -> Result<(), CliError> {
    let options = table_options();
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
