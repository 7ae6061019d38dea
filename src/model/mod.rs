//! Hugging Face folders on disk, and a decoder that lets you tap the input of every linear.
//!
//! [`Checkpoint::open`] checks a folder and maps its weights; [`Checkpoint::data`] hands them to the interpreter.

pub mod architecture;
mod checkpoint;
mod config;
mod error;
mod files;
mod keys;
mod layout;
pub mod rotary;
mod write;

pub use checkpoint::{Checkpoint, LinearSummary, Summary, first_not_finite};
pub use config::{Activation, Config};
pub use error::ModelError;
pub use files::{StoredTensor, TensorFiles};
pub use layout::{Layout, Linear, Site};
pub use write::write_beside;
