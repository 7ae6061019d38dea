//! `allot prune`: prunes a model into a new folder.

use std::path::PathBuf;

use crate::allocate::Allocation;
use crate::cli::shared::allocation::{self, RatioSource};
use crate::cli::shared::calibration::CalibrationArguments;
use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::interrupt::Deferred;
use crate::cli::shared::scripts::{self, WrittenScript};
use crate::cli::shared::{model, output};
use crate::forecast::{Pruning, Work};
use crate::json::DocumentKind;
use crate::lang::types::UnitKind;
use crate::prune::{Method, Pattern, Propagation, PruneOptions, Rounding, ScriptSource, check_target};
use crate::report;
use crate::session::{AllocationOptions, Needs, Session, metric_of};
use crate::trial::error::TrialError;

/// Prunes a model: a script decides the sparsity of each unit, a method chooses the weights
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot prune MODEL --sparsity 0.5 --method magnitude --out PRUNED
  allot prune MODEL owl --sparsity 0.7 --text calibration.jsonl --length 256 --out PRUNED
  allot prune MODEL --sparsity 0.5 --pattern 2:4 --stats S.safetensors --propagate dense --out PRUNED
  allot prune MODEL my.allot --sparsity 0.6 --method sparsegpt --text c4.jsonl --out PRUNED
  allot prune MODEL allocation.json --text calibration.jsonl --length 256 --out PRUNED")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// The allocation script: a file, `-` for standard input, or the name of a published script; or an allocation file in JSON,
    /// as written by `allot export` and `allot import`
    #[arg(default_value = "uniform")]
    script: String,
    #[command(flatten)]
    written: WrittenScript,
    /// The target sparsity, from 0 to 1: the share of all weights in the blocks' linears to prune
    /// (not needed with a fixed pattern such as `2:4` or an allocation file, which have their own)
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio)]
    sparsity: Option<f64>,
    /// Method that chooses the weights to prune: magnitude, wanda, sparsegpt, ria, or a script with a metric (default: the
    /// script's own metric if it has one, else wanda)
    #[arg(long)]
    method: Option<String>,
    #[command(flatten)]
    calibration: CalibrationArguments,
    /// Allocation unit to use instead of the script's own: block, projection or row
    #[arg(long, value_parser = crate::cli::shared::values::unit)]
    unit: Option<UnitKind>,
    /// Pattern of the zeros: unstructured, N:M (`2:4` prunes two of every four weights), or `n:M` (such as `n:4`) with the
    /// number n that follows from each unit's ratio
    #[arg(long, default_value = "unstructured")]
    pattern: Pattern,
    /// Inputs of later blocks during pruning: the outputs of `pruned` blocks, as published, or of `dense` ones
    #[arg(long, default_value = "pruned", value_parser = crate::cli::shared::values::propagation)]
    propagate: Propagation,
    /// Rounding of ratios to numbers of weights: `exact`, or as in the `reference` code of the methods
    #[arg(long, default_value = "exact", value_parser = rounding)]
    rounding: Rounding,
    /// Output folder
    #[arg(long, short)]
    out: PathBuf,
    /// Replaces an existing output folder if allot wrote it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

