//! Scripts by file, by name or from standard input, checked.

use std::path::Path;

use super::input::Input;
use super::{CliError, output};
use crate::lang::published;
use crate::lang::render::render;
use crate::lang::types::UnitKind;
use crate::session::{LoadedScript, Scoring};

/// Loads a script: a file, `-` for standard input, or the name of a published one.
///
/// # Errors
/// Fails when there is none, or it has errors; warnings are shown unless `quiet`.
pub(super) fn load(name: &str, unit: Option<UnitKind>, quiet: bool) -> Result<LoadedScript, CliError> {
    check_input(&read(name)?, unit, quiet)
}

/// Reads a file, standard input for `-`, or the published script of a name.
///
/// # Errors
/// Fails when there is none.
pub(super) fn read(name: &str) -> Result<Input, CliError> {
    match published::find(name) {
        // A folder of that name is no script: `--out owl` makes one.
        Some(script) if !Path::new(name).exists() || Path::new(name).is_dir() => {
            Ok(Input { name: script.name.to_owned(), path: None, bytes: script.source.as_bytes().to_vec() })
        }
        _ if name == "-" || Path::new(name).exists() => Input::read(Path::new(name)),
        _ => Err(LoadedScript::none(name).into()),
    }
}

/// Checks what was read as a script.
///
/// # Errors
/// Fails when it has errors; warnings are shown unless `quiet`.
pub(super) fn check_input(
    input: &Input,
    unit: Option<UnitKind>,
    quiet: bool,
) -> Result<LoadedScript, CliError> {
    let loaded = LoadedScript::check(&input.name, &input.bytes, unit)?;
    if !quiet {
        let styled = output::styled(&std::io::stderr());
        output::message(&render(&loaded.warnings, &loaded.name, &loaded.text, styled));
    }
    Ok(loaded)
}

/// Returns how weights are scored and chosen, as `--method` names it: a published method, or a script with a metric.
///
/// # Errors
/// As [`load`]; also when the script has no metric.
pub(super) fn scoring(name: &str) -> Result<Scoring, CliError> {
    match name {
        "-" => Ok(Scoring::of(load(name, None, true)?)?),
        _ => Ok(Scoring::named(name)?),
    }
}
