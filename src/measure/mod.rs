//! Effects of pruning on a model: perplexity, and divergence from the dense model.

mod divergence;
mod finite;
mod loss;
mod on_device;
pub mod paired;
mod perplexity;
mod reference;
mod slope;

pub use divergence::{Divergence, divergence, divergence_of, divergence_streamed};
pub use loss::{Logits, row_divergence, row_likelihoods, row_loss};
pub use perplexity::{Perplexity, perplexity, perplexity_of, perplexity_streamed};
pub use reference::{Reference, WindowLoss};
pub use slope::{LossSlope, SlopeOf};
