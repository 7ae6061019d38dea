//! What people look at: diagnostics, tables, figures.

pub mod diagnostic;
