//! A small typed language for sparsity allocation functions, its interpreter, and the tools around it.
//!
//! `docs/architecture.md` says how the parts fit; dependencies between them run one way.

pub mod allocate;
pub mod cli;
pub mod compare;
pub mod exchange;
pub mod interpret;
pub mod interrupt;
pub use allot_lang as lang;
pub mod measure;
pub mod model;
pub mod prune;
pub mod report;
pub mod search;
pub mod stats;
