//! `allot stats`: the calibration pass.

use std::path::PathBuf;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::interrupt::Deferred;
use crate::cli::shared::progress::{Progress, say_collected, watch};
use crate::cli::shared::scripts::{self, Named, WrittenScripts};
use crate::cli::shared::values::{bytes, count};
use crate::cli::shared::{context, model, output};
use crate::forecast::{Calibration, Evaluation, Work};
use crate::json::DocumentKind;
use crate::lang::ops::Op;
use crate::lang::program::Metric;
use crate::lang::types::UnitKind;
use crate::model::Checkpoint;
use crate::prune::Method;
use crate::report::number;
use crate::session::{AllocationOptions, Event, LoadedScript, Needs, Phase, Session, metric_of};
use crate::stats::{
    CalibrationOptions, Collection, Pass, RECONSTRUCTION_GROUP, Reconstruction, Source, Statistics, collect,
    spectra,
};
use crate::trial::cancel::Cancel;
use crate::trial::uniform_marginals::{WantedMarginals, add_uniform_marginals};

/// Collects a model's statistics on a text: what scripts and pruning methods use beside the weights
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot stats MODEL --text calibration.jsonl --out MODEL.stats.safetensors
  allot stats MODEL --text c4.jsonl --samples 128 --length 2048 --seed 0 --out S.safetensors
  allot stats MODEL --tokens ids.safetensors:calib_ids --gradients --out S.safetensors
  allot stats MODEL --text c4.jsonl --marginals --sparsity 0.6 --method wanda --out S.safetensors
  allot stats MODEL --stats S.safetensors --reductions owl my.allot --out S.safetensors --force")]
