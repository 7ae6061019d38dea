//! The search: evolving allocation functions.
//!
//! [`run::run`] is the way in: for each seed it evolves formulas ([`evolve`](mod@evolve)) of a [`space`] and runs the controls
//! ([`control`], [`levels`]); all of them measure in a [`lab`], whose [`evaluator`] turns formulas into masks and losses and whose
//! [`store`] forgets nothing. [`finish`] ranks the best again, and reads the report text once.

pub mod archive;
pub mod besa;
pub mod candidate;
pub mod control;
mod credit;
pub mod enumerate;
pub mod error;
pub mod evaluator;
pub mod evolve;
mod finish;
pub mod lab;
pub mod levels;
pub mod neuroal;
mod proposals;
pub mod ranks;
pub mod run;
pub mod script;
pub mod settings;
pub mod space;
pub mod store;
pub mod subject;
pub mod summary;
