//! The interpreter: values, laws, noise, errors, and what published code gives.

#[path = "../support/mod.rs"]
mod support;

mod cache;
mod errors;
mod laws;
mod model;
mod noise;
mod published;
mod reference;
