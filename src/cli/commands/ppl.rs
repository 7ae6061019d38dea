//! `allot ppl`: perplexity by the usual protocol of the pruning literature.

use std::path::{Path, PathBuf};

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::progress::watch;
use crate::cli::shared::text::WindowArguments;
use crate::cli::shared::values::bytes;
use crate::cli::shared::{model, output, pruned as in_memory};
use crate::forecast::Work;
use crate::json::DocumentKind;
use crate::measure::Perplexity;
use crate::model::Checkpoint;
use crate::report::number::{counted, grouped};
use crate::session::{Calibration, Session};
use crate::stats::Source;

/// Measures perplexity on a text, which is joined, tokenised and cut into windows that do not overlap
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot ppl MODEL --text wiki.test.raw
  allot ppl MODEL --text report.jsonl --length 256 --limit 64 --format json
  allot ppl MODEL --tokens ids.safetensors:eval_ids
  allot ppl MODEL --text wiki.test.raw --allocation allocation.json --stats S.safetensors")]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    model: PathBuf,
    #[command(flatten)]
    windows: WindowArguments,
    /// Memory that the weights may take, such as 8GiB; a larger model streams block by block, and activations that do not fit
    /// beside a block go to a scratch file in TMPDIR (default: the free memory)
    #[arg(long, env = "ALLOT_MEMORY", hide_env_values = true, value_parser = bytes, value_name = "BYTES")]
    memory: Option<u64>,
    /// Prunes the model in memory by this allocation file before measuring; no model is written
    #[arg(long, value_name = "FILE")]
    allocation: Option<PathBuf>,
    /// Method that chooses the weights to prune for the allocation: wanda, magnitude, ria, or a script with a metric
    #[arg(long, default_value = "wanda", requires = "allocation")]
    method: String,
    /// Statistics of the dense model for choosing weights: a file written by `allot stats`
    #[arg(long, value_name = "FILE", requires = "allocation")]
    stats: Option<PathBuf>,
    /// Collects those statistics on these texts instead, in windows of `--length` tokens
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "allocation", conflicts_with = "stats")]
    calibration: Vec<PathBuf>,
    /// Number of windows to draw from the calibration texts
    #[arg(long, default_value_t = 128, value_parser = crate::cli::shared::values::count, requires = "calibration")]
    samples: usize,
    /// Seed for drawing the windows
    #[arg(long, default_value_t = 0, requires = "calibration")]
    seed: u64,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    if arguments.dry_run.dry_run {
        return forecast(arguments, common);
    }
    let checkpoint = model::open(&arguments.model, common)?;
    let source = arguments.windows.source();
    let measured = match &arguments.allocation {
        Some(path) => pruned(arguments, path, checkpoint, &source, common.quiet)?,
        None => Session::of(checkpoint).watched(watch(common.quiet)).perplexity(
            &source,
            arguments.windows.length,
            arguments.windows.limit,
            arguments.memory,
        )?,
    };
    match common.format {
        Format::Json => output::print_json(DocumentKind::Perplexity, &measured)?,
        Format::Text => output::print(&format!(
            "perplexity {:.4} on {} tokens, {} of {}\n",
            measured.perplexity,
            grouped(measured.tokens as u64),
            counted(measured.windows, "window"),
            measured.length
        ))?,
    }
    Ok(Verdict::Fine)
}

/// Prints the resources that the command would take.
fn forecast(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let outline = Outline::read(&arguments.model)?;
    let (length, limit) = (arguments.windows.length, arguments.windows.limit);
    let windows = outline.windows(&arguments.windows.source(), length, limit)?;
    let mut work = vec![(Work::Check, 1)];
    if arguments.allocation.is_some() {
        work.extend(in_memory::pruning(&outline, &arguments.calibration, arguments.samples, length)?);
    }
    work.push((Work::Measure(windows, 1), 1));
    outline.show(&work, arguments.memory, None, common)
}

/// Measures a model that is pruned in memory by an allocation file, with the dense model's statistics.
fn pruned(
    arguments: &Arguments,
    path: &Path,
    checkpoint: Checkpoint,
    source: &Source,
    quiet: bool,
) -> Result<Perplexity, CliError> {
    // A wrong text is reported before the long work.
    let tokens = source.windows(&checkpoint, arguments.windows.length, arguments.windows.limit)?;
    model::warn_of_texts(tokens.special_tokens(), quiet);
    let calibration = (!arguments.calibration.is_empty()).then(|| Calibration {
        samples: arguments.samples,
        length: arguments.windows.length,
        seed: arguments.seed,
        memory: arguments.memory,
        ..Calibration::of(Source::Text(arguments.calibration.clone()))
    });
    let session = Session::of(checkpoint.clone()).watched(watch(quiet));
    let (method, stats) = (&arguments.method, arguments.stats.as_deref());
    let decoder = in_memory::pruned(checkpoint, path, method, stats, calibration, quiet)?;
    Ok(session.decoder_perplexity(&decoder, &tokens)?)
}
