//! Reads snapshots from files in either format.

use serde::Deserialize;

use super::document::Snapshot;
use super::error::SnapshotError;
use super::text;
use crate::json::DocumentKind;

/// The field of a JSON document that names its schema.
#[derive(Deserialize)]
struct Tag {
    #[serde(default)]
    schema: Option<String>,
}

/// Reads a snapshot in plain text or JSON, told apart by the first character, and checks that its numbers
/// agree.
///
/// # Errors
/// When it is not a snapshot, has another format version, or contradicts itself.
pub fn read(content: &[u8]) -> Result<Snapshot, SnapshotError> {
    let snapshot = match content.trim_ascii_start().starts_with(b"{") {
        true => from_json(content)?,
        false => text::read(std::str::from_utf8(content).map_err(|_| SnapshotError::NotASnapshot)?)?,
    };
    snapshot.check()?;
    Ok(snapshot)
}

fn from_json(content: &[u8]) -> Result<Snapshot, SnapshotError> {
    let wrong = |error: serde_json::Error| SnapshotError::Json { problem: error.to_string() };
    let tag: Tag = serde_json::from_slice(content).map_err(wrong)?;
    let found = tag.schema.unwrap_or_default();
    let kind = DocumentKind::Snapshot;
    match found.split_once('/') {
        _ if found == kind.tag() => serde_json::from_slice(content).map_err(wrong),
        Some((name, version)) if name == kind.name() => {
            Err(SnapshotError::Version { found: version.to_owned(), known: text::FORMAT })
        }
        _ => Err(SnapshotError::OtherDocument { found }),
    }
}
