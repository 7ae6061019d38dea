//! Statistics for the commands that use them: read from a file, or collected by the command itself.

use std::path::{Path, PathBuf};

use super::common::Common;
use super::context;
use super::dry_run::Outline;
use super::error::CliError;
use super::progress::watch;
use super::scripts;
use super::values::{bytes, count};
use crate::allocate::Bounds;
use crate::allocate::script::{Outcome, ScriptError};
use crate::forecast::{self, Evaluation, Windows, Work};
use crate::lang::ops::Op;
use crate::lang::types::UnitKind;
use crate::model::Checkpoint;
use crate::prune::Method;
use crate::session::{AllocationOptions, Calibration, LoadedScript, Needs, Session, metric_of};
use crate::snapshot::Snapshot;
use crate::stats::Source;

/// The source of a command's statistics.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CalibrationArguments {
    /// Statistics file written by `allot stats`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "tokens"])]
    stats: Option<PathBuf>,
    /// Calibrates on these text files instead: plain text, or JSON lines with a field `text`; files may be compressed with gzip,
    /// zstd or bzip2
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "tokens")]
    text: Vec<PathBuf>,
    /// Calibrates on these token ids of shape [samples, length] instead
    #[arg(long, value_name = "FILE.safetensors:NAME")]
    tokens: Option<String>,
    /// Number of windows to draw from the text, or to take from the start of the token ids
    #[arg(long, default_value_t = 128, value_parser = count)]
    samples: usize,
    /// Length of a window of the text in tokens (default: 2048, or the model's context if that is shorter)
    #[arg(long, value_parser = count)]
    length: Option<usize>,
    /// Seed for drawing the windows
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Memory that the calibration may take, such as 8GiB; activations that do not fit go to a scratch file in TMPDIR
    /// (default: the free memory)
    #[arg(long, env = "ALLOT_MEMORY", hide_env_values = true, value_parser = bytes, value_name = "BYTES")]
    memory: Option<u64>,
}

/// Options for evaluating scripts on a model.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct EvaluationArguments {
    #[command(flatten)]
    calibration: CalibrationArguments,
    /// Scores weights by this method when a script has no metric: wanda, magnitude, ria, sparsegpt or a script with a metric
    #[arg(long, default_value = "wanda")]
    pub(in crate::cli) method: String,
    /// Allocation unit to use instead of the script's own: block, projection or row
    #[arg(long, value_parser = super::values::unit)]
    pub(in crate::cli) unit: Option<UnitKind>,
}

impl EvaluationArguments {
    /// Returns the work of evaluating a script, including the collection of the statistics it needs if a text is given.
    ///
    /// # Errors
    /// Fails when the method is unknown, or the text cannot be read.
    pub(in crate::cli) fn work(
        &self,
        outline: &Outline,
        loaded: &LoadedScript,
    ) -> Result<Vec<(Work, u64)>, CliError> {
        self.calibration.work(outline, loaded, &scripts::method(&self.method)?, self.unit)
    }

    /// Returns `--memory`: the bytes that the calibration may take.
    pub(in crate::cli) const fn memory(&self) -> Option<u64> {
        self.calibration.memory
    }

    /// Returns `--length`: the tokens of a window of a text.
    pub(in crate::cli) const fn length(&self) -> Option<usize> {
        self.calibration.length
    }

    /// Returns a session on a model, with the statistics that the arguments name.
    ///
    /// # Errors
    /// Fails when the statistics file cannot be used with the model.
    pub(in crate::cli) fn session(&self, checkpoint: Checkpoint, quiet: bool) -> Result<Session, CliError> {
        self.calibration.session(checkpoint, quiet)
    }

    /// Evaluates scripts on the model of a folder or id, and returns each script's outcome, with the session.
    ///
    /// # Errors
    /// Fails when the method is unknown, the model or the statistics cannot be used, or a script has no value on the model.
    pub(in crate::cli) fn evaluate<const N: usize>(
        &self,
        model: &Path,
        loaded: [&LoadedScript; N],
        sparsity: f64,
        bounds: Bounds,
        common: Common,
    ) -> Result<([Outcome; N], Session), CliError> {
        // A wrong method is reported before the model is opened.
        let method = scripts::method(&self.method)?;
        let mut session = self.calibration.session(super::model::open(model, common)?, common.quiet)?;
        let options = AllocationOptions { sparsity, method: &method, unit: self.unit, bounds };
        let outcomes = session.allocate_all(&loaded, &options)?;
        context::calibration(session.at_hand());
        // `allocate_all` returns one outcome per script, so this cannot fail.
        let outcomes = outcomes.try_into().map_err(|_| ScriptError::NoAllocation)?;
        Ok((outcomes, session))
    }

