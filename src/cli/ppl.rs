//! `allot ppl`: perplexity by the field's protocol.

use std::path::PathBuf;

use candle_core::Device;

use super::progress::Progress;
use super::text::{TextArguments, bytes};
use super::{CliError, Common, Format, Outcome, model, output};
use crate::measure::perplexity_of;
use crate::report::number::grouped;

/// Measures perplexity: the text is joined, tokenised, and cut into windows that do not overlap
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot ppl MODEL --text wiki.test.raw
  allot ppl MODEL --text report.jsonl --length 256 --limit 64 --format json
  allot ppl MODEL --tokens ids.safetensors:eval_ids")]
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
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    let checkpoint = model::open(&arguments.model, common.quiet)?;
    checkpoint.check_finite()?;
    let tokens = arguments.text.source().windows(&checkpoint, arguments.length, arguments.limit)?;
    let bar = Progress::new("perplexity", common.quiet);
    let measured =
        perplexity_of(&checkpoint, &tokens, &Device::Cpu, arguments.memory, &mut |share, value| {
            bar.at(share);
            if let Some(value) = value {
                bar.value(value);
            }
        })?;
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