fn rounding(word: &str) -> Result<Rounding, String> {
    match word {
        "exact" => Ok(Rounding::Exact),
        "reference" => Ok(Rounding::Reference),
        _ => Err("write `exact` or `reference`".to_owned()),
    }
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let source =
        allocation::load(&arguments.written.or(Some(&arguments.script)), arguments.unit, common.quiet)?;
    let name = arguments.method.as_deref();
    let method = match (&source, name) {
        (_, Some(name)) => scripts::method(name)?,
        (RatioSource::Script(loaded), None) => loaded.method(),
        (RatioSource::File(..), None) => Method::Wanda,
    };
    if let RatioSource::Script(loaded) = &source
        && arguments.pattern != Pattern::Unstructured
        && let Some(op) = Needs::of_scripts([&loaded.script], &metric_of(&method)?).measured()
    {
        return Err(TrialError::MeasuredPattern { op, pattern: arguments.pattern }.into());
    }
    if arguments.dry_run.dry_run {
        return forecast(arguments, &source, &method, common);
    }
    let checkpoint = model::open(&arguments.model, common)?;
    // Checked before hours of calibration.
    check_target(&checkpoint, &arguments.out, arguments.force)?;
    let mut session = arguments.calibration.session(checkpoint, common.quiet)?;
    collect(&source, &method, &mut session)?;
    let Decided { allocation, unit, script } = decide(&source, arguments, &method, &mut session)?;
    let writing = Deferred::begin(&arguments.out);
    let options = PruneOptions {
        pattern: arguments.pattern,
        rounding: arguments.rounding,
        propagation: arguments.propagate,
        unit,
        interrupt: Some(writing.flag()),
        ..PruneOptions::new(method)
    };
    let report = session.prune(&allocation, &options, &arguments.out, arguments.force, script)?;
    drop(writing);
    match common.format {
        Format::Json => output::print_json(DocumentKind::Pruning, &report)?,
        Format::Text if common.quiet => {}
        Format::Text => output::print(&report::pruned::text(&report, &arguments.out))?,
    }
    Ok(Verdict::Fine)
}

/// Prints the resources that the command would take.
fn forecast(
    arguments: &Arguments,
    source: &RatioSource,
    method: &Method,
    common: Common,
) -> Result<Verdict, CliError> {
    let outline = Outline::read(&arguments.model)?;
    let mut work = vec![(Work::Check, 1)];
    if let RatioSource::Script(loaded) = source {
        work.extend(arguments.calibration.work(&outline, loaded, method, arguments.unit)?);
    }
    let windows = arguments.calibration.windows(&outline)?;
    let pruning = Pruning {
        windows: windows.filter(|_| !Needs::of_method(method).is_empty()),
        hessians: matches!(method, Method::SparseGpt { .. }),
        propagates: arguments.propagate == Propagation::Pruned,
        writes: true,
    };
    work.push((Work::Prune(pruning), 1));
    outline.show(&work, arguments.calibration.memory(), Some(&arguments.out), common)
}

/// Collects what the script and the method need in one pass, and draws the windows. Nothing is written yet.
fn collect(source: &RatioSource, method: &Method, session: &mut Session) -> Result<(), CliError> {
    let needs = match source {
        RatioSource::Script(loaded) => Needs::of_scripts([&loaded.script], &metric_of(method)?),
        RatioSource::File(..) => Needs::default(),
    };
    session.statistics(&needs.and(Needs::of_method(method).beyond_inputs()))?;
    Ok(session.prepare_pruning(method)?)
}

/// The allocation of a script or of an allocation file.
struct Decided {
    allocation: Allocation,
    unit: UnitKind,
    /// The script, as recorded in the pruned model's folder.
    script: Option<ScriptSource>,
}

/// Evaluates a script, or takes an allocation file's ratios.
fn decide(
    source: &RatioSource,
    arguments: &Arguments,
    method: &Method,
    session: &mut Session,
) -> Result<Decided, CliError> {
    let loaded = match source {
        RatioSource::Script(loaded) => loaded,
        RatioSource::File(file, name) => {
            let sparsity = match arguments.pattern {
                // The pattern decides the sparsity; only the linears' names of the file matter.
                Pattern::Fixed { .. } => None,
                _ => arguments.sparsity,
            };
            let allocation = session.allocation_of_file(file, name, sparsity)?;
            return Ok(Decided { allocation, unit: file.unit, script: None });
        }
    };
    let sparsity = match (arguments.sparsity, arguments.pattern) {
        (Some(sparsity), _) => sparsity,
        (None, Pattern::Fixed { n, m }) => n as f64 / m as f64,
        (None, _) => return Err(CliError::NoSparsity),
    };
    let options = AllocationOptions { method, unit: arguments.unit, ..AllocationOptions::at(sparsity) };
    let outcome = session.allocate(loaded, &options)?;
    Ok(Decided { allocation: outcome.allocation, unit: outcome.unit, script: Some(loaded.source()) })
}
