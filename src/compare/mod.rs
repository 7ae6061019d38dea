//! Ways to allocate side by side: methods x sparsities x units on one model, measured in the same way.
//!
//! [`run::compare`] is the way in. What decides the ratios is an [`entrant`]: a script, or a program such as a search for free
//! levels. A [`ground`] is the model with its texts, on which each of them is pruned and measured; a store remembers what was
//! measured.

pub mod entrant;
pub mod error;
pub mod folder;
pub mod ground;
pub mod run;
pub mod summary;