    /// Evaluates a script on the model of a folder or id at some sparsities, and returns its snapshot.
    ///
    /// # Errors
    /// As [`EvaluationArguments::evaluate`].
    pub(in crate::cli) fn snapshot(
        &self,
        model: &Path,
        loaded: &LoadedScript,
        sparsities: &[f64],
        common: Common,
    ) -> Result<Snapshot, CliError> {
        let method = scripts::method(&self.method)?;
        let mut session = self.calibration.session(super::model::open(model, common)?, common.quiet)?;
        let first = sparsities.first().copied().ok_or(CliError::NoSparsity)?;
        let options = AllocationOptions { method: &method, unit: self.unit, ..AllocationOptions::at(first) };
        let snapshot = session.snapshot(loaded, sparsities, &options)?;
        context::calibration(session.at_hand());
        Ok(snapshot)
    }
}

impl CalibrationArguments {
    /// Returns `--memory`: the bytes that the calibration may take.
    pub(in crate::cli) const fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// Returns the windows that the model reads, if a text or token ids are given.
    ///
    /// # Errors
    /// Fails when the text cannot be read.
    pub(in crate::cli) fn windows(&self, outline: &Outline) -> Result<Option<Windows>, CliError> {
        let drawn = |it: Calibration| outline.drawn(&it.source, it.samples, it.length);
        self.calibration().map(drawn).transpose()
    }

    /// Returns the work of evaluating a script, in its own unit or `unit`, and of collecting the statistics it needs.
    ///
    /// # Errors
    /// As [`CalibrationArguments::windows`].
    pub(in crate::cli) fn work(
        &self,
        outline: &Outline,
        loaded: &LoadedScript,
        method: &Method,
        unit: Option<UnitKind>,
    ) -> Result<Vec<(Work, u64)>, CliError> {
        let unit = unit.or(loaded.script.unit).unwrap_or_default();
        let needs = Needs::of_scripts([&loaded.script], &metric_of(method)?);
        let mut work = Vec::new();
        if let Some(windows) = self.windows(outline)?.filter(|_| !needs.is_empty()) {
            work.push(Work::Calibrate(forecast::Calibration {
                reconstruction: needs.has(Op::ReconstructionError),
                gradients: needs.has(Op::Gradient),
                input_kurtosis: needs.has(Op::InputKurtosis),
                damage_of_blocks: u64::from(needs.has(Op::Damage) && unit == UnitKind::Block),
                damage_of_linears: u64::from(needs.has(Op::Damage) && unit != UnitKind::Block),
                marginals: match needs.has(Op::MarginalSlope) {
                    true => 2,
                    false => u64::from(needs.has(Op::Marginal)),
                },
                ..forecast::Calibration::of(windows)
            }));
        }
        work.push(Work::Evaluate(Evaluation::of([&loaded.script])));
        Ok(work.into_iter().map(|work| (work, 1)).collect())
    }

    /// Returns the calibration, or `None` when neither a text nor token ids are given.
    pub(in crate::cli) fn calibration(&self) -> Option<Calibration> {
        let source = match (&self.tokens, self.text.is_empty()) {
            (Some(tokens), _) => Source::Tokens(tokens.as_str().into()),
            (None, false) => Source::Text(self.text.clone()),
            (None, true) => return None,
        };
        let (samples, length, seed, memory) = (self.samples, self.length, self.seed, self.memory);
        Some(Calibration { source, samples, length, seed, memory })
    }

    /// Returns a session on a model, with the statistics that the arguments name.
    ///
    /// # Errors
    /// Fails when the statistics file cannot be used with the model.
    pub(in crate::cli) fn session(&self, checkpoint: Checkpoint, quiet: bool) -> Result<Session, CliError> {
        let session = Session::of(checkpoint).watched(watch(quiet));
        Ok(match (&self.stats, self.calibration()) {
            (Some(path), _) => session.with_statistics(path)?,
            (None, Some(calibration)) => session.calibrated(calibration),
            (None, None) => session,
        })
    }
}
