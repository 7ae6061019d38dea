//! Chunks: the pieces of a task that stay in the first cache.

/// The most weights in a chunk: a few registers of this size fit the first cache.
pub(in crate::interpret) const CHUNK: usize = 1024;

/// A piece of a linear that is computed at once: whole rows, or a part of one.
#[derive(Clone, Debug)]
pub(in crate::interpret) struct Chunk {
    /// The linear's place in the model.
    pub(in crate::interpret) linear: usize,
    /// The linear's place in its unit.
    pub(in crate::interpret) place: usize,
    pub(in crate::interpret) row: usize,
    pub(in crate::interpret) rows: usize,
    pub(in crate::interpret) column: usize,
    /// How many weights it has.
    pub(in crate::interpret) length: usize,
}
