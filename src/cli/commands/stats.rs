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
use crate::trial::measured::{Wanted, add_measured};

/// Collects the statistics that scripts and pruning methods use besides the weights, by running a model on a text
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot stats MODEL --text calibration.jsonl --out MODEL.stats.safetensors
  allot stats MODEL --text c4.jsonl --samples 128 --length 2048 --seed 0 --out S.safetensors
  allot stats MODEL --tokens ids.safetensors:calib_ids --gradients --out S.safetensors
  allot stats MODEL --text c4.jsonl --marginals --sparsity 0.6 --method wanda --out S.safetensors
  allot stats MODEL --stats S.safetensors --reductions owl my.allot --out S.safetensors --force")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    model: PathBuf,
    /// Text files: plain text, or JSON lines with a field `text`; files may be compressed with gzip, zstd or bzip2
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present_any = ["tokens", "stats"])]
    text: Vec<PathBuf>,
    /// Token ids of shape [samples, length], instead of a text
    #[arg(long, value_name = "FILE.safetensors:NAME", conflicts_with = "text")]
    tokens: Option<String>,
    /// Adds to the statistics of this file instead of collecting new ones
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "tokens", "gradients", "hessians", "reconstruction_error", "input_kurtosis", "block_changes", "damage", "marginals", "marginal_slopes"])]
    stats: Option<PathBuf>,
    /// Number of windows to draw from the text, or to take from the start of the token ids
    #[arg(long, default_value_t = 128, value_parser = count)]
    samples: usize,
    /// Length of a window of the text in tokens (default: 2048, or the model's context if that is shorter)
    #[arg(long, value_parser = count)]
    length: Option<usize>,
    /// Seed for drawing the windows
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also collects squared gradients (Pruner-Zero), for the terminal `gradient`
    #[arg(long)]
    gradients: bool,
    /// Also collects the Hessians of the output error (SparseGPT), which take 4 * columns^2 bytes for each input
    #[arg(long)]
    hessians: bool,
    /// Also collects the lowest error of each linear's output when half of each row is removed (LSA), for the terminal
    /// `reconstruction_error`
    #[arg(long)]
    reconstruction_error: bool,
    /// Number of columns in a group within which LSA chooses the weights to remove; 0 for the whole row
    #[arg(long, value_name = "COLUMNS", default_value_t = RECONSTRUCTION_GROUP, requires = "reconstruction_error")]
    reconstruction_group: usize,
    /// Removes half of that number even from linears with fewer columns, as LSA's released code does
    #[arg(long, requires = "reconstruction_error")]
    reconstruction_as_coded: bool,
    /// Also collects the kurtosis of each linear's input, for the terminal `input_kurtosis`
    #[arg(long)]
    input_kurtosis: bool,
    /// Also collects how each block changes the residual stream, for the terminals `block_similarity` and `block_change`
    #[arg(long)]
    block_changes: bool,
    /// Also measures the divergence when only one unit is pruned, for the terminal `damage`, for each of the units of `--unit`
    /// (default: the unit of the scripts that use it, or block) at `--sparsity` by the scores of `--method`; it is valid only there
    #[arg(long)]
    damage: bool,
    /// Also measures by how much pruning one more weight raises the divergence, for the terminal `marginal`; it is measured at the
    /// model pruned uniformly to `--sparsity` by the scores of `--method`, and is valid only there
    #[arg(long)]
    marginals: bool,
    /// Also measures how marginals rise with the sparsity, for the terminal `marginal_slope`, by a second measurement at a higher
    /// sparsity
    #[arg(long)]
    marginal_slopes: bool,
    /// Also computes the squared singular values of every weight matrix
    #[arg(long)]
    spectra: bool,
    /// Also stores the results of these scripts' reductions, so that later evaluations with this file need not read the weights
    #[arg(long, value_name = "SCRIPT", num_args = 1..)]
    reductions: Vec<String>,
    #[command(flatten)]
    written: WrittenScripts,
    /// Method that scores weights for marginals and damages, and for scripts without a metric
    #[arg(long, default_value = "wanda")]
    method: String,
    /// Allocation unit of `--damage`, and to use instead of those scripts' own: block, projection or row
    #[arg(long, value_parser = crate::cli::shared::values::unit)]
    unit: Option<UnitKind>,
    /// Sparsity at which marginals and damages are measured, and the value of `target` in those scripts; a reduction that contains `target` is
    /// valid only at this sparsity
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, default_value_t = 0.5)]
    sparsity: f64,
    /// Memory that the command may take, such as 8GiB; activations that do not fit go to a scratch file in TMPDIR, and work that
    /// cannot fit is refused at once (default: the free memory)
    #[arg(long, env = "ALLOT_MEMORY", hide_env_values = true, value_parser = bytes, value_name = "BYTES")]
    memory: Option<u64>,
    /// Output file for the statistics
    #[arg(long, short, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Overwrites an existing statistics file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    if arguments.dry_run.dry_run {
        return forecast(arguments, common);
    }
    let checkpoint = model::open(&arguments.model, common)?;
    checkpoint.check_finite()?;
    // Loaded before the long work, so that a wrong script is reported at once.
    let asked = reductions(arguments, common.quiet)?;
    let method = scripts::method(&arguments.method)?;
    let metric = metric_of(&method)?;
    let needs = needs(arguments, &asked, &metric);
    let mut statistics = match &arguments.stats {
        Some(path) => Statistics::load(path, &checkpoint)?,
        None => {
            let damages = damages(arguments, &asked, &metric);
            calibrated(arguments, (&needs, &metric, &damages), &checkpoint, common)?
        }
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
            "statistics of {} linears on {} of {} tokens: {}\n",
            statistics.linears.len(),
            number::counted(statistics.provenance.samples, "window"),
            statistics.provenance.length,
            arguments.out.display()
        ))?,
    }
    Ok(Verdict::Fine)
}

