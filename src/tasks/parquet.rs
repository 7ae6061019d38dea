//! Documents in Apache Parquet, the format in which the hub stores data sets.

use std::fs::File;
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::{Field, Row as Record};
use serde_json::Value;

use super::error::{DocumentProblem, TaskError};
use super::template::Row;

/// The first and the last bytes of such a file.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// Reads the rows of a file, numbered from 1. Columns are uncompressed or compressed with Snappy, as the hub
/// writes them.
///
/// # Errors
/// When the file cannot be read or uses another compression, or a field is not a text, a number, a list or a
/// group of them.
pub(super) fn rows(path: &Path) -> Result<Vec<(usize, Row)>, TaskError> {
    let failed = |source| TaskError::Read { path: path.to_owned(), source };
    let wrong =
        |error: ParquetError| TaskError::Parquet { path: path.to_owned(), problem: error.to_string() };
    let reader = SerializedFileReader::new(File::open(path).map_err(failed)?).map_err(wrong)?;
    let mut rows = Vec::new();
    for (index, record) in reader.get_row_iter(None).map_err(wrong)?.enumerate() {
        let row = fields(&record.map_err(wrong)?).map_err(|problem| TaskError::Document {
            path: path.to_owned(),
            line: index + 1,
            problem,
        })?;
        rows.push((index + 1, row));
    }
    Ok(rows)
}

fn fields(record: &Record) -> Result<Row, DocumentProblem> {
    record.get_column_iter().map(|(name, field)| Ok((name.clone(), value(name, field)?))).collect()
}

/// Returns a field with the value that the data set's JSON lines have.
fn value(name: &str, field: &Field) -> Result<Value, DocumentProblem> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => (*flag).into(),
        Field::Byte(number) => (*number).into(),
        Field::Short(number) => (*number).into(),
        Field::Int(number) => (*number).into(),
        Field::Long(number) => (*number).into(),
        Field::UByte(number) => (*number).into(),
        Field::UShort(number) => (*number).into(),
        Field::UInt(number) => (*number).into(),
        Field::ULong(number) => (*number).into(),
        Field::Float16(number) => f64::from(*number).into(),
        Field::Float(number) => f64::from(*number).into(),
        Field::Double(number) => (*number).into(),
        Field::Str(text) => text.clone().into(),
        Field::Group(record) => Value::Object(fields(record)?),
        Field::ListInternal(list) => {
            Value::Array(list.elements().iter().map(|it| value(name, it)).collect::<Result<_, _>>()?)
        }
        Field::Decimal(_) => return Err(other(name, "a decimal")),
        Field::Bytes(_) => return Err(other(name, "bytes without an encoding")),
        Field::Date(_) => return Err(other(name, "a date")),
        Field::TimeMillis(_) | Field::TimeMicros(_) => return Err(other(name, "a time")),
        Field::TimestampMillis(_) | Field::TimestampMicros(_) => return Err(other(name, "a point in time")),
        Field::MapInternal(_) => return Err(other(name, "a map")),
    })
}

fn other(field: &str, found: &'static str) -> DocumentProblem {
    DocumentProblem::Type { field: field.to_owned(), found, wanted: "texts, numbers, lists and groups" }
}