pub(in crate::cli) struct Arguments {
    /// The model's folder, as Hugging Face lays it out, or its id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// Text files: plain text, or JSON lines with a `text` field; packed by gzip or zstd or not
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present_any = ["tokens", "stats"])]
    text: Vec<PathBuf>,
    /// Ready token ids of shape [samples, length]
    #[arg(long, value_name = "FILE.safetensors:NAME", conflicts_with = "text")]
    tokens: Option<String>,
    /// Adds to the statistics of this file instead of calibrating
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "tokens", "gradients", "hessians", "reconstruction_error", "marginals", "marginal_slopes"])]
    stats: Option<PathBuf>,
    /// How many windows are drawn from the text, or taken of the ready ids
    #[arg(long, default_value_t = 128, value_parser = count)]
    samples: usize,
    /// How many tokens a window of the text has (default: 2048, or the model's context where that is shorter)
    #[arg(long, value_parser = count)]
    length: Option<usize>,
    /// The seed by which the windows are drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also collects squared gradients (Pruner-Zero), for the terminal `gradient`
    #[arg(long)]
    gradients: bool,
    /// Also collects the Hessians of the output error (SparseGPT): much space, 4 * columns^2 bytes for each input
    #[arg(long)]
    hessians: bool,
    /// Also collects the least error of each linear's output when half of each row is removed (LSA), for `reconstruction_error`
    #[arg(long)]
    reconstruction_error: bool,
    /// Among how many columns together LSA chooses what goes; 0 for the whole row
    #[arg(long, value_name = "COLUMNS", default_value_t = RECONSTRUCTION_GROUP, requires = "reconstruction_error")]
    reconstruction_group: usize,
    /// Takes half of that number also from linears of fewer columns, as LSA's released code does
    #[arg(long, requires = "reconstruction_error")]
    reconstruction_as_coded: bool,
    /// Also measures what the divergence rises by for each weight more that is pruned, for `marginal`: at the model that is pruned uniformly
    /// to `--sparsity` by the scores of `--method`, and of use there alone
    #[arg(long)]
    marginals: bool,
    /// Also measures how that rises with the sparsity, for `marginal_slope`: once more at a higher sparsity
    #[arg(long)]
    marginal_slopes: bool,
    /// Also writes the squared singular values of every weight
    #[arg(long)]
    spectra: bool,
    /// Also writes what the reductions of these scripts give, so that evaluations with this file need not read the weights for them
    #[arg(long, value_name = "SCRIPT", num_args = 1..)]
    reductions: Vec<String>,
    #[command(flatten)]
    written: WrittenScripts,
    /// How weights are scored for marginals, and when those scripts do not say
    #[arg(long, default_value = "wanda")]
    method: String,
    /// The allocation unit, instead of those scripts' own: block, projection or row
    #[arg(long, value_parser = crate::cli::shared::values::unit)]
    unit: Option<UnitKind>,
    /// At which sparsity marginals are measured, and what `target` stands for in those scripts; of use only at this sparsity where it
    /// stands in a reduction
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, default_value_t = 0.5)]
    sparsity: f64,
    /// How much memory the work may take: activations that do not fit go to a scratch file in TMPDIR, and what cannot be
    /// done in it is refused at once (default: what is free)
    #[arg(long, env = "ALLOT_MEMORY", hide_env_values = true, value_parser = bytes, value_name = "BYTES")]
    memory: Option<u64>,
    /// The statistics file
    #[arg(long, short, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Overwrites the statistics file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    if arguments.dry_run.dry_run {
        return forecast(arguments, common);
    }
    if arguments.out.exists() && !arguments.force {
        return Err(CliError::Exists { path: arguments.out.clone() });
    }
    let checkpoint = model::open(&arguments.model, common)?;
    checkpoint.check_finite()?;
    // Before the long work: what is wrong with a script is known at once.
    let asked = reductions(arguments, common.quiet)?;
    let method = scripts::method(&arguments.method)?;
    let metric = metric_of(&method)?;
    let needs = needs(arguments, &asked, &metric);
    let mut statistics = match &arguments.stats {
        Some(path) => Statistics::load(path, &checkpoint)?,
        None => calibrated(arguments, (&needs, &metric), &checkpoint, common)?,
    };
    let blocks = checkpoint.config().blocks as f64;
    if arguments.spectra {
        let bar = Progress::new("spectra", common.quiet);
        let collected = spectra(&checkpoint, &mut |done| bar.at(done as f64 / blocks))?;
        bar.done();
        statistics.add_spectra(collected);
    }
    if !asked.is_empty() {
        let options = AllocationOptions {
            method: &method,
            unit: arguments.unit,
            ..AllocationOptions::at(arguments.sparsity)
        };
        let mut session = Session::of(checkpoint.clone()).with_collected(statistics)?;
        session.keep_reductions(&asked.iter().collect::<Vec<_>>(), &options)?;
        statistics = session.into_statistics().unwrap_or_default();
    }
    context::calibration(Some(&statistics));
    let writing = Deferred::begin(&arguments.out);
    statistics.save(&arguments.out)?;
    drop(writing);
    match common.format {
        Format::Json => output::print_json(DocumentKind::Statistics, &statistics.provenance)?,
        Format::Text if common.quiet => {}
        Format::Text => output::print(&format!(
            "statistics of {} linears on {} windows of {} tokens: {}\n",
            statistics.linears.len(),
            statistics.provenance.samples,
            statistics.provenance.length,
            arguments.out.display()
        ))?,
    }
    Ok(Verdict::Fine)
}

/// Says what the command would take.
fn forecast(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let outline = Outline::read(&arguments.model)?;
    let asked = reductions(arguments, common.quiet)?;
    let metric = metric_of(&scripts::method(&arguments.method)?)?;
    let needs = needs(arguments, &asked, &metric);
    let mut work = vec![(Work::Check, 1)];
    if arguments.stats.is_none() {
        let windows = outline.drawn(&source(arguments), arguments.samples, arguments.length)?;
        let calibration = Calibration {
            hessians: arguments.hessians,
            reconstruction: arguments.reconstruction_error || needs.has(Op::ReconstructionError),
            gradients: arguments.gradients || needs.has(Op::Gradient),
            marginals: passes(arguments, &needs),
            ..Calibration::of(windows)
        };
        work.push((Work::Calibrate(calibration), 1));
    }
    let evaluation = Evaluation::of(asked.iter().map(|it| &it.script));
    let evaluation = if arguments.spectra { evaluation.with_spectrum() } else { evaluation };
    if evaluation != Evaluation::default() {
        work.push((Work::Evaluate(evaluation), 1));
    }
    outline.show(&work, arguments.memory, Some(&arguments.out), common)
}

