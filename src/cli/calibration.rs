//! Statistics for commands that use them: from a file, or collected on the way.

use std::path::PathBuf;

use super::CliError;
use super::progress::Progress;
use super::text::bytes;
use crate::lang::ops::Op;
use crate::lang::program::{Metric, Script};
use crate::model::Checkpoint;
use crate::stats::{CalibrationOptions, Reconstruction, Source, Statistics, Tokens, calibrate_with};

/// Where a command's statistics come from.
#[derive(Debug, clap::Args)]
pub(super) struct CalibrationArguments {
    /// The statistics file that `allot stats` wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "tokens"])]
    pub(super) stats: Option<PathBuf>,
    /// Calibrates on these texts instead: plain text, or JSONL with a `text` field
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "tokens")]
    text: Vec<PathBuf>,
    /// Calibrates on ready token ids of shape [samples, length] instead
    #[arg(long, value_name = "FILE.safetensors:NAME")]
    tokens: Option<String>,
    /// How many windows are drawn from the text, or taken of the ready ids
    #[arg(long, default_value_t = 128)]
    samples: usize,
    /// How many tokens a window of the text has
    #[arg(long, default_value_t = 2048)]
    length: usize,
    /// What the windows are drawn by
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// How much memory the calibration may take; activations that do not fit go to a scratch file in TMPDIR (default: what is
    /// free)
    #[arg(long, value_parser = bytes, value_name = "BYTES")]
    pub(super) memory: Option<u64>,
}

impl CalibrationArguments {
    /// Returns the windows to calibrate on, or `None` when no text was given.
    ///
    /// # Errors
    /// Fails when the text cannot be read, or is shorter than a window.
    pub(super) fn windows(&self, checkpoint: &Checkpoint) -> Result<Option<Tokens>, CliError> {
        let source = match (&self.tokens, self.text.is_empty()) {
            (Some(tokens), _) => Source::Tokens(tokens.clone()),
            (None, false) => Source::Text(self.text.clone()),
            (None, true) => return Ok(None),
        };
        Ok(Some(source.draw(checkpoint, self.samples, self.length, self.seed)?))
    }

    /// Returns the dense model's statistics where scripts use any, `metric` being their score unless they have their own, or a file
    /// was given; `None` when neither a file nor a text was given. Of a text also the reconstruction errors are collected, where they
    /// are used.
    ///
    /// # Errors
    /// Fails when the file or the text cannot be used with the model.
    pub(super) fn statistics(
        &self,
        checkpoint: &Checkpoint,
        scripts: &[&Script],
        metric: &Metric,
        quiet: bool,
    ) -> Result<Option<Statistics>, CliError> {
        let used = |op: Op| scripts.iter().any(|script| script.allocates_by(op, metric));
        // A file is of use even to scripts that need none: it may hold what their reductions give.
        if let Some(path) = &self.stats {
            return Ok(Some(Statistics::load(path, checkpoint)?));
        }
        if !Op::COLLECTED.into_iter().any(used) {
            return Ok(None);
        }
        let Some(tokens) = self.windows(checkpoint)? else { return Ok(None) };
        let options = CalibrationOptions {
            reconstruction: used(Op::ReconstructionError).then(Reconstruction::default),
            memory: self.memory,
            ..CalibrationOptions::default()
        };
        Ok(Some(calibrated(checkpoint, &tokens, self.seed, options, quiet)?))
    }
}

/// Collects statistics on windows of a text, with a progress bar.
///
/// # Errors
/// Fails when the windows do not fit the model, or the memory does not suffice.
pub(super) fn calibrated(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    seed: u64,
    options: CalibrationOptions,
    quiet: bool,
) -> Result<Statistics, CliError> {
    let blocks = checkpoint.config().blocks as f64;
    let bar = Progress::new("calibrating", quiet);
    let mut progress = |done| bar.at(done as f64 / blocks);
    let statistics = calibrate_with(checkpoint, tokens, seed, &checkpoint.device(), options, &mut progress)?;
    bar.done();
    Ok(statistics)
}
