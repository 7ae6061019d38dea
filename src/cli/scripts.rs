//! Scripts by file or by name, checked.

use std::path::Path;

use super::input::Input;
use super::{CliError, output};
use crate::lang;
use crate::lang::check::{Options, check_bytes};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::program::{Metric, Script};
use crate::lang::published::{self, PUBLISHED};
use crate::lang::types::UnitKind;

/// A checked script and where it came from.
pub(super) struct Loaded {
    /// Its file, or the name of a published one.
    pub(super) name: String,
    /// Its text.
    pub(super) source: String,
    /// What it says.
    pub(super) script: Script,
}

impl Loaded {
    /// Returns diagnostics under the script's code, for standard error.
    pub(super) fn render(&self, diagnostics: &[Diagnostic]) -> String {
        lang::render::render(diagnostics, &self.name, &self.source, output::styled(&std::io::stderr()))
    }
}

/// Loads a script: a file, `-` for standard input, or the name of a published one.
///
/// # Errors
/// Fails when there is none, or it has errors; warnings are shown unless `quiet`.
pub(super) fn load(name: &str, unit: Option<UnitKind>, quiet: bool) -> Result<Loaded, CliError> {
    check_input(read(name)?, unit, quiet)
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
        _ => {
            let similar = output::similar(name, PUBLISHED.iter().map(|script| script.name));
            Err(CliError::NoScript { name: name.to_owned(), similar })
        }
    }
}

/// Checks what was read as a script.
///
/// # Errors
/// Fails when it has errors; warnings are shown unless `quiet`.
pub(super) fn check_input(input: Input, unit: Option<UnitKind>, quiet: bool) -> Result<Loaded, CliError> {
    let checked = check_bytes(&input.bytes, Options { unit });
    let source = input.text().into_owned();
    let diagnostics: Vec<Diagnostic> = checked.problems.iter().map(|problem| problem.diagnostic()).collect();
    let shown = lang::render::render(&diagnostics, &input.name, &source, output::styled(&std::io::stderr()));
    match checked.script {
        None => Err(CliError::Diagnosed(shown)),
        Some(script) => {
            if !quiet {
                output::message(&shown);
            }
            Ok(Loaded { name: input.name, source, script })
        }
    }
}

/// Loads the metric of a pruning method: a script that has one.
///
/// # Errors
/// As [`load`]; also when the script has no metric.
pub(super) fn load_metric(name: &str) -> Result<Metric, CliError> {
    // SparseGPT's own scores come up only while it prunes; what allocations go by is Wanda's (OWL, DSA).
    let script = if name == "sparsegpt" { "wanda" } else { name };
    let loaded = load(script, None, true)?;
    let metric = loaded.script.metric.ok_or(CliError::NoMetric { name: loaded.name })?;
    Ok(Metric { per: metric.per, score: metric.score.without_spans() })
}
