//! Limits on the size of scripts.

/// The longest script that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// How deeply expressions may nest, so that every walk of a tree fits the stack.
pub const MAX_DEPTH: usize = 200;

/// How many operators and constants a script may have, with bindings written out wherever they are used.
pub const MAX_SIZE: usize = 20_000;
