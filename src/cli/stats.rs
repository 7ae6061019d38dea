//! `allot stats`: the calibration pass.

use std::path::PathBuf;

use candle_core::Device;

use super::progress::Progress;
use super::text::TextArguments;
use super::{CliError, Common, Format, Outcome, output};
use crate::interpret::data::Values;
use crate::model::Checkpoint;
use crate::stats::{calibrate, gradients};

/// Collects a model's statistics on a text: what scripts and pruning methods use beside the weights
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot stats MODEL --text calibration.jsonl --out MODEL.stats.safetensors
  allot stats MODEL --text c4.jsonl --samples 128 --length 2048 --seed 0 --out S.safetensors
  allot stats MODEL --tokens ids.safetensors:calib_ids --gradients --out S.safetensors")]
pub(super) struct Arguments {
    /// The model's folder, as Hugging Face lays it out
    model: PathBuf,
    #[command(flatten)]
    text: TextArguments,
    /// How many windows are drawn from the text, or taken of the ready ids
    #[arg(long, default_value_t = 128)]
    samples: usize,
    /// How many tokens a window has; ready ids have their own
    #[arg(long, default_value_t = 2048)]
    length: usize,
    /// What the windows are drawn by
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also collects squared gradients (Pruner-Zero), for the terminal `gradient`
    #[arg(long)]
    gradients: bool,
    /// The statistics file
    #[arg(long, short, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Overwrites the statistics file
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<Outcome, CliError> {
    if arguments.out.exists() && !arguments.force {
        return Err(CliError::Exists { path: arguments.out.clone() });
    }
    let checkpoint = Checkpoint::open(&arguments.model)?;
    checkpoint.check_finite()?;
    let source = arguments.text.source();
    let tokens = source.draw(&checkpoint, arguments.samples, arguments.length, arguments.seed)?;
    let blocks = checkpoint.config().blocks as f64;
    let bar = Progress::new("calibrating", common.quiet);
    let mut statistics = calibrate(&checkpoint, &tokens, arguments.seed, &Device::Cpu, &mut |done| {
        bar.at(done as f64 / blocks);
    })?;
    bar.done();
    if arguments.gradients {
        let bar = Progress::new("gradients", common.quiet);
        let collected = gradients(&checkpoint, &tokens, &Device::Cpu, &mut |done| {
            bar.at(done as f64 / (2.0 * blocks));
        })?;
        bar.done();
        for (module, gradient) in collected {
            if let Some(linear) = statistics.linears.get_mut(&module) {
                linear.gradient = Some(Values::F32(gradient.into()));
            }
        }
    }
    statistics.save(&arguments.out)?;
    match common.format {
        Format::Json => output::print_json(&statistics.provenance)?,
        Format::Text if common.quiet => {}
        Format::Text => output::print(&format!(
            "statistics of {} linears on {} windows of {} tokens: {}\n",
            statistics.linears.len(),
            tokens.samples(),
            tokens.length(),
            arguments.out.display()
        ))?,
    }
    Ok(Outcome::Fine)
}