/// Prints the resources that the command would take.
fn forecast(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let outline = Outline::read(&arguments.model)?;
    let asked = reductions(arguments, common.quiet)?;
    let metric = metric_of(&scripts::method(&arguments.method)?)?;
    let needs = needs(arguments, &asked, &metric);
    let mut work = vec![(Work::Check, 1)];
    if arguments.stats.is_none() {
        let windows = outline.drawn(&source(arguments), arguments.samples, arguments.length)?;
        let damages = damages(arguments, &asked, &metric);
        let calibration = Calibration {
            hessians: arguments.hessians,
            reconstruction: arguments.reconstruction_error || needs.has(Op::ReconstructionError),
            gradients: arguments.gradients || needs.has(Op::Gradient),
            input_kurtosis: arguments.input_kurtosis || needs.has(Op::InputKurtosis),
            damage_of_blocks: u64::from(damages.contains(&UnitKind::Block)),
            damage_of_linears: u64::from(damages.iter().any(|unit| *unit != UnitKind::Block)),
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

/// Loads the scripts whose reductions are stored.
fn reductions(arguments: &Arguments, quiet: bool) -> Result<Vec<LoadedScript>, CliError> {
    let named = arguments.reductions.iter().cloned().map(Named::Name).chain(arguments.written.named());
    named.map(|it| it.load(arguments.unit, quiet)).collect()
}

/// Returns the statistics that the scripts need, and those for choosing weights for marginals.
fn needs(arguments: &Arguments, asked: &[LoadedScript], metric: &Metric) -> Needs {
    let needs = Needs::of_scripts(asked.iter().map(|it| &it.script), metric);
    if arguments.damage || arguments.marginals || arguments.marginal_slopes || needs.measured().is_some() {
        return needs.and(Needs::of_method(&Method::Metric(metric.clone())));
    }
    needs
}

/// Returns the number of passes of pruned models over the text for marginals.
fn passes(arguments: &Arguments, needs: &Needs) -> u64 {
    match (arguments.marginals, arguments.marginal_slopes || needs.has(Op::MarginalSlope)) {
        (_, true) => 2,
        (asked, false) => u64::from(asked || needs.has(Op::Marginal)),
    }
}

/// Returns the units whose damage is measured, each kind once.
fn damages(arguments: &Arguments, asked: &[LoadedScript], metric: &Metric) -> Vec<UnitKind> {
    let uses = |it: &&LoadedScript| Needs::of_scripts([&it.script], metric).has(Op::Damage);
    let unit = |it: &LoadedScript| arguments.unit.or(it.script.unit).unwrap_or_default();
    let mut units: Vec<UnitKind> = asked.iter().filter(uses).map(unit).collect();
    if arguments.damage && (units.is_empty() || arguments.unit.is_some()) {
        units.push(arguments.unit.unwrap_or_default());
    }
    units.sort_unstable();
    units.dedup();
    units
}

/// Returns the source of the calibration tokens.
fn source(arguments: &Arguments) -> Source {
    match &arguments.tokens {
        Some(tokens) => Source::Tokens(tokens.as_str().into()),
        None => Source::Text(arguments.text.clone()),
    }
}

/// Collects the requested statistics and those that scripts need.
fn calibrated(
    arguments: &Arguments,
    (needs, metric, damages): (&Needs, &Metric, &[UnitKind]),
    checkpoint: &Checkpoint,
    common: Common,
) -> Result<Statistics, CliError> {
    let tokens = source(arguments).draw(checkpoint, arguments.samples, arguments.length, arguments.seed)?;
    model::warn_of_texts(tokens.special_tokens(), common.quiet);
    let passes = passes(arguments, needs);
    let collected = |op: Op, asked: bool| (op, asked, asked || needs.has(op));
    let gradients = collected(Op::Gradient, arguments.gradients);
    let reconstruction = collected(Op::ReconstructionError, arguments.reconstruction_error);
    let kurtosis = collected(Op::InputKurtosis, arguments.input_kurtosis);
    let similarity = collected(Op::BlockSimilarity, arguments.block_changes);
    let change = collected(Op::BlockChange, arguments.block_changes);
    let all = [
        collected(Op::Marginal, arguments.marginals),
        collected(Op::MarginalSlope, arguments.marginal_slopes),
        collected(Op::Damage, arguments.damage),
        gradients,
        reconstruction,
        kurtosis,
        similarity,
        change,
    ];
    say_collected(&all, common.quiet);
    let options = CalibrationOptions {
        hessians: arguments.hessians,
        reconstruction: reconstruction.2.then_some(Reconstruction {
            group: arguments.reconstruction_group,
            as_coded: arguments.reconstruction_as_coded,
        }),
        input_kurtosis: kurtosis.2,
        block_changes: similarity.2 || change.2,
        memory: arguments.memory,
    };
    let gradients = gradients.2;
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
    let wanted = Wanted {
        metric,
        sparsities: &[arguments.sparsity],
        marginals: passes > 0,
        slopes: passes > 1,
        damages,
    };
    let mut progress = |share| {
        watch(Event::Progress { phase: Phase::Measuring, share, value: None });
        Ok(())
    };
    let cancel = Cancel::default();
    add_measured(checkpoint, &mut statistics, &tokens, wanted, &cancel, &mut progress)?;
    Ok(statistics)
}
