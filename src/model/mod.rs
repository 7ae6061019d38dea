//! Hugging Face folders on disk, and a decoder that lets you tap the input of every linear.
//!
//! [`Checkpoint::open`] checks a folder and maps its weights; [`Checkpoint::data`] hands them to the interpreter.

mod activation;
pub mod architecture;
mod attention;
mod block;
mod checkpoint;
mod config;
mod decoder;
mod error;
mod exponential;
mod files;
pub mod hub;
mod in_place;
mod keys;
mod layout;
mod memory;
mod product;
pub mod rotary;
mod tokenizer;
mod weights;
mod write;

pub use activation::Activation;
pub use block::{Angles, Block, LoadedLinear, Tap, no_tap};
pub(crate) use checkpoint::hexadecimal;
pub use checkpoint::{Checkpoint, LinearSummary, Precision, Summary, first_not_finite};
pub use config::Config;
pub use decoder::{Decoder, DecoderTap, Embedding, Head};
pub use error::ModelError;
pub(crate) use exponential::sum_exponentials;
pub use files::{StoredTensor, TensorFiles};
pub use layout::{Layout, Linear, Site};
pub(crate) use product::{Goal, product};
pub use tokenizer::Tokenizer;
pub use weights::widen;
pub use write::write_beside;
