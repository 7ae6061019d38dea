//! Reads text files (plain, JSON lines, or WikiText's raw form) as a list of documents.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::text_error::TextError;
use super::text_file::decode;
use crate::model::{ModelError, hexadecimal};

/// Documents for calibration or measurement.
#[derive(Clone, Debug)]
pub struct Text {
    /// The files that were read.
    pub paths: Vec<PathBuf>,
    /// The documents, in order; none is blank.
    pub documents: Vec<String>,
    /// SHA-256 of the concatenated bytes of the files.
    pub hash: String,
}

#[derive(Deserialize)]
struct Row {
    text: String,
}

impl Text {
    /// Reads text files in UTF-8, or in UTF-16 with a byte order mark, optionally compressed with gzip or
    /// zstd. Line breaks become `\n`.
    ///
    /// - JSON lines: each line is an object whose `text` is a document. A file counts as JSON lines if its
    ///   first line is a JSON object, or its name ends in `.jsonl`, `.ndjson` or `.json`; an array of such
    ///   objects is also accepted;
    /// - WikiText: a name ending in `.raw`; one document, whose lines are joined by blank lines as the
    ///   published perplexities join them (each line keeps its own line break, blank lines are empty);
    /// - plain text: any other file; one document, or several separated by `<|endoftext|>`.
    ///
    /// # Errors
    /// When a file cannot be read, does not match its name or first line, or holds no text.
    pub fn read(paths: &[PathBuf]) -> Result<Self, TextError> {
        let mut hash = Sha256::new();
        let mut documents = Vec::new();
        for path in paths {
            let bytes = fs::read(path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
            hash.update(&bytes);
            let text = decode(path, bytes)?;
            let before = documents.len();
            match Form::of(path, &text) {
                Form::Lines => read_lines(path, &text, &mut documents)?,
                Form::Array(rows) => documents.extend(rows.into_iter().map(|row| row.text)),
                Form::WikiText => documents.push(join_lines(&text)),
                Form::Plain => documents.extend(text.split("<|endoftext|>").map(str::to_owned)),
            }
            documents.retain(|document| !document.trim().is_empty());
            if documents.len() == before {
                return Err(TextError::Empty { path: path.clone() });
            }
        }
        Ok(Self { paths: paths.to_vec(), documents, hash: hexadecimal(&hash.finalize()) })
    }

    /// Returns the first file, for messages.
    pub(super) fn path(&self) -> PathBuf {
        self.paths.first().cloned().unwrap_or_default()
    }
}

/// How a file stores documents.
enum Form {
    Lines,
    Array(Vec<Row>),
    WikiText,
    Plain,
}

impl Form {
    /// Returns the form of a text: JSON by its content or name, WikiText by its name.
    fn of(path: &Path, text: &str) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let name = [".gz", ".zst", ".zstd"].iter().find_map(|it| name.strip_suffix(it)).unwrap_or(&name);
        if text.trim_start().starts_with('[')
            && let Ok(rows) = serde_json::from_str(text)
        {
            return Self::Array(rows);
        }
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let object = || serde_json::from_str::<Map<String, Value>>(first).is_ok();
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("jsonl" | "ndjson" | "json") => Self::Lines,
            _ if object() => Self::Lines,
            Some("raw") => Self::WikiText,
            _ => Self::Plain,
        }
    }
}

fn read_lines(path: &Path, text: &str, documents: &mut Vec<String>) -> Result<(), TextError> {
    for (line, content) in text.lines().enumerate() {
        if content.trim().is_empty() {
            continue;
        }
        let row: Row = serde_json::from_str(content).map_err(|error| TextError::Line {
            path: path.to_owned(),
            line: line + 1,
            problem: error.to_string(),
        })?;
        documents.push(row.text);
    }
    Ok(())
}

fn join_lines(text: &str) -> String {
    let lines: Vec<&str> =
        text.split_inclusive('\n').map(|line| if line.trim().is_empty() { "" } else { line }).collect();
    lines.join("\n\n")
}
