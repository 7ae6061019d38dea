//! Scripts by file, by name or from standard input, checked.

use std::path::Path;

use super::error::CliError;
use super::input::Input;
use super::terminal;
use crate::lang::published;
use crate::lang::render::render;
use crate::lang::types::UnitKind;
use crate::prune::Method;
use crate::session::{LoadedScript, method_of, named_method};

/// Loads a script: a file, `-` for standard input, or the name of a published one.
///
/// # Errors
/// Fails when there is none, or it has errors; warnings are shown unless `quiet`.
pub(in crate::cli) fn load(
    name: &str,
    unit: Option<UnitKind>,
    quiet: bool,
) -> Result<LoadedScript, CliError> {
    check_input(&read(name)?, unit, quiet)
}

/// Reads a file, standard input for `-`, or the published script of a name.
///
/// # Errors
/// Fails when there is none.
pub(in crate::cli) fn read(name: &str) -> Result<Input, CliError> {
    match published::find(name) {
        // A folder of that name is no script: `--out owl` makes one.
        Some(script) if !Path::new(name).exists() || Path::new(name).is_dir() => {
            Ok(Input { name: script.name.to_owned(), path: None, bytes: script.source.as_bytes().to_vec() })
        }
        _ if name == "-" || Path::new(name).exists() => Input::read(Path::new(name)),
        _ => Err(LoadedScript::unknown(name).into()),
    }
}

/// Checks what was read as a script.
///
/// # Errors
/// Fails when it has errors; warnings are shown unless `quiet`.
pub(in crate::cli) fn check_input(
    input: &Input,
    unit: Option<UnitKind>,
    quiet: bool,
) -> Result<LoadedScript, CliError> {
    let loaded = LoadedScript::check(&input.name, &input.bytes, unit)?;
    if !quiet {
        let styled = terminal::styled(&std::io::stderr());
        terminal::message(&render(&loaded.warnings, &loaded.name, &loaded.text, styled));
    }
    Ok(loaded)
}

/// Returns the pruning method that `--method` names: a published one, or a script with a metric.
///
/// # Errors
/// As [`load`]; also when the script has no metric.
pub(in crate::cli) fn method(name: &str) -> Result<Method, CliError> {
    match name {
        "-" => Ok(method_of(&load(name, None, true)?)?),
        _ => Ok(named_method(name)?),
    }
}
