//! The search: evolving allocation functions.
//!
//! [`run::run`] is the entry point: for each seed it evolves formulas ([`evolve`](mod@evolve)) of a [`space`]
//! and runs the controls ([`random`] formulas and [`baselines`](crate::baselines)); all of them measure in a
//! [`race`](crate::trial::race). The finals rank the best candidates again and read the report text once. A
//! run is stored in a [`folder`]. Evolution measures what [`ask`] hands out, and so can a program of your
//! own. A search may learn from [`teacher`]s, and a surrogate may choose what it measures.

pub mod ask;
mod each_target;
mod edits;
pub mod enumerate;
pub mod error;
pub mod evolve;
mod finals;
pub mod folder;
mod leaving_out;
pub mod measured;
mod nelder_mead;
mod population;
mod prescreen;
pub mod random;
pub mod run;
mod screen;
pub mod searcher;
pub mod settings;
mod simplify;
mod skeleton;
pub mod space;
pub mod summary;
mod surrogate;
pub mod teacher;
pub mod teacher_error;
mod unsearched;
mod variation_credit;
