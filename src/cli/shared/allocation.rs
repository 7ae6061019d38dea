//! The source of a command's ratios: a script, or an allocation file.

use super::error::CliError;
use super::input::Input;
use super::scripts::{self, Named};
use crate::allocate::{Projection, Unit};
use crate::exchange::{AllocationFile, ExchangeError};
use crate::lang::types::UnitKind;
use crate::model::{Checkpoint, Linear};
use crate::session::LoadedScript;

/// A script, or fixed ratios.
pub(in crate::cli) enum RatioSource {
    /// A script to evaluate.
    Script(Box<LoadedScript>),
    /// An allocation file and its name.
    File(Box<AllocationFile>, String),
}

/// Loads a script as [`scripts::load`] does, or an allocation file, which is recognised by its content.
///
/// # Errors
/// As [`scripts::load`]; also when the allocation file is inconsistent, or has another unit than the one asked for.
pub(in crate::cli) fn load(
    name: &Named,
    unit: Option<UnitKind>,
    quiet: bool,
) -> Result<RatioSource, CliError> {
    let input = name.read()?;
    match input.is_json() {
        true => {
            let name = input.name.clone();
            Ok(RatioSource::File(Box::new(read(input, unit)?), name))
        }
        false => Ok(RatioSource::Script(Box::new(scripts::check_input(&input, unit, quiet)?))),
    }
}

/// Reads an allocation file.
///
/// # Errors
/// When it is not an allocation file, is inconsistent, or has another unit than the one asked for.
pub(in crate::cli) fn read(input: Input, unit: Option<UnitKind>) -> Result<AllocationFile, CliError> {
    let file = AllocationFile::read(&input.bytes).map_err(named(&input.name))?;
    match unit {
        Some(asked) if asked != file.unit => {
            Err(CliError::DecidedUnit { name: input.name, unit: file.unit, asked })
        }
        _ => Ok(file),
    }
}

/// Returns a model's blocks with their linears, named as in the formats of other tools.
pub(in crate::cli) fn blocks(checkpoint: &Checkpoint) -> Vec<Unit> {
    let projection = |linear: &Linear| Projection {
        name: linear.module.clone(),
        parameters: linear.rows as u64 * linear.columns as u64,
    };
    let block = |block| Unit {
        name: format!("block {block}"),
        projections: checkpoint.block_linears(block).iter().map(projection).collect(),
    };
    (0..checkpoint.config().blocks).map(block).collect()
}

/// Returns a function that adds the file's name to an error.
pub(in crate::cli) fn named(name: &str) -> impl FnOnce(ExchangeError) -> CliError {
    let name = name.to_owned();
    move |cause| CliError::Exchange { name, cause: Box::new(cause) }
}
