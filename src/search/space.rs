//! The space of a search: its formulas and how they are drawn.

mod chain;
mod constants;
mod definition;
mod dsa;
mod grow;
pub(super) mod nodes;
mod options;
mod productions;
mod random;
mod tidy;
mod trees;
mod tunable;
mod variations;
mod vary;
mod vary_tree;

pub use definition::Space;
pub use options::{SpaceError, SpaceKind, SpaceOptions, operator};
pub use tunable::{tunable_constants, with_constants};
pub use variations::{VARIATIONS, Variation, VariationInfo};
