//! Models and texts, opened for a command that measures them many times.

use super::common::Common;
use super::error::CliError;
use super::interrupt;
use super::progress::Progress;
use crate::model::ModelError;
use crate::trial::cancel::Cancel;
use crate::trial::error::TrialError;
use crate::trial::prepare::{Placement, Prepared, prepare};
use crate::trial::settings::TrialSettings;

/// Opens models and their texts on the command's device, with a progress bar.
///
/// Nothing is written meanwhile, so that Ctrl-C may end the process anywhere; later it stops what the evaluator measures.
///
/// # Errors
/// As [`prepare`].
pub(in crate::cli) fn prepared(settings: &TrialSettings, common: Common) -> Result<Prepared, CliError> {
    let bar = Progress::new("preparing", common.quiet);
    let engine = common.device.engine().map_err(ModelError::from)?;
    let placement = Placement { engine: &engine, precision: common.device.precision() };
    let cancel = Cancel::from(interrupt::flag());
    let prepared = prepare(settings, placement, cancel, &mut |_, share| bar.at(share));
    bar.done();
    match prepared {
        Err(TrialError::Interrupted(_)) => interrupt::end(),
        prepared => Ok(prepared?),
    }
}
