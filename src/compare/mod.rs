//! Comparisons of allocations: methods x sparsities x units on one model, all measured the same way.
//!
//! [`run::compare`] is the entry point. The ratios are chosen by an [`entrant`]: a script, or a program such
//! as a search for free levels. A [`ground`] is the model with its texts, on which each entrant is pruned and
//! measured; a store keeps the measurements.

pub mod entrant;
pub mod error;
pub mod folder;
pub mod ground;
pub mod run;
pub mod summary;
