//! Allocations in the formats of other tools, and back: one file for each format.
//!
//! Writers take an [`Allocation`](crate::allocate::Allocation) and nothing else: the modules' names say what belongs to which block.
//! Readers give ratios for a model's blocks and the linears in them, which [`modules::allocation`] puts on an exact budget. [`numpy`] and
//! [`dsa`] take a script: a module of Python that computes the ratios, and a graph string that names its operators.

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
