//! The interface of a GPU: running kernels.

use std::fmt;
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

use super::error::EngineError;

/// Number of threads in a block, as in the kernels.
pub(super) const THREADS: u64 = 256;
/// The maximum number of blocks of a kernel: enough for the largest GPU, and the same on all of them because
/// sums are added block by block.
pub(super) const BLOCKS: u64 = 1056;
/// Number of values of half the bits of an f32.
pub(super) const DIGITS: usize = 1 << 16;

/// The source text of one or more kernels, with the hash under which a launcher stores the compiled code.
#[derive(Clone, Debug)]
pub struct Code {
    text: Arc<str>,
    hash: [u8; 32],
}

impl Code {
    /// Wraps the text of kernels.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let hash = Sha256::digest(text.as_bytes()).into();
        Self { text, hash }
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the SHA-256 of the text.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// Kernels whose text is generated for a number type, and hashed once.
pub(super) struct Typed {
    text: fn(&str) -> String,
    singles: OnceLock<Code>,
    brain_floats: OnceLock<Code>,
}

impl Typed {
    /// Takes a function that generates the text for a type of the kernels' prelude.
    pub(super) const fn new(text: fn(&str) -> String) -> Self {
        Self { text, singles: OnceLock::new(), brain_floats: OnceLock::new() }
    }

    /// Returns the kernels for numbers of a type, or `None` if there are none.
    pub(super) fn of(&self, dtype: DType) -> Option<&Code> {
        let (code, name) = match dtype {
            DType::F32 => (&self.singles, "F32"),
            DType::BF16 => (&self.brain_floats, "BF16"),
            _ => return None,
        };
        Some(code.get_or_init(|| Code::new((self.text)(name))))
    }
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// The data of a tensor.
    Tensor(&'a Tensor),
    /// The addresses of several tensors' data, as a list on the device.
    Addresses(&'a [Tensor]),
    /// A 32-bit whole number, or the bits of an f32.
    U32(u32),
    /// A 64-bit whole number.
    U64(u64),
    /// One of the tensors that the kernel writes, by index.
    Out(usize),
}

impl Argument<'_> {
    /// Returns an f32 argument, passed as its bits.
    pub const fn single(number: f32) -> Self {
        Self::U32(number.to_bits())
    }
}

/// A tensor that a kernel writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Out {
    /// The type of its numbers.
    pub dtype: DType,
    /// Number of values.
    pub count: usize,
    /// Whether the values are 0 before the kernel runs; if not, the kernel writes all of them.
    pub zeros: bool,
}

impl Out {
    /// Returns a tensor that is filled with 0 before the kernel runs.
    pub const fn zeros(dtype: DType, count: usize) -> Self {
        Self { dtype, count, zeros: true }
    }

    /// Returns a tensor that the kernel fills completely.
    pub const fn whole(dtype: DType, count: usize) -> Self {
        Self { dtype, count, zeros: false }
    }
}

/// One run of a kernel.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// Number of blocks of 256 threads.
    pub blocks: u32,
    /// Dynamic shared memory in bytes, in addition to the kernel's declarations.
    pub shared: u32,
    /// The kernel's arguments, in order.
    pub arguments: &'a [Argument<'a>],
}

/// Runs kernels on a device.
pub trait Launcher: fmt::Debug + Send + Sync {
    /// Returns the device that holds tensors.
    fn device(&self) -> Device;

    /// Returns the GPU's name; `None` for an emulation.
    fn name(&self) -> Option<String>;

    /// Returns the free and the total bytes of its memory.
    fn memory(&self) -> Option<(u64, u64)>;

    /// Returns the maximum shared memory of a block of threads, in bytes.
    fn shared_memory(&self) -> usize;

    /// Runs a kernel of a text, and returns the tensors that it wrote.
    ///
    /// # Errors
    /// When the kernel cannot be compiled or run.
    fn run(
        &self,
        code: &Code,
        kernel: &'static str,
        launch: Launch<'_>,
        outs: &[Out],
    ) -> Result<Vec<Tensor>, EngineError>;

    /// Checks that a linear's weights fit.
    ///
    /// # Errors
    /// When they do not fit; the error says what would.
    fn room(&self, what: &str, bytes: u64) -> Result<(), EngineError>;
}

/// Runs a kernel in the given number of blocks without dynamic shared memory.
///
/// # Errors
/// As [`Launcher::run`].
pub(super) fn launch(
    gpu: &dyn Launcher,
    code: &Code,
    kernel: &'static str,
    blocks: u64,
    arguments: &[Argument<'_>],
    outs: &[Out],
) -> Result<Vec<Tensor>, EngineError> {
    let blocks = u32::try_from(blocks).map_err(|_| failed(kernel))?;
    gpu.run(code, kernel, Launch { blocks, shared: 0, arguments }, outs)
}

/// Runs a kernel that writes one tensor, and returns it.
///
/// # Errors
/// As [`Launcher::run`].
pub(super) fn launch_for_one(
    gpu: &dyn Launcher,
    code: &Code,
    kernel: &'static str,
    launch: Launch<'_>,
    out: Out,
) -> Result<Tensor, EngineError> {
    gpu.run(code, kernel, launch, &[out])?.pop().ok_or_else(|| failed(kernel))
}

/// Returns the error of a kernel that received an unsupported argument.
pub(super) fn failed(what: &'static str) -> EngineError {
    EngineError::Failed { what, problem: "the kernel does not support its arguments".to_owned() }
}
