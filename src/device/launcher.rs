//! What a GPU has to be able to do: run kernels.

use std::fmt;

use candle_core::{DType, Device, Tensor};

use super::error::EngineError;

/// Threads of a block, as the kernels have it.
pub(super) const THREADS: u64 = 256;
/// The most blocks of a kernel: enough for the largest GPU, and the same everywhere, for sums are added block by block.
pub(super) const BLOCKS: u64 = 1056;
/// Values of half the bits of a single.
pub(super) const DIGITS: usize = 1 << 16;

/// What a kernel takes.
pub enum Argument<'a> {
    /// The numbers of a tensor.
    Tensor(&'a Tensor),
    /// A whole number.
    U32(u32),
    /// A large one.
    U64(u64),
    /// One of the tensors that the kernel writes.
    Out(usize),
}

/// What runs kernels.
pub trait Launcher: fmt::Debug + Send + Sync {
    /// Returns where tensors lie.
    fn device(&self) -> Device;

    /// Returns the GPU's name; `None` for what only stands for one.
    fn name(&self) -> Option<String>;

    /// Returns how many bytes of its memory are free, and how many there are.
    fn memory(&self) -> Option<(u64, u64)>;

    /// Runs a kernel of a text in some blocks of 256 threads, and returns what it wrote into tensors that were 0.
    ///
    /// # Errors
    /// When the kernel cannot be compiled or run.
    fn launch(
        &self,
        text: &str,
        kernel: &'static str,
        blocks: u32,
        arguments: &[Argument<'_>],
        outs: &[(DType, usize)],
    ) -> Result<Vec<Tensor>, EngineError>;

    /// Checks that a linear's weights fit.
    ///
    /// # Errors
    /// When they do not; the error says what would.
    fn room(&self, what: &str, bytes: u64) -> Result<(), EngineError>;
}

/// Returns the error of a kernel that was handed something else than it takes.
pub(super) fn failed(what: &'static str) -> EngineError {
    EngineError::Failed { what, problem: "it is not what the kernel takes".to_owned() }
}
