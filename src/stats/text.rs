//! Reads text files (plain, JSON lines, or WikiText's raw form) as a list of documents.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::overlap::TextLines;
use super::text_error::TextError;
use super::text_file::{PACKED, decode};
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
    /// The lines, to recognise the text in another file.
    pub(super) lines: TextLines,
}

/// An object of JSON lines.
#[derive(Deserialize)]
struct Row {
    text: String,
}

impl Text {
    /// Reads text files in UTF-8, or in UTF-16 with a byte order mark, optionally compressed with gzip, zstd or
    /// bzip2. Line breaks become `\n`.
    ///
    /// - JSON lines: each line is an object whose `text` is a document. A file counts as JSON lines if it starts
    ///   like JSON, or its name ends in `.jsonl`, `.ndjson` or `.json`; an array of such objects is also
    ///   accepted, and JSON of another form is refused;
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
                Form::Array(texts) => documents.extend(texts),
                Form::WikiText => documents.push(join_lines(&text)),
                Form::Plain => documents.extend(text.split("<|endoftext|>").map(str::to_owned)),
            }
            documents.retain(|document| !document.trim().is_empty());
            if documents.len() == before {
                return Err(TextError::Empty { path: path.clone() });
            }
        }
        let lines = TextLines::of(&documents);
        Ok(Self { paths: paths.to_vec(), documents, hash: hexadecimal(&hash.finalize()), lines })
    }

    /// Returns the first file, for messages.
    pub(super) fn path(&self) -> PathBuf {
        self.paths.first().cloned().unwrap_or_default()
    }
}

/// How a file stores documents.
enum Form {
    Lines,
    Array(Vec<String>),
    WikiText,
    Plain,
}

impl Form {
    /// Returns the form of a text: JSON by its content or name, WikiText by its name.
    fn of(path: &Path, text: &str) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let unpacked = |ending: &&str| name.strip_suffix(ending)?.strip_suffix('.');
        let name = PACKED.iter().find_map(unpacked).unwrap_or(&name);
        if text.trim_start().starts_with('[')
            && let Some(texts) = array(text)
        {
            return Self::Array(texts);
        }
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("jsonl" | "ndjson" | "json") => Self::Lines,
            _ if is_like_json(text) => Self::Lines,
            Some("raw") => Self::WikiText,
            _ => Self::Plain,
        }
    }
}

/// Returns the documents of an array of objects with a `text` field; `None` for any other JSON.
fn array(text: &str) -> Option<Vec<String>> {
    let rows: Vec<Map<String, Value>> = serde_json::from_str(text).ok()?;
    rows.into_iter().map(|row| row.get("text")?.as_str().map(str::to_owned)).collect()
}

/// Returns whether a text is meant as JSON, valid or not: it starts with an object or an array of objects, or
/// is an array, or each of its lines is a JSON string. Prose that starts with a bracket or a quote is not.
fn is_like_json(text: &str) -> bool {
    let start = text.trim_start();
    let object = |text: &str| text.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with('"'));
    let mut lines = start.lines().filter(|line| !line.trim().is_empty());
    match start.chars().next() {
        Some('{') => object(start),
        Some('[') => object(start[1..].trim_start()) || serde_json::from_str::<Vec<Value>>(start).is_ok(),
        // A single quoted sentence is prose.
        Some('"') => {
            lines.clone().nth(1).is_some()
                && lines.all(|line| serde_json::from_str::<String>(line.trim().trim_end_matches(',')).is_ok())
        }
        _ => false,
    }
}

fn read_lines(path: &Path, text: &str, documents: &mut Vec<String>) -> Result<(), TextError> {
    for (line, content) in text.lines().enumerate() {
        if content.trim().is_empty() {
            continue;
        }
        let wrong = |problem: String| TextError::Line { path: path.to_owned(), line: line + 1, problem };
        if !content.trim_start().starts_with('{') {
            return Err(wrong("the line is not an object".to_owned()));
        }
        let row: Row = serde_json::from_str(content).map_err(|error| wrong(error.to_string()))?;
        documents.push(row.text);
    }
    Ok(())
}

fn join_lines(text: &str) -> String {
    let lines: Vec<&str> =
        text.split_inclusive('\n').map(|line| if line.trim().is_empty() { "" } else { line }).collect();
    lines.join("\n\n")
}
