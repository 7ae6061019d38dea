//! `allot kl`: the divergence of a pruned model's predictions from the dense model's.

use std::path::PathBuf;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::progress::watch;
use crate::cli::shared::text::WindowArguments;
use crate::cli::shared::values::bytes;
use crate::cli::shared::{model, output};
use crate::forecast::Work;
use crate::json::DocumentKind;
use crate::report::number::{counted, grouped};
use crate::session::Session;

/// Measures the mean divergence KL(dense || other) of a model's predictions from the dense model's, in nats
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot kl DENSE PRUNED --text selection.jsonl --length 256
  allot kl DENSE PRUNED --tokens ids.safetensors:fitness_ids --format json")]
pub(in crate::cli) struct Arguments {
    /// The dense model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    dense: PathBuf,
    /// The other model, such as a pruned one: a folder or an id
    other: PathBuf,
    #[command(flatten)]
    windows: WindowArguments,
    /// Memory that the weights of both models may take, such as 8GiB; larger models stream block by block, and activations that
    /// do not fit beside a block go to scratch files in TMPDIR (default: the free memory)
    #[arg(long, env = "ALLOT_MEMORY", hide_env_values = true, value_parser = bytes, value_name = "BYTES")]
    memory: Option<u64>,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    if arguments.dry_run.dry_run {
        let outline = Outline::read(&arguments.dense)?;
        let (length, limit) = (arguments.windows.length, arguments.windows.limit);
        let windows = outline.windows(&arguments.windows.source(), length, limit)?;
        return outline.show(
            &[(Work::Check, 2), (Work::Measure(windows, 2), 1)],
            arguments.memory,
            None,
            common,
        );
    }
    let dense = model::open(&arguments.dense, common)?;
    let other = model::open(&arguments.other, common)?;
    let (dense, other) = (Session::of(dense).watched(watch(common.quiet)), Session::of(other));
    let (source, memory) = (arguments.windows.source(), arguments.memory);
    let measured =
        dense.divergence(&other, &source, arguments.windows.length, arguments.windows.limit, memory)?;
    match common.format {
        Format::Json => output::print_json(DocumentKind::Divergence, &measured)?,
        Format::Text => output::print(&format!(
            "divergence {:.6} nats on {} tokens, {} of {}\n",
            measured.divergence,
            grouped(measured.tokens as u64),
            counted(measured.windows, "window"),
            measured.length
        ))?,
    }
    Ok(Verdict::Fine)
}
