//! A model that is pruned in memory by an allocation file, to be measured or read.

use std::path::{Path, PathBuf};

use super::dry_run::Outline;
use super::error::CliError;
use super::input::Input;
use super::progress::watch;
use super::{allocation, context, scripts};
use crate::forecast::{Calibration as Collecting, Pruning, Work};
use crate::model::{Checkpoint, Decoder};
use crate::prune::{Propagation, PruneOptions};
use crate::session::{Calibration, Needs, Session};
use crate::stats::Source;

/// How a model is pruned before it is measured.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PrunedArguments {
    /// Takes the model as it is when pruned by this allocation file, in memory: nothing is written
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) allocation: Option<PathBuf>,
    /// How the allocation's weights are chosen: wanda, magnitude, ria, or a script with a metric
    #[arg(long, default_value = "wanda", requires = "allocation")]
    pub(in crate::cli) method: String,
    /// The dense model's statistics, by which weights are chosen: the file that `allot stats` wrote
    #[arg(long, value_name = "FILE", requires = "allocation")]
    stats: Option<PathBuf>,
    /// Collects them on these texts instead: windows of `--length` tokens
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "allocation", conflicts_with = "stats")]
    calibration: Vec<PathBuf>,
    /// How many windows are drawn from the calibration texts
    #[arg(long, default_value_t = 128, requires = "calibration")]
    samples: usize,
    /// How many tokens a window has (default: 2048, or the model's context where that is shorter)
    #[arg(long, requires = "calibration")]
    length: Option<usize>,
    /// What the windows are drawn by
    #[arg(long, default_value_t = 0, requires = "calibration")]
    seed: u64,
}

impl PrunedArguments {
    /// Returns what pruning the model takes, where an allocation is given.
    ///
    /// # Errors
    /// Fails when a calibration text cannot be read.
    pub(in crate::cli) fn work(&self, outline: &Outline) -> Result<Vec<(Work, u64)>, CliError> {
        if self.allocation.is_none() {
            return Ok(Vec::new());
        }
        let mut work = Vec::new();
        if !self.calibration.is_empty() {
            let source = Source::Text(self.calibration.clone());
            let windows = outline.drawn(&source, self.samples, self.length)?;
            work.push((Work::Calibrate(Collecting::of(windows)), 1));
        }
        work.push((Work::Prune(Pruning::default()), 1));
        Ok(work)
    }

    /// Loads a model's decoder, pruned where an allocation is given.
    ///
    /// # Errors
    /// Fails when the allocation is another model's, or what the method needs is missing.
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

/// Prunes a model in memory by an allocation file; weights are chosen by the dense model's statistics alone, as where a model is pruned
/// many times.
///
/// # Errors
/// Fails when the allocation is another model's, or what the method needs is missing.
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
