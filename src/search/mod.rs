//! The search: evolving allocation functions.

pub mod summary;