/// Loads the scripts whose reductions are kept.
fn reductions(arguments: &Arguments, quiet: bool) -> Result<Vec<LoadedScript>, CliError> {
    let named = arguments.reductions.iter().cloned().map(Named::Name).chain(arguments.written.named());
    named.map(|it| it.load(arguments.unit, quiet)).collect()
}

/// Returns what scripts need, and what choosing weights for marginals takes.
fn needs(arguments: &Arguments, asked: &[LoadedScript], metric: &Metric) -> Needs {
    let needs = Needs::of_scripts(asked.iter().map(|it| &it.script), metric);
    if arguments.marginals || arguments.marginal_slopes || needs.has_marginals() {
        return needs.and(Needs::of_method(&Method::Metric(metric.clone())));
    }
    needs
}

/// Returns how many pruned models go over the text for marginals.
fn passes(arguments: &Arguments, needs: &Needs) -> u64 {
    match (arguments.marginals, arguments.marginal_slopes || needs.has(Op::MarginalSlope)) {
        (_, true) => 2,
        (asked, false) => u64::from(asked || needs.has(Op::Marginal)),
    }
}

/// Returns what is calibrated on.
fn source(arguments: &Arguments) -> Source {
    match &arguments.tokens {
        Some(tokens) => Source::Tokens(tokens.as_str().into()),
        None => Source::Text(arguments.text.clone()),
    }
}

/// Calibrates on a text, with what is asked for and what scripts need.
fn calibrated(
    arguments: &Arguments,
    (needs, metric): (&Needs, &Metric),
    checkpoint: &Checkpoint,
    common: Common,
) -> Result<Statistics, CliError> {
    let tokens = source(arguments).draw(checkpoint, arguments.samples, arguments.length, arguments.seed)?;
    model::warn_of_texts(tokens.special_tokens(), common.quiet);
    let passes = passes(arguments, needs);
    let collected = [
        (Op::Marginal, arguments.marginals, arguments.marginals || needs.has(Op::Marginal)),
        (
            Op::MarginalSlope,
            arguments.marginal_slopes,
            arguments.marginal_slopes || needs.has(Op::MarginalSlope),
        ),
        (Op::Gradient, arguments.gradients, arguments.gradients || needs.has(Op::Gradient)),
        (
            Op::ReconstructionError,
            arguments.reconstruction_error,
            arguments.reconstruction_error || needs.has(Op::ReconstructionError),
        ),
    ];
    say_collected(&collected, common.quiet);
    let [_, _, (_, _, gradients), (_, _, reconstruction)] = collected;
    let options = CalibrationOptions {
        hessians: arguments.hessians,
        reconstruction: reconstruction.then_some(Reconstruction {
            group: arguments.reconstruction_group,
            as_coded: arguments.reconstruction_as_coded,
        }),
        memory: arguments.memory,
    };
    let wanted = Collection { calibration: Some(options), gradients, memory: arguments.memory };
    let needed = wanted.needed_bytes(checkpoint);
    if let Some(allowed) = arguments.memory.filter(|allowed| needed > *allowed) {
        let [needed, allowed] = [needed, allowed].map(number::bytes);
        return Err(CliError::Memory { needed, allowed });
    }
    let watch = watch(common.quiet);
    let mut progress = |pass: Pass, share| {
        watch(Event::Progress { phase: pass.into(), share, value: None });
        Ok::<(), CliError>(())
    };
    let none = Statistics::default();
    let mut statistics = collect(checkpoint, &tokens, arguments.seed, none, wanted, &mut progress)?;
    if passes > 0 {
        let wanted = WantedMarginals { metric, sparsities: &[arguments.sparsity], slopes: passes > 1 };
        let mut progress = |share| {
            watch(Event::Progress { phase: Phase::Marginals, share, value: None });
            Ok(())
        };
        let cancel = Cancel::default();
        add_uniform_marginals(checkpoint, &mut statistics, &tokens, wanted, &cancel, &mut progress)?;
    }
    Ok(statistics)
}
