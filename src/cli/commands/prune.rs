//! `allot prune`: a pruned model, in a folder of its own.

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

/// Prunes a model: a script says how much each part loses, a method which weights
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot prune MODEL --sparsity 0.5 --method magnitude --out PRUNED
  allot prune MODEL owl --sparsity 0.7 --text calibration.jsonl --length 256 --out PRUNED
  allot prune MODEL --sparsity 0.5 --pattern 2:4 --stats S.safetensors --propagate dense --out PRUNED
  allot prune MODEL my.allot --sparsity 0.6 --method sparsegpt --text c4.jsonl --out PRUNED
  allot prune MODEL allocation.json --text calibration.jsonl --length 256 --out PRUNED")]
pub(in crate::cli) struct Arguments {
    /// The model's folder, as Hugging Face lays it out, or its id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// The allocation script: a file, `-`, or the name of a published one; or an allocation file in JSON, as `allot export` and
    /// `allot import` write it
    #[arg(default_value = "uniform")]
    script: String,
    #[command(flatten)]
    written: WrittenScript,
    /// The share of all weights in the blocks' linears that is to be pruned, from 0 to 1
    /// (a fixed pattern such as `2:4` has its own, and so has an allocation file)
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio)]
    sparsity: Option<f64>,
    /// How weights are chosen: magnitude, wanda, sparsegpt, ria, or a script with a metric (default: by the script's own metric
    /// where it has one, else wanda)
    #[arg(long)]
    method: Option<String>,
    #[command(flatten)]
    calibration: CalibrationArguments,
    /// The allocation unit, instead of the script's own: block, projection or row
    #[arg(long, value_parser = crate::cli::shared::values::unit)]
    unit: Option<UnitKind>,
    /// Where zeros may stand: unstructured, N:M (`2:4` prunes two of every four), or `n:M` as the allocation has it
    #[arg(long, default_value = "unstructured")]
    pattern: Pattern,
    /// What later blocks see: what `pruned` blocks give, as published, or the `dense` ones
    #[arg(long, default_value = "pruned", value_parser = crate::cli::shared::values::propagation)]
    propagate: Propagation,
    /// How ratios become whole weights: `exact` counts, or as in the `reference` code
    #[arg(long, default_value = "exact", value_parser = rounding)]
    rounding: Rounding,
    /// The folder to be written
    #[arg(long, short)]
    out: PathBuf,
    /// Replaces the folder if allot wrote it
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
        && Needs::of_scripts([&loaded.script], &metric_of(&method)?).has_marginals()
    {
        return Err(TrialError::MarginalPattern { pattern: arguments.pattern }.into());
    }
    if arguments.dry_run.dry_run {
        return forecast(arguments, &source, &method, common);
    }
    let checkpoint = model::open(&arguments.model, common)?;
    // Before hours of calibration.
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

/// Says what the command would take.
fn forecast(
    arguments: &Arguments,
    source: &RatioSource,
    method: &Method,
    common: Common,
) -> Result<Verdict, CliError> {
    let outline = Outline::read(&arguments.model)?;
    let mut work = vec![(Work::Check, 1)];
    if let RatioSource::Script(loaded) = source {
        work.extend(arguments.calibration.work(&outline, loaded, method)?);
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

/// Collects what the script and the method need in one pass, and draws the windows, before anything is written.
fn collect(source: &RatioSource, method: &Method, session: &mut Session) -> Result<(), CliError> {
    let needs = match source {
        RatioSource::Script(loaded) => Needs::of_scripts([&loaded.script], &metric_of(method)?),
        RatioSource::File(..) => Needs::default(),
    };
    session.statistics(&needs.and(Needs::of_method(method).beyond_inputs()))?;
    Ok(session.prepare_pruning(method)?)
}

/// What a script or an allocation file decides.
struct Decided {
    allocation: Allocation,
    unit: UnitKind,
    /// What is written down of the script.
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
                // The pattern's sparsity is not the file's, and only the linears' names count.
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
