//! The language: turns text into typed programs and back.
//!
//! A script goes through four stages, each a file: [`syntax`] turns text into a syntax tree with spans, [`check`] turns
//! the tree into a typed [`program`], [`print`](mod@print) turns a program back into text, and [`canonical`] gives a
//! program the normal form whose hash names it. All of them read one table of operators, [`ops`]. The crate does not depend on
//! tensors, files or models.

pub mod canonical;
pub mod check;
pub mod diagnostic;
pub mod difference;
pub mod edit;
pub mod format;
pub mod latex;
pub mod mathml;
pub mod number;
pub mod ops;
pub mod print;
pub mod problem;
pub mod program;
pub mod published;
pub mod render;
pub mod scalar;
pub mod span;
pub mod syntax;
pub mod types;
pub mod word;
