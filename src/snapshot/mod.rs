//! A function and what it gives on a model, written down, so that a later change of either is noticed.
//!
//! [`Snapshot`] is the value, `Session::snapshot` makes it. [`text`] writes it for people and for
//! version control and reads it back, [`compare`] says how two of them differ.

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
