//! Scores to masks, masks to weights, weights to a folder.

mod error;
mod mask;
mod pattern;
pub mod score;
pub mod select;

pub use error::PruneError;
pub use mask::Mask;
pub use pattern::{Pattern, Rounding, Share, least, shares};
pub use score::{Method, Propagation};
