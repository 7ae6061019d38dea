//! Snapshots of a function and its ratios on a model, so that a later change of either is noticed.
//!
//! [`Snapshot`] is the value, and `Session::snapshot` makes it. [`text`] writes it for people and for version
//! control and reads it back; [`compare`] lists the differences of two snapshots.

pub mod compare;
mod document;
mod error;
mod read;
pub mod text;
mod words;

pub(crate) use document::Parts;
pub use document::{RatiosAt, Snapshot, SnapshotModel, SnapshotText, UnitRatio};
pub use error::{LineProblem, SnapshotError};
pub use read::read;
