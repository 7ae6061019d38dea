//! Diagnostics: messages about mistakes, for people and for programs.

use super::edit::Edit;
use super::span::{Span, line_and_column};

/// How serious a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The script is invalid.
    Error,
    /// The script is valid, but perhaps does not mean what its author intended.
    Warning,
}

/// A note about a piece of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The piece.
    pub span: Span,
    /// The note; may be empty.
    pub text: String,
}

/// A message about a script, with the places it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How serious it is.
    pub severity: Severity,
    /// A stable name for the kind of mistake.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The places; the first is the main one.
    pub labels: Vec<Label>,
    /// What to do, one line for each hint.
    pub help: Vec<String>,
    /// The edit that certainly fixes it, if there is one.
    pub edit: Option<Edit>,
}

impl Diagnostic {
    /// Returns an error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: Vec::new(),
            help: Vec::new(),
            edit: None,
        }
    }

    /// Returns a warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Returns the diagnostic with one more label.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Returns the diagnostic with one more line of help.
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// Returns the first byte of the main label, or 0 without labels.
    pub fn start(&self) -> usize {
        self.labels.first().map_or(0, |label| label.span.start)
    }

    /// Returns the diagnostic as data for `--format json`, with lines and columns counted from 1.
    pub fn to_data(&self, file: &str, source: &str) -> DiagnosticData {
        let place = |span: Span| {
            let (line, column) = line_and_column(source, span.start);
            let (end_line, end_column) = line_and_column(source, span.end);
            Place { start: span.start, end: span.end, line, column, end_line, end_column }
        };
        DiagnosticData {
            file: file.to_owned(),
            severity: self.severity,
            code: self.code,
            message: self.message.clone(),
            labels: self
                .labels
                .iter()
                .map(|label| LabelData { place: place(label.span), text: label.text.clone() })
                .collect(),
            help: self.help.clone(),
            edit: self
                .edit
                .as_ref()
                .map(|edit| EditData { place: place(edit.span), text: edit.text.clone() }),
        }
    }
}

/// A diagnostic as data.
#[derive(Clone, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiagnosticData {
    /// The script's name.
    pub file: String,
    /// How serious it is.
    pub severity: Severity,
    /// A stable name for the kind of mistake.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The places; the first is the main one.
    pub labels: Vec<LabelData>,
    /// What to do.
    pub help: Vec<String>,
    /// The edit that certainly fixes it, as `allot check --fix` applies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<EditData>,
}

/// An edit as data: the range, and the text that replaces it.
#[derive(Clone, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EditData {
    /// The range that is replaced.
    #[serde(flatten)]
    pub place: Place,
    /// The text that replaces it.
    pub text: String,
}

/// A label as data.
#[derive(Clone, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabelData {
    /// Where it points.
    #[serde(flatten)]
    pub place: Place,
    /// The note; may be empty.
    pub text: String,
}

/// A range of a script, in bytes and in lines and columns.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The line of the first character, from 1.
    pub line: usize,
    /// The column of the first character, from 1.
    pub column: usize,
    /// The line of the end.
    pub end_line: usize,
    /// The column of the end.
    pub end_column: usize,
}
