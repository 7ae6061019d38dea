//! Loads and checks scripts, by file, by name, from standard input or from `-e`.

use std::path::{Path, PathBuf};

use super::context;
use super::error::CliError;
use super::input::Input;
use super::terminal;
use crate::lang::published;
use crate::lang::render::render;
use crate::lang::types::UnitKind;
use crate::prune::Method;
use crate::session::{LoadedScript, method_of, named_method};

/// The option `-e` of commands that take several scripts.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct WrittenScripts {
    /// Text of a script, instead of a file or name; may be repeated
    #[arg(long, short = 'e', value_name = "TEXT", allow_hyphen_values = true)]
    expression: Vec<String>,
}

/// The option `-e` of commands that take one script.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct WrittenScript {
    /// Text of the script, instead of a file or name: -e 'log(mean(score)) |> scale'
    #[arg(long, short = 'e', value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "script")]
    expression: Option<String>,
}

/// A script as named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Named {
    /// A file, `-`, or the name of a published script.
    Name(String),
    /// Its text.
    Text(String),
}

impl WrittenScripts {
    /// Returns the scripts, in order.
    pub(in crate::cli) fn named(&self) -> impl Iterator<Item = Named> + '_ {
        self.expression.iter().cloned().map(Named::Text)
    }
}

impl WrittenScript {
    /// Returns the text of `-e`, or else the name; clap requires one of them.
    pub(in crate::cli) fn or(&self, name: Option<&str>) -> Named {
        match (&self.expression, name) {
            (Some(text), _) => Named::Text(text.clone()),
            (None, name) => Named::Name(name.unwrap_or_default().to_owned()),
        }
    }
}

/// The name of a script from `-e` in messages.
const EXPRESSION: &str = "<expression>";

impl Named {
    /// Reads the script's text, or an allocation file.
    ///
    /// # Errors
    /// When there is no such file or published script.
    pub(in crate::cli) fn read(&self) -> Result<Input, CliError> {
        match self {
            Self::Name(name) => read(name),
            Self::Text(text) => {
                Ok(Input { name: EXPRESSION.to_owned(), path: None, bytes: format!("{text}\n").into_bytes() })
            }
        }
    }

    /// Loads the script, as [`load`] does.
    ///
    /// # Errors
    /// As [`load`].
    pub(in crate::cli) fn load(&self, unit: Option<UnitKind>, quiet: bool) -> Result<LoadedScript, CliError> {
        check_input(&self.read()?, unit, quiet)
    }

    /// Returns the script's file, if it comes from a file.
    pub(in crate::cli) fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Name(name) => Some(PathBuf::from(name)).filter(|path| path.is_file()),
            Self::Text(_) => None,
        }
    }
}

/// Replaces folders by the scripts in them, sorted by path. The name of a published script takes precedence over a folder of the same
/// name.
///
/// # Errors
/// When a folder cannot be read, or holds no script.
pub(in crate::cli) fn expanded(names: &[String]) -> Result<Vec<String>, CliError> {
    let mut all = Vec::new();
    for name in names {
        let path = Path::new(name);
        if !path.is_dir() || published::find(name).is_some() {
            all.push(name.clone());
            continue;
        }
        let mut found = Vec::new();
        below(path, &mut found)?;
        found.sort_unstable();
        if found.is_empty() {
            return Err(CliError::NoScriptsIn { folder: path.to_owned() });
        }
        all.extend(found.iter().map(|path| path.display().to_string()));
    }
    Ok(all)
}

/// Collects the scripts in a folder and its subfolders, except hidden ones.
fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let failed = |cause| CliError::Read { path: folder.to_owned(), cause };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // A link to a folder may form a cycle, so links are not followed.
        if entry.file_type().map_err(failed)?.is_dir() {
            below(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "allot") {
            found.push(path);
        }
    }
    Ok(())
}

/// Loads a script: a file, `-` for standard input, or the name of a published one.
///
/// # Errors
/// Fails when there is no such script, or it has errors; warnings are shown unless `quiet`.
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
/// Fails when there is neither.
pub(in crate::cli) fn read(name: &str) -> Result<Input, CliError> {
    match published::find(name) {
        // A folder of that name is not a script; `--out owl` makes such a folder.
        Some(script) if !Path::new(name).exists() || Path::new(name).is_dir() => {
            Ok(Input { name: script.name.to_owned(), path: None, bytes: script.source.as_bytes().to_vec() })
        }
        _ if name == "-" || Path::new(name).exists() => Input::read(Path::new(name)),
        _ => Err(LoadedScript::unknown(name).into()),
    }
}

/// Checks an input as a script.
///
/// # Errors
/// Fails when it has errors; warnings are shown unless `quiet`.
pub(in crate::cli) fn check_input(
    input: &Input,
    unit: Option<UnitKind>,
    quiet: bool,
) -> Result<LoadedScript, CliError> {
    if input.is_json() {
        return Err(CliError::NoScriptInFile { name: input.name.clone() });
    }
    let loaded = LoadedScript::check(&input.name, &input.bytes, unit)?;
    for warning in &loaded.warnings {
        context::keep(&format!("{}: {}", loaded.name, warning.message));
    }
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
    context::method(name);
    match name {
        "-" => Ok(method_of(&load(name, None, true)?)?),
        _ => Ok(named_method(name)?),
    }
}
