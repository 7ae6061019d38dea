//! `allot kl`: how far a pruned model's predictions are from the dense model's.

use std::path::PathBuf;

use candle_core::Device;

use super::progress::Progress;
use super::text::TextArguments;
use super::{CliError, Common, Format, Outcome, output};
use crate::measure::divergence;
use crate::model::{Checkpoint, Decoder, hub::model_folder};
use crate::report::number::grouped;

/// Measures the mean divergence KL(dense || other) of a model's predictions from the dense model's
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot kl DENSE PRUNED --text selection.jsonl --length 256
  allot kl DENSE PRUNED --tokens ids.safetensors:fitness_ids --format json")]
pub(super) struct Arguments {
    /// The dense model's folder
    dense: PathBuf,
    /// The other model's folder
    other: PathBuf,
    #[command(flatten)]
    text: TextArguments,
    /// How many tokens a window has; ready ids have their own
    #[arg(long, default_value_t = 2048)]
    length: usize,
    /// The most windows that are measured
    #[arg(long)]
    limit: Option<usize>,
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    let dense = Checkpoint::open(model_folder(&arguments.dense)?)?;
    let other = Checkpoint::open(model_folder(&arguments.other)?)?;
    dense.check_finite()?;
    other.check_finite()?;
    let tokens = arguments.text.source().windows(&dense, arguments.length, arguments.limit)?;
    let dense = Decoder::load(&dense, &Device::Cpu)?;
    let other = Decoder::load(&other, &Device::Cpu)?;
    let windows = tokens.samples() as f64;
    let bar = Progress::new("divergence", common.quiet);
    let measured = divergence(&dense, &other, &tokens, &mut |done, value| {
        bar.at(done as f64 / windows);
        bar.value(value);
    })?;
    bar.done();
    match common.format {
        Format::Json => output::print_json(&measured)?,
        Format::Text => output::print(&format!(
            "divergence {:.6} nats on {} tokens, {} windows of {}\n",
            measured.divergence,
            grouped(measured.tokens as u64),
            measured.windows,
            measured.length
        ))?,
    }
    Ok(Outcome::Fine)
}
