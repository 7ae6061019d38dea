//! What a GPU has to be able to do: run kernels.

use std::fmt;
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

use super::error::EngineError;

/// Threads of a block, as the kernels have it.
pub(super) const THREADS: u64 = 256;
/// The most blocks of a kernel: enough for the largest GPU, and the same everywhere, for sums are added block by block.
pub(super) const BLOCKS: u64 = 1056;
/// Values of half the bits of a single.
pub(super) const DIGITS: usize = 1 << 16;

/// The text of some kernels, and its hash, by which a launcher knows what it has compiled.
#[derive(Clone, Debug)]
pub struct Code {
    text: Arc<str>,
    hash: [u8; 32],
}

impl Code {
    /// Takes the text of some kernels.
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

/// Kernels whose text is written for numbers of a type, and hashed once.
pub(super) struct Typed {
    text: fn(&str) -> String,
    singles: OnceLock<Code>,
    brain_floats: OnceLock<Code>,
}

impl Typed {
    /// Takes what writes the text for a type of the kernels' prelude.
    pub(super) const fn new(text: fn(&str) -> String) -> Self {
        Self { text, singles: OnceLock::new(), brain_floats: OnceLock::new() }
    }

    /// Returns the kernels for numbers of a type, or `None` where there are none.
    pub(super) fn of(&self, dtype: DType) -> Option<&Code> {
        let (code, name) = match dtype {
            DType::F32 => (&self.singles, "F32"),
            DType::BF16 => (&self.brain_floats, "BF16"),
            _ => return None,
        };
        Some(code.get_or_init(|| Code::new((self.text)(name))))
    }
}

/// What a kernel takes.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// The numbers of a tensor.
    Tensor(&'a Tensor),
    /// Where the numbers of several tensors begin, as a list of addresses on the device.
    Addresses(&'a [Tensor]),
    /// A whole number of 32 bits, or the bits of a single.
    U32(u32),
    /// A whole number of 64 bits.
    U64(u64),
    /// One of the tensors that the kernel writes.
    Out(usize),
}

impl Argument<'_> {
    /// Returns a single, which a kernel takes by its bits.
    pub const fn single(number: f32) -> Self {
        Self::U32(number.to_bits())
    }
}

/// A tensor that a kernel writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Out {
    /// The type of its numbers.
    pub dtype: DType,
    /// How many numbers it has.
    pub count: usize,
    /// Whether the numbers are 0 before the kernel runs; where they are not, the kernel writes all of them.
    pub zeros: bool,
}

impl Out {
    /// Returns a tensor whose numbers are 0 before.
    pub const fn zeros(dtype: DType, count: usize) -> Self {
        Self { dtype, count, zeros: true }
    }

    /// Returns a tensor all of whose numbers the kernel writes.
    pub const fn whole(dtype: DType, count: usize) -> Self {
        Self { dtype, count, zeros: false }
    }
}

/// One run of a kernel.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// How many blocks of 256 threads run.
    pub blocks: u32,
    /// How many bytes the threads of a block share beside what the kernel declares.
    pub shared: u32,
    /// What the kernel takes, in order.
    pub arguments: &'a [Argument<'a>],
}

/// What runs kernels.
pub trait Launcher: fmt::Debug + Send + Sync {
    /// Returns where tensors lie.
    fn device(&self) -> Device;

    /// Returns the GPU's name; `None` for what only stands for one.
    fn name(&self) -> Option<String>;

    /// Returns how many bytes of its memory are free, and how many there are.
    fn memory(&self) -> Option<(u64, u64)>;

    /// Returns how many bytes the threads of a block can share.
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
    /// When they do not; the error says what would.
    fn room(&self, what: &str, bytes: u64) -> Result<(), EngineError>;
}

/// Runs a kernel in so many blocks without further shared memory.
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

/// Runs a kernel that writes one tensor, and returns that.
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

/// Returns the error of a kernel that was handed something else than it takes.
pub(super) fn failed(what: &'static str) -> EngineError {
    EngineError::Failed { what, problem: "it is not what the kernel takes".to_owned() }
}
