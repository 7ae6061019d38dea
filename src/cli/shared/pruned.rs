//! A model that is pruned in memory by an allocation file.

use std::path::{Path, PathBuf};

use super::dry_run::Outline;
use super::error::CliError;
use super::input::Input;
use super::progress::watch;
use super::values::count;
use super::{allocation, context, scripts};
use crate::forecast::{Calibration as Collecting, Pruning, Work};
use crate::model::{Checkpoint, Decoder};
use crate::prune::{Propagation, PruneOptions};
use crate::session::{Calibration, Needs, Session};
use crate::stats::Source;

/// Options for pruning a model in memory.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PrunedArguments {
    /// Prunes the model in memory by this allocation file first; no model is written
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) allocation: Option<PathBuf>,
    /// Method that chooses the weights to prune for the allocation: wanda, magnitude, ria, or a script with a metric
    #[arg(long, default_value = "wanda", requires = "allocation")]
    pub(in crate::cli) method: String,
    /// Statistics of the dense model for choosing weights: a file written by `allot stats`
    #[arg(long, value_name = "FILE", requires = "allocation")]
    stats: Option<PathBuf>,
    /// Collects those statistics on these texts instead, in windows of `--length` tokens
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "allocation", conflicts_with = "stats")]
    calibration: Vec<PathBuf>,
    /// Number of windows to draw from the calibration texts
    #[arg(long, default_value_t = 128, requires = "calibration", value_parser = count)]
    samples: usize,
    /// Length of a calibration window in tokens (default: 2048, or the model's context if that is shorter)
    #[arg(long, requires = "calibration", value_parser = count)]
    length: Option<usize>,
    /// Seed for drawing the calibration windows
    #[arg(long, default_value_t = 0, requires = "calibration")]
    seed: u64,
}

impl PrunedArguments {
    /// Returns the work of pruning the model, if an allocation is given.
    ///
    /// # Errors
    /// Fails when a calibration text cannot be read.
    pub(in crate::cli) fn work(&self, outline: &Outline) -> Result<Vec<(Work, u64)>, CliError> {
        match self.allocation {
            Some(_) => pruning(outline, &self.calibration, self.samples, self.length),
            None => Ok(Vec::new()),
        }
    }

    /// Loads a model's decoder, pruned if an allocation is given.
    ///
    /// # Errors
    /// Fails when the allocation belongs to another model, or statistics that the method needs are missing.
    pub(in crate::cli) fn decoder(&self, checkpoint: Checkpoint, quiet: bool) -> Result<Decoder, CliError> {
        let Some(path) = &self.allocation else {
            checkpoint.check_finite()?;
            let device = checkpoint.device();
            return Ok(Decoder::load(&checkpoint, &device)?);
        };
        let calibration = (!self.calibration.is_empty()).then(|| Calibration {
            samples: self.samples,
            length: self.length,
            seed: self.seed,
            ..Calibration::of(Source::Text(self.calibration.clone()))
        });
        pruned(checkpoint, path, &self.method, self.stats.as_deref(), calibration, quiet)
    }
}

/// Returns the work of pruning a model in memory, with `samples` windows of `length` tokens of the calibration
/// texts, if there are any.
///
/// # Errors
/// Fails when a calibration text cannot be read.
pub(in crate::cli) fn pruning(
    outline: &Outline,
    calibration: &[PathBuf],
    samples: usize,
    length: Option<usize>,
) -> Result<Vec<(Work, u64)>, CliError> {
    let mut work = Vec::new();
    if !calibration.is_empty() {
        let windows = outline.drawn(&Source::Text(calibration.to_vec()), samples, length)?;
        work.push((Work::Calibrate(Collecting::of(windows)), 1));
    }
    work.push((Work::Prune(Pruning::default()), 1));
    Ok(work)
}

/// Prunes a model in memory by an allocation file. Weights are chosen with the dense model's statistics only, as in a search, which
/// prunes a model many times.
///
/// # Errors
/// Fails when the allocation belongs to another model, or statistics that the method needs are missing.
pub(in crate::cli) fn pruned(
    checkpoint: Checkpoint,
    path: &Path,
    method: &str,
    stats: Option<&Path>,
    calibration: Option<Calibration>,
    quiet: bool,
) -> Result<Decoder, CliError> {
    let input = Input::read(path)?;
    let name = input.name.clone();
    let file = allocation::read(input, None)?;
    let session = Session::of(checkpoint).watched(watch(quiet));
    let mut session = match (stats, calibration) {
        (Some(path), _) => session.with_statistics(path)?,
        (None, Some(calibration)) => session.calibrated(calibration),
        (None, None) => session,
    };
    let allocation = session.allocation_of_file(&file, &name, None)?;
    let method = scripts::method(method)?;
    session.statistics(&Needs::of_method(&method))?;
    context::calibration(session.at_hand());
    let checkpoint = session.checkpoint().clone();
    let statistics = session.into_statistics();
    let mut session = Session::of(checkpoint).watched(watch(quiet));
    let options = PruneOptions {
        propagation: Propagation::Dense,
        unit: file.unit,
        statistics: statistics.as_ref(),
        ..PruneOptions::new(method)
    };
    Ok(session.prune_in_memory(&allocation, &options)?.0)
}
