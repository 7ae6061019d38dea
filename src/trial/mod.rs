//! A model that is pruned and measured many times: by a search, by programs that allocate without a formula, in a comparison.
//!
//! [`open::open`] opens models and texts, and [`prepare::prepare`] does what is done once with them. An [`evaluator`] turns formulas into masks and losses: it asks a [`measurer`] for what
//! the [`store`] does not know. In a [`race`] candidates are measured on few windows first, and a [`contest`] is a race of formulas
//! that are proposed.

pub mod archive;
pub mod band;
pub mod behaviour;
pub mod cancel;
pub mod candidate;
mod cards;
pub mod contest;
pub mod documents;
pub mod elsewhere;
pub mod entry;
pub mod error;
pub mod evaluator;
pub mod lines;
pub mod loss;
mod marginals;
pub mod measurer;
pub mod norms;
pub mod objective;
pub mod open;
mod order;
pub mod prepare;
pub mod propagated;
pub mod race;
pub mod ranking;
pub mod ranks;
pub mod ratios;
pub mod scores;
pub mod settings;
pub mod spent;
pub mod store;
pub mod streams;
pub mod subject;
pub mod subjects;
pub mod target;
pub mod text;
pub mod threads;
mod thresholds;
mod trim;
pub mod uniform_marginals;
