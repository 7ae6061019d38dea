//! Hugging Face folders on disk, and a decoder with a tap at the input of every linear.
//!
//! [`Checkpoint::open`] checks a folder and maps its weights; [`Checkpoint::data`] passes them to the
//! interpreter.
//!
//! The decoder's heavy work runs on rayon's threads. The rest runs on candle's own threads, which busy-wait
//! for work: with `CANDLE_NUM_THREADS=1` in the environment before the first tensor operation they do not
//! compete with rayon's. The library changes no environment variable; the command sets this one at its start.

mod activation;
pub mod architecture;
mod around;
mod attention;
mod block;
mod checkpoint;
mod config;
mod decoder;
mod error;
mod exponential;
mod files;
mod fingerprint;
mod form;
mod gradient_tap;
mod hexadecimal;
pub mod hub;
mod identity;
mod in_place;
mod keys;
mod known;
mod known_keys;
mod layout;
mod memory;
mod merges;
mod numbers;
mod out_of_memory;
mod packed;
mod precision;
mod product;
mod quantised;
mod quantised_form;
mod rope_keys;
pub mod rotary;
mod slopes;
mod steps;
mod summary;
mod tokenizer;
mod tokenizer_keys;
mod tokenizer_warnings;
mod warning;
mod weights;
mod write;

pub use activation::Activation;
pub use block::{Angles, Block, LoadedLinear, Tap, no_tap};
pub use checkpoint::Checkpoint;
pub use config::Config;
pub use decoder::{Decoder, DecoderTap, Embedding, Head, positions_together};
pub use error::{ModelError, TokenizerProblem};
pub(crate) use exponential::{softmax, sum_exponentials};
pub use files::{StoredTensor, TensorFiles};
pub(crate) use fingerprint::fingerprint;
pub use form::FolderForm;
pub use gradient_tap::{GradientTap, Tapped};
pub(crate) use hexadecimal::{FINGERPRINT, hash_of_data, hexadecimal};
pub use identity::{Difference, Identity, Recorded};
pub use layout::{Layout, Linear, Site, linear_shapes};
pub use memory::{Resident, free_memory};
pub(crate) use numbers::count_zeros;
pub use numbers::first_not_finite;
pub use packed::{After, KeptKeys, Packed, Piece};
pub use precision::Precision;
pub(crate) use product::{Goal, product};
pub use quantised_form::QuantisedForm;
pub use summary::{LinearSummary, ModelSummary, WarningSummary};
pub use tokenizer::{SpecialTokens, Tokenizer};
pub use warning::ModelWarning;
pub use weights::widen;
pub use write::{temporary_prefix, write_beside, write_json};
