//! Files of documents: JSON lines, tables, parquet files, and HellaSwag's groups of lines; compressed or not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use serde_json::{Map, Value};

use super::error::{DocumentProblem, TaskError};
use super::parquet;
use super::template::Row;
use crate::stats::text_of;

/// A document as read from its file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file.
    pub path: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
    /// Its fields.
    pub row: Row,
}

impl Document {
    /// Returns a function that turns a problem into an error with the document's location.
    pub fn wrong(&self) -> impl FnOnce(DocumentProblem) -> TaskError + use<> {
        let (path, line) = (self.path.to_path_buf(), self.line);
        move |problem| TaskError::Document { path, line, problem }
    }
}

/// Number of lines of a document in a file with one field on each line.
const LINES: usize = 6;

/// The extension whose names also stand for parquet files.
const LINES_ENDING: &str = ".jsonl";

/// Finds the first existing path in a folder: one file or folder, or the parts of a parquet file.
///
/// `test.jsonl` also stands for `test.parquet`, and for the hub's parts of it, `test-00000-of-00002.parquet` and so on.
///
/// # Errors
/// When a part is missing.
pub fn find(folder: &Path, names: &[String]) -> Result<Option<Vec<PathBuf>>, TaskError> {
    for name in names {
        let path = folder.join(name);
        if path.exists() {
            return Ok(Some(vec![path]));
        }
        let Some(stem) = name.strip_suffix(LINES_ENDING) else { continue };
        let path = folder.join(format!("{stem}.parquet"));
        if path.exists() {
            return Ok(Some(vec![path]));
        }
        if let Some(parts) = parts(&folder.join(stem))? {
            return Ok(Some(parts));
        }
    }
    Ok(None)
}

/// Returns the parts of a parquet file whose names begin with a path, in order.
fn parts(stem: &Path) -> Result<Option<Vec<PathBuf>>, TaskError> {
    let (Some(folder), Some(name)) = (stem.parent(), stem.file_name()) else { return Ok(None) };
    let Ok(entries) = fs::read_dir(folder) else { return Ok(None) };
    let name = name.to_string_lossy();
    let mut count = None;
    for entry in entries.filter_map(Result::ok) {
        let file = entry.file_name().to_string_lossy().into_owned();
        let rest = file.strip_prefix(&*name).and_then(|it| it.strip_prefix('-'));
        let numbers = rest.and_then(|it| it.strip_suffix(".parquet")).and_then(|it| it.split_once("-of-"));
        let Some((_, all)) = numbers else { continue };
        count = count.max(all.parse::<usize>().ok());
    }
    let Some(count) = count else { return Ok(None) };
    let part = |at| folder.join(format!("{name}-{at:05}-of-{count:05}.parquet"));
    let parts: Vec<PathBuf> = (0..count).map(part).collect();
    match parts.iter().find(|path| !path.exists()) {
        None => Ok(Some(parts)),
        Some(missing) => {
            let source = io::ErrorKind::NotFound.into();
            Err(TaskError::Read { path: missing.clone(), source })
        }
    }
}

/// Reads the documents of several files in order, as [`read`] does.
///
/// # Errors
/// As [`read`].
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Document>, TaskError> {
    let mut documents = Vec::new();
    for path in paths {
        documents.extend(read(path)?);
    }
    Ok(documents)
}

/// Reads the documents of a file, or of all files of a folder in the order of their names. A document without
/// a field `subject` gets one: the file's name without its extension and without `_test`, `_dev` or `_val`.
///
/// - a parquet file, recognised by its first bytes: its rows; row numbers serve as line numbers;
/// - a name ending in `.csv`: a table with a header;
/// - a name ending in `.txt`: six lines for each document, which become the fields `line_0` to `line_5`;
/// - any other file: JSON lines.
///
/// gzip, zstd and bzip2 are decompressed.
///
/// # Errors
/// When a file cannot be read, has no documents, or has an invalid line.
pub fn read(path: &Path) -> Result<Vec<Document>, TaskError> {
    let failed = |source| TaskError::Read { path: path.to_owned(), source };
    if !path.is_dir() {
        return read_file(path);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    let mut documents = Vec::new();
    for file in files {
        documents.extend(read_file(&file)?);
    }
    if documents.is_empty() {
        return Err(TaskError::Empty { path: path.to_owned() });
    }
    Ok(documents)
}

fn read_file(path: &Path) -> Result<Vec<Document>, TaskError> {
    let bytes = fs::read(path).map_err(|source| TaskError::Read { path: path.to_owned(), source })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let rows = match bytes.starts_with(parquet::MAGIC) {
        true => parquet::rows(path)?,
        false => text_rows(path, bytes, &name)?,
    };
    if rows.is_empty() {
        return Err(TaskError::Empty { path: path.to_owned() });
    }
    let (stem, _) = stem_and_ending(&name);
    let subject = ["_test", "_dev", "_val"].iter().find_map(|it| stem.strip_suffix(it)).unwrap_or(stem);
    let place: Arc<Path> = path.into();
    Ok(rows
        .into_iter()
        .map(|(line, mut row)| {
            row.entry("subject").or_insert_with(|| Value::String(subject.to_owned()));
            Document { path: Arc::clone(&place), line, row }
        })
        .collect())
}

/// Returns a file's name without its extension, and the extension, both after removing that of a compressed
/// file.
fn stem_and_ending(name: &str) -> (&str, &str) {
    let packed = [".gz", ".zst", ".zstd", ".bz2"];
    let name = packed.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    name.rsplit_once('.').unwrap_or((name, ""))
}

fn text_rows(path: &Path, bytes: Vec<u8>, name: &str) -> Result<Vec<(usize, Row)>, TaskError> {
    let text = text_of(path, bytes)?;
    match stem_and_ending(name).1 {
        "csv" => table(path, &text),
        "txt" => groups(path, &text),
        _ => json_lines(path, &text),
    }
}

fn wrong(path: &Path, line: usize, problem: DocumentProblem) -> TaskError {
    TaskError::Document { path: path.to_owned(), line, problem }
}

fn json_lines(path: &Path, text: &str) -> Result<Vec<(usize, Row)>, TaskError> {
    let mut rows = Vec::new();
    // Only a line feed ends a line of JSON: texts contain other line separators.
    for (index, line) in text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| wrong(path, index + 1, DocumentProblem::Json(error.to_string())))?;
        rows.push((index + 1, row));
    }
    Ok(rows)
}

