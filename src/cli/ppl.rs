//! `allot ppl`: perplexity by the field's protocol.

use std::path::{Path, PathBuf};

use super::calibration::calibrated;
use super::input::Input;
use super::progress::Progress;
use super::text::{TextArguments, bytes};
use super::{CliError, Common, Format, Outcome, allocation, model, output, scripts};
use crate::measure::{perplexity, perplexity_of};
use crate::model::{Checkpoint, Decoder};
use crate::prune::{Method, Options, Propagation, prune_in_memory};
use crate::report::number::grouped;
use crate::stats::{CalibrationOptions, Statistics};

/// Measures perplexity: the text is joined, tokenised, and cut into windows that do not overlap
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot ppl MODEL --text wiki.test.raw
  allot ppl MODEL --text report.jsonl --length 256 --limit 64 --format json
  allot ppl MODEL --tokens ids.safetensors:eval_ids
  allot ppl MODEL --text wiki.test.raw --allocation allocation.json --stats S.safetensors")]
pub(super) struct Arguments {
    /// The model's folder, as Hugging Face lays it out, or its id in the hub, `OWNER/NAME`
    model: PathBuf,
    #[command(flatten)]
    text: TextArguments,
    /// How many tokens a window has; ready ids have their own
    #[arg(long, default_value_t = 2048)]
    length: usize,
    /// The most windows that are measured
    #[arg(long)]
    limit: Option<usize>,
    /// How much memory the weights may take; a larger model streams block by block, and activations that do not fit beside a
    /// block go to a scratch file in TMPDIR (default: what is free)
    #[arg(long, value_parser = bytes, value_name = "BYTES")]
    memory: Option<u64>,
    /// Measures the model as it is when pruned by this allocation file, in memory: nothing is written
    #[arg(long, value_name = "FILE")]
    allocation: Option<PathBuf>,
    /// How the allocation's weights are chosen: wanda, magnitude, ria, or a script with a metric
    #[arg(long, default_value = "wanda", requires = "allocation")]
    method: String,
    /// The dense model's statistics, by which weights are chosen: the file that `allot stats` wrote
    #[arg(long, value_name = "FILE", requires = "allocation")]
    stats: Option<PathBuf>,
    /// Collects them on these texts instead: windows of `--length` tokens
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "allocation", conflicts_with = "stats")]
    calibration: Vec<PathBuf>,
    /// How many windows are drawn from the calibration texts
    #[arg(long, default_value_t = 128, requires = "calibration")]
    samples: usize,
    /// What the windows are drawn by
    #[arg(long, default_value_t = 0, requires = "calibration")]
    seed: u64,
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    let checkpoint = model::open(&arguments.model, common)?;
    checkpoint.check_finite()?;
    let tokens = arguments.text.source().windows(&checkpoint, arguments.length, arguments.limit)?;
    let pruned = match &arguments.allocation {
        Some(path) => Some(pruned(arguments, path, &checkpoint, common.quiet)?),
        None => None,
    };
    let bar = Progress::new("perplexity", common.quiet);
    let measured = match pruned {
        Some(decoder) => {
            let windows = tokens.samples().max(1) as f64;
            perplexity(&decoder, &tokens, &mut |done, value| {
                bar.at(done as f64 / windows);
                bar.value(value);
            })?
        }
        None => perplexity_of(
            &checkpoint,
            &tokens,
            &checkpoint.device(),
            arguments.memory,
            &mut |share, value| {
                bar.at(share);
                if let Some(value) = value {
                    bar.value(value);
                }
            },
        )?,
    };
    bar.done();
    match common.format {
        Format::Json => output::print_json(&measured)?,
        Format::Text => output::print(&format!(
            "perplexity {:.4} on {} tokens, {} windows of {}\n",
            measured.perplexity,
            grouped(measured.tokens as u64),
            measured.windows,
            measured.length
        ))?,
    }
    Ok(Outcome::Fine)
}

/// Prunes a model in memory by an allocation file, with the dense model's statistics.
fn pruned(
    arguments: &Arguments,
    path: &Path,
    checkpoint: &Checkpoint,
    quiet: bool,
) -> Result<Decoder, CliError> {
    let input = Input::read(path)?;
    let name = input.name.clone();
    let file = allocation::read(input, None)?;
    let decided = allocation::of_model(&file, &name, checkpoint, None, quiet)?;
    let method = match Method::named(&arguments.method) {
        Some(method) => method,
        None => Method::Metric(scripts::load_metric(&arguments.method)?),
    };
    let statistics = match (&arguments.stats, arguments.calibration.is_empty()) {
        (Some(path), _) => Some(Statistics::load(path, checkpoint)?),
        (None, true) => None,
        (None, false) => {
            let texts = crate::stats::Source::Text(arguments.calibration.clone());
            let tokens = texts.draw(checkpoint, arguments.samples, arguments.length, arguments.seed)?;
            let options = CalibrationOptions { memory: arguments.memory, ..CalibrationOptions::default() };
            Some(calibrated(checkpoint, &tokens, arguments.seed, options, quiet)?)
        }
    };
    let options = Options {
        propagation: Propagation::Dense,
        unit: file.unit,
        statistics: statistics.as_ref(),
        ..Options::new(method)
    };
    let blocks = checkpoint.config().blocks as f64;
    let bar = Progress::new("pruning", quiet);
    let (decoder, _) =
        prune_in_memory(checkpoint, &decided, &options, &mut |done| bar.at(done as f64 / blocks))?;
    bar.done();
    Ok(decoder)
}
