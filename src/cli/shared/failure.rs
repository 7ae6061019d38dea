//! A failure as data, for programs: with `--format json` it is printed to standard output in place of the result.

use serde::Serialize;

use super::error::CliError;
use super::{help, output};
use crate::lang::diagnostic::DiagnosticData;

/// Why a command failed.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Failure {
    /// The kind of the failure.
    kind: FailureKind,
    /// The exit code of the process.
    exit_code: u8,
    /// What failed, and why.
    message: String,
    /// What to do about it, one line for each hint.
    help: Vec<String>,
    /// The errors of a script, with their places in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<DiagnosticData>,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum FailureKind {
    /// The command line cannot be used.
    Usage,
    /// A script has errors, or no value on the model.
    Script,
    /// The command was stopped by a signal.
    Interrupted,
    /// Anything else: a file, a model, memory, the terminal.
    Failed,
}

impl Failure {
    /// Returns a command's failure.
    pub(in crate::cli) fn of(error: &CliError, exit_code: u8) -> Self {
        let (kind, diagnostics) = match error {
            CliError::Diagnosed { name, text, diagnostics } => {
                (FailureKind::Script, diagnostics.iter().map(|it| it.to_data(name, text)).collect())
            }
            CliError::NoValue { name, text, cause } => {
                (FailureKind::Script, vec![help::diagnostic(cause).to_data(name, text)])
            }
            error if error.is_interrupted() => (FailureKind::Interrupted, Vec::new()),
            CliError::Refused { .. } | CliError::StandardInputTwice => (FailureKind::Usage, Vec::new()),
            _ => (FailureKind::Failed, Vec::new()),
        };
        Self { kind, exit_code, message: error.to_string(), help: help::of(error), diagnostics }
    }

    /// Returns the failure of a command that was stopped while nothing was being written.
    pub(in crate::cli) const fn interrupted(message: String, exit_code: u8) -> Self {
        Self { kind: FailureKind::Interrupted, exit_code, message, help: Vec::new(), diagnostics: Vec::new() }
    }

    /// Returns the failure of a command line that clap refuses.
    pub(in crate::cli) fn of_arguments(error: &clap::Error, exit_code: u8) -> Self {
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let rest = lines.map(|line| line.trim_start_matches("tip: ").to_owned()).collect();
        Self { kind: FailureKind::Usage, exit_code, message, help: rest, diagnostics: Vec::new() }
    }

    /// Prints the failure; a closed standard output is ignored.
    pub(in crate::cli) fn print(&self) {
        let _ = output::print_failure(self);
    }
}
