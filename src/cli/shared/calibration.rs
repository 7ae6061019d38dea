//! Statistics for commands that use them: from a file, or collected on the way.

use std::path::PathBuf;

use super::error::CliError;
use super::progress::watch;
use super::values::bytes;
use crate::model::Checkpoint;
use crate::session::{Calibration, Session};
use crate::stats::Source;

/// Where a command's statistics come from.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CalibrationArguments {
    /// The statistics file that `allot stats` wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "tokens"])]
    stats: Option<PathBuf>,
    /// Calibrates on these texts instead: plain text, or JSONL with a `text` field
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "tokens")]
    text: Vec<PathBuf>,
    /// Calibrates on ready token ids of shape [samples, length] instead
    #[arg(long, value_name = "FILE.safetensors:NAME")]
    tokens: Option<String>,
    /// How many windows are drawn from the text, or taken of the ready ids
    #[arg(long, default_value_t = 128)]
    samples: usize,
    /// How many tokens a window of the text has (default: 2048, or the model's context where that is shorter)
    #[arg(long)]
    length: Option<usize>,
    /// What the windows are drawn by
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How much memory the calibration may take; activations that do not fit go to a scratch file in TMPDIR (default: what is
    /// free)
    #[arg(long, value_parser = bytes, value_name = "BYTES")]
    memory: Option<u64>,
}

impl CalibrationArguments {
    /// Returns where statistics are collected, or `None` when no text was given.
    pub(in crate::cli) fn calibration(&self) -> Option<Calibration> {
        let source = match (&self.tokens, self.text.is_empty()) {
            (Some(tokens), _) => Source::Tokens(tokens.as_str().into()),
            (None, false) => Source::Text(self.text.clone()),
            (None, true) => return None,
        };
        let (samples, length, seed, memory) = (self.samples, self.length, self.seed, self.memory);
        Some(Calibration { source, samples, length, seed, memory })
    }

    /// Returns a session on a model, with the statistics that the arguments say.
    ///
    /// # Errors
    /// Fails when a weight is not finite, or the statistics file cannot be used with the model.
    pub(in crate::cli) fn session(&self, checkpoint: Checkpoint, quiet: bool) -> Result<Session, CliError> {
        let session = Session::of(checkpoint).watched(watch(quiet));
        Ok(match (&self.stats, self.calibration()) {
            (Some(path), _) => session.with_statistics(path)?,
            (None, Some(calibration)) => session.calibrated(calibration),
            (None, None) => session,
        })
    }
}
