//! `allot prune`: a pruned model, in a folder of its own.

use std::path::PathBuf;

use super::allocation::{self, Source};
use super::calibration::CalibrationArguments;
use super::interrupt::Deferred;
use super::progress::Progress;
use super::{CliError, Common, Format, Outcome, eval, model, output, scripts};
use crate::allocate::script::Request;
use crate::allocate::{Allocation, Bounds};
use crate::lang::canonical;
use crate::lang::program::{Metric, Script};
use crate::lang::types::UnitKind;
use crate::model::Checkpoint;
use crate::prune::{self, Method, Options, Pattern, Propagation, Rounding, ScriptSource};
use crate::report;
use crate::stats::Statistics;

/// Prunes a model: a script says how much each part loses, a method which weights
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot prune MODEL --sparsity 0.5 --method magnitude --out PRUNED
  allot prune MODEL owl --sparsity 0.7 --text calibration.jsonl --length 256 --out PRUNED
  allot prune MODEL --sparsity 0.5 --pattern 2:4 --stats S.safetensors --propagate dense --out PRUNED
  allot prune MODEL my.allot --sparsity 0.6 --method sparsegpt --text c4.jsonl --out PRUNED
  allot prune MODEL allocation.json --text calibration.jsonl --length 256 --out PRUNED")]
pub(super) struct Arguments {
    /// The model's folder, as Hugging Face lays it out, or its id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// The allocation script: a file, `-`, or the name of a published one; or an allocation file in JSON, as `allot export` and
    /// `allot import` write it
    #[arg(default_value = "uniform")]
    script: String,
    /// The share of all weights in the blocks' linears that is to be pruned, from 0 to 1
    /// (a fixed pattern such as `2:4` has its own, and so has an allocation file)
    #[arg(long, short, value_name = "RATIO")]
    sparsity: Option<f64>,
    /// How weights are chosen: magnitude, wanda, sparsegpt, ria, or a script with a metric
    #[arg(long, default_value = "wanda")]
    method: String,
    #[command(flatten)]
    calibration: CalibrationArguments,
    /// The allocation unit, instead of the script's own: block or projection
    #[arg(long, value_parser = super::unit)]
    unit: Option<UnitKind>,
    /// Where zeros may stand: unstructured, N:M (`2:4` prunes two of every four), or `n:M` as the allocation has it
    #[arg(long, default_value = "unstructured")]
    pattern: Pattern,
    /// What later blocks see: what `pruned` blocks give, as published, or the `dense` ones
    #[arg(long, default_value = "pruned", value_parser = propagation)]
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
}

pub(super) fn propagation(word: &str) -> Result<Propagation, String> {
    match word {
        "pruned" => Ok(Propagation::Pruned),
        "dense" => Ok(Propagation::Dense),
        _ => Err("write `pruned` or `dense`".to_owned()),
    }
}

fn rounding(word: &str) -> Result<Rounding, String> {
    match word {
        "exact" => Ok(Rounding::Exact),
        "reference" => Ok(Rounding::Reference),
        _ => Err("write `exact` or `reference`".to_owned()),
    }
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    let source = allocation::load(&arguments.script, arguments.unit, common.quiet)?;
    let metric = scripts::load_metric(&arguments.method)?;
    let checkpoint = model::open(&arguments.model, common)?;
    checkpoint.check_finite()?;
    let tokens = arguments.calibration.windows(&checkpoint)?;
    // With a text, the pruner collects its own statistics on the way; dense ones are for the allocation.
    let scripts: Vec<&Script> = match &source {
        Source::Script(loaded) => vec![&loaded.script],
        Source::File(..) => Vec::new(),
    };
    let statistics = arguments.calibration.statistics(&checkpoint, &scripts, &metric, common.quiet)?;
    let Decided { allocation, unit, script, own_metric } =
        decide(source, arguments, &metric, &checkpoint, statistics.as_ref(), common.quiet)?;
    // A script's own metric says how its weights are chosen, unless the method is said.
    let method = match (Method::named(&arguments.method), own_metric) {
        (Some(Method::Wanda), Some(metric)) => Method::Metric(metric),
        (Some(method), _) => method,
        (None, _) => Method::Metric(metric),
    };
    let writing = Deferred::begin();
    let options = Options {
        pattern: arguments.pattern,
        rounding: arguments.rounding,
        propagation: arguments.propagate,
        unit,
        tokens: tokens.as_ref(),
        statistics: statistics.as_ref(),
        seed: tokens.as_ref().map(|_| arguments.calibration.seed),
        memory: arguments.calibration.memory,
        interrupt: Some(writing.flag()),
        ..Options::new(method)
    };
    let folder = prune::Output { folder: &arguments.out, force: arguments.force, script };
    let blocks = checkpoint.config().blocks as f64;
    let bar = Progress::new("pruning", common.quiet);
    let report = prune::prune(&checkpoint, &allocation, &options, folder, &mut |done| {
        bar.at(done as f64 / blocks);
    })?;
    drop(writing);
    bar.done();
    match common.format {
        Format::Json => output::print_json(&report)?,
        Format::Text if common.quiet => {}
        Format::Text => output::print(&report::pruned::text(&report, &arguments.out))?,
    }
    Ok(Outcome::Fine)
}

/// What a script or an allocation file decides.
struct Decided {
    allocation: Allocation,
    unit: UnitKind,
    /// What is written down of the script.
    script: Option<ScriptSource>,
    /// The script's own metric.
    own_metric: Option<Metric>,
}

/// Evaluates a script, or takes an allocation file's ratios.
fn decide(
    source: Source,
    arguments: &Arguments,
    metric: &Metric,
    checkpoint: &Checkpoint,
    statistics: Option<&Statistics>,
    quiet: bool,
) -> Result<Decided, CliError> {
    let loaded = match source {
        Source::Script(loaded) => loaded,
        Source::File(file, name) => {
            let sparsity = match arguments.pattern {
                // The pattern's sparsity is not the file's, and only the linears' names count.
                Pattern::Fixed { .. } => None,
                _ => arguments.sparsity,
            };
            let allocation = allocation::of_model(&file, &name, checkpoint, sparsity, quiet)?;
            return Ok(Decided { allocation, unit: file.unit, script: None, own_metric: None });
        }
    };
    let target = match (arguments.sparsity, arguments.pattern) {
        (Some(sparsity), _) => sparsity,
        (None, Pattern::Fixed { n, m }) => n as f64 / m as f64,
        (None, _) => return Err(CliError::NoSparsity),
    };
    let outcome = eval::on_model(checkpoint, statistics, |data, reductions| {
        let bounds = Bounds::default();
        let request = Request { metric, unit: arguments.unit, target, bounds, reductions };
        eval::allocated(&loaded, data, request, quiet)
    })?;
    Ok(Decided {
        allocation: outcome.allocation,
        unit: outcome.unit,
        script: Some(ScriptSource {
            name: loaded.name.clone(),
            text: loaded.source.clone(),
            hash: canonical::hash(&loaded.script),
        }),
        own_metric: loaded.script.metric.clone(),
    })
}
