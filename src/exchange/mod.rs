//! Writes allocations in the formats of other tools, and reads them: one file for each format.
//!
//! Writers take only an [`Allocation`](crate::allocate::Allocation): the modules' names show which block they
//! belong to. Readers return ratios for a model's blocks or the linears in them, which
//! [`modules::allocation`] moves onto an exact budget. [`numpy`] and [`dsa`] take a script: they write a
//! Python module that computes the ratios, and a graph string that names its operators.

pub mod alphapruning;
pub mod csv;
pub mod dlp;
pub mod dsa;
mod error;
pub mod evopress;
pub mod file;
mod format;
mod guess;
pub mod llm_compressor;
pub mod modules;
pub mod npy;
pub mod numpy;

pub use error::{ExchangeError, Unsaid};
pub use file::AllocationFile;
pub use format::Format;
