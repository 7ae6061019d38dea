//! Pruning and measuring a model many times, for a search, a control or a comparison.
//!
//! [`open::open`] opens models and texts, and [`prepare::prepare`] does the one-off work on them. An
//! [`evaluator`] turns formulas into masks and losses: it asks a [`measurer`] for losses that are not in the
//! [`store`]. A [`race`] measures candidates on few windows first, and a [`contest`] is a race of proposed
//! formulas.

pub mod archive;
pub mod band;
pub mod behaviour;
pub mod cancel;
pub mod candidate;
mod cards;
pub mod contest;
mod damage;
pub mod documents;
pub mod elsewhere;
pub mod entry;
pub mod error;
pub mod evaluator;
pub mod lines;
pub mod loss;
mod marginals;
mod masked;
pub mod measured;
pub mod measurer;
mod measuring;
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
mod uniform_marginals;