fn groups(path: &Path, text: &str) -> Result<Vec<(usize, Row)>, TaskError> {
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
    if let rest @ 1.. = lines.len() % LINES {
        let problem = format!(
            "the file has {} lines, but documents have {LINES} lines each; lines left over: {rest}",
            lines.len()
        );
        return Err(wrong(path, lines.len(), DocumentProblem::Table(problem)));
    }
    let groups = lines.chunks_exact(LINES).enumerate().map(|(group, lines)| {
        let fields = lines.iter().enumerate();
        let row =
            fields.map(|(at, line)| (format!("line_{at}"), Value::String((*line).to_owned()))).collect();
        (group * LINES + 1, row)
    });
    Ok(groups.collect())
}

/// Reads a table of comma-separated values, RFC 4180: cells in quotes may hold commas, line breaks and doubled quotes.
fn table(path: &Path, text: &str) -> Result<Vec<(usize, Row)>, TaskError> {
    let mut records: Vec<(usize, Vec<String>)> = Vec::new();
    let (mut cells, mut cell, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let (mut line, mut first) = (1, 1);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            ',' if !quoted => {
                cells.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            '\n' if !quoted => {
                cells.push(std::mem::take(&mut cell));
                let record = std::mem::take(&mut cells);
                if record.len() > 1 || was_quoted || !record[0].is_empty() {
                    records.push((first, record));
                }
                was_quoted = false;
                line += 1;
                first = line;
            }
            other => {
                line += usize::from(other == '\n');
                cell.push(other);
            }
        }
    }
    if quoted {
        let problem = "a quote that opens a cell here is never closed".to_owned();
        return Err(wrong(path, first, DocumentProblem::Table(problem)));
    }
    if !cell.is_empty() || !cells.is_empty() {
        cells.push(cell);
        records.push((first, cells));
    }
    let mut records = records.into_iter();
    let Some((_, head)) = records.next() else { return Ok(Vec::new()) };
    let row = |(line, cells): (usize, Vec<String>)| {
        if cells.len() != head.len() {
            let problem = format!(
                "the line has a different number of cells than the header: {} instead of {}",
                cells.len(),
                head.len()
            );
            return Err(wrong(path, line, DocumentProblem::Table(problem)));
        }
        let fields = head.iter().zip(cells);
        Ok((line, fields.map(|(name, cell)| (name.clone(), Value::String(cell))).collect()))
    };
    records.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
        let rows = table(Path::new("t.csv"), text).map_err(|error| error.to_string())?;
        let texts = |row: Row| row.values().map(|it| it.as_str().unwrap_or_default().to_owned()).collect();
        Ok(rows.into_iter().map(|(line, row)| (line, texts(row))).collect())
    }

    #[test]
    fn cells_in_quotes_hold_anything() {
        let text = "a,b\n1,\"two, \"\"2\"\"\nlines\"\n\n\"\",x\n";
        let want = [(2, ["1", "two, \"2\"\nlines"]), (5, ["", "x"])];
        let want: Vec<_> = want.map(|(line, row)| (line, row.map(str::to_owned).to_vec())).into();
        assert_eq!(cells(text).unwrap(), want);
        assert_eq!(cells("a,b\n1,2").unwrap().len(), 1);
    }

    #[test]
    fn tables_that_do_not_fit_say_where() {
        assert_eq!(
            cells("a,b\n1,2\n3\n"),
            Err("t.csv:3: the line has a different number of cells than the header: 1 instead of 2"
                .to_owned())
        );
        assert!(cells("a,b\n\"1,2\n").unwrap_err().contains("t.csv:2: a quote"));
        let error = groups(Path::new("h.txt"), "1\n2\n3\n4\n5\n6\n7\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "h.txt:7: the file has 7 lines, but documents have 6 lines each; lines left over: 1"
        );
    }
}
