//! Prepares models and texts for commands that measure many times.

use std::path::Path;

use super::common::Common;
use super::error::CliError;
use super::interrupt::{self, Deferred};
use super::progress::Progress;
use crate::device::Engine;
use crate::model::{ModelError, Precision};
use crate::trial::cancel::Cancel;
use crate::trial::prepare::Preparing;

/// Begins work with a journal in its output folder, which the same command can continue.
pub(in crate::cli) fn continued(folder: &Path) -> Deferred {
    let farewell =
        "interrupted\n  = help: the same command with the same `--out` continues where this one stopped\n";
    Deferred::resumable(folder, farewell.to_owned())
}

/// The devices that a command's models run on, and its stop signal.
pub(in crate::cli) struct Machine {
    /// The device.
    pub(in crate::cli) engine: Engine,
    /// Other devices that measure candidates.
    pub(in crate::cli) others: Vec<Engine>,
    /// The type that models compute in.
    pub(in crate::cli) precision: Precision,
    /// Set by Ctrl-C.
    pub(in crate::cli) cancel: Cancel,
}

/// Prepares a trial on the command's device, with a progress bar.
///
/// Nothing is written during preparation, so Ctrl-C may end the process at any point; later it stops the trial's measurements.
///
/// # Errors
/// As `prepare`, and when the device cannot be used.
pub(in crate::cli) fn prepared<T, E: Into<CliError>>(
    common: Common,
    prepare: impl FnOnce(Machine, &mut Preparing<'_>) -> Result<T, E>,
) -> Result<T, CliError> {
    let (engine, others) = common.device.engines().map_err(ModelError::from)?;
    let precision = common.device.precision();
    let machine = Machine { engine, others, precision, cancel: Cancel::from(interrupt::flag()) };
    let bar = Progress::new("preparing", common.quiet);
    let prepared = prepare(machine, &mut |_, share| bar.at(share));
    bar.done();
    match prepared.map_err(Into::into) {
        Err(error) if error.is_interrupted() => interrupt::end(),
        prepared => prepared,
    }
}
