//! Where work is done: on the processor, or on a GPU. The device is a value that is passed, and all code above is the same.
//!
//! What must differ stands behind one small trait, `Backend`: the fused matrix stage, which a GPU runs as a kernel made for
//! the formulas at hand, and the selection of the least scores, which a GPU does by counting where a processor would sort.
//! Everything else is candle's, on [`Engine::device`].

use std::fmt;

use candle_core::{Device, Tensor};

use super::matrix::{Processor, Stage};
use super::tally::{Collected, Tally};
use super::vector::Histogram;

#[cfg(feature = "cuda")]
use super::cuda::Cuda;

/// Where work is done.
#[derive(Clone, Debug, Default)]
pub enum Engine {
    /// On the processor's cores.
    #[default]
    Cpu,
    /// On an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(std::sync::Arc<Cuda>),
    /// On the processor, as a GPU would.
    #[cfg(test)]
    Emulated(std::sync::Arc<super::cuda::Gpu<super::cuda::Emulation>>),
}

/// The processor, for those who need a reference that outlives them.
pub static CPU: Engine = Engine::Cpu;

/// Why a device could not do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// This build has no support for GPUs.
    #[error("this build of allot knows no GPU, so it has no device `{asked}`")]
    NotBuilt {
        /// What was asked for.
        asked: String,
    },
    /// There is no such GPU, or its driver does not answer.
    #[error("the GPU {ordinal} cannot be used: {problem}")]
    NoDevice {
        /// Its number, from 0.
        ordinal: usize,
        /// What the driver says.
        problem: String,
    },
    /// Something does not fit into the GPU's memory.
    #[error("the GPU has no room for {what}: {needed} bytes are needed and {free} of {total} are free")]
    OutOfMemory {
        /// What was to be put there.
        what: String,
        /// How many bytes it takes.
        needed: u64,
        /// How many are free.
        free: u64,
        /// How many there are.
        total: u64,
        /// What would fit.
        fits: Fits,
    },
    /// A kernel could not be compiled or run.
    #[error("the GPU could not run {what}: {problem}")]
    Failed {
        /// What it was to run.
        what: &'static str,
        /// What the driver says.
        problem: String,
    },
    /// A tensor operation of a device failed.
    #[error("{0}")]
    Tensor(String),
}

/// What would fit into a GPU's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fits {
    /// A linear of so many weights of 16 bits.
    Linear(u64),
    /// A model of about so many weights, computed in brain floats.
    Model(u64),
}

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(error.to_string())
    }
}

/// Which of the least scores of a matrix are marked; of equal ones, those of the lower index first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Least {
    /// So many of all.
    OfAll(usize),
    /// All that are no larger than the one at this place, from 0, of the sorted scores.
    UpTo(usize),
    /// So many of each row.
    OfRows(Vec<u32>),
    /// So many of each group of `size` consecutive columns.
    OfGroups {
        /// How many columns a group has.
        size: usize,
        /// How many of a whole group are marked.
        count: usize,
        /// How many of the last group of a row, where that has fewer columns.
        last: usize,
    },
}

/// What a processor and a GPU do each in its own way.
pub(in crate::interpret) trait Backend: fmt::Debug + Send + Sync {
    /// Returns whether units are evaluated side by side.
    fn units_side_by_side(&self) -> bool;

    /// Returns whether an order statistic is found by counting, without a copy of all values.
    fn counts(&self) -> bool;

    /// Reads a unit's weights once, and returns what each tally collected; `takers` says for each of the program's roots
    /// which tallies take its values.
    fn collect(
        &self,
        stage: &Stage<'_>,
        tallies: &[Tally],
        takers: &[Vec<usize>],
    ) -> Result<Vec<Collected>, EngineError>;

    /// Returns the values of a program's only root, one task after another.
    fn values(&self, stage: &Stage<'_>) -> Result<Vec<f32>, EngineError>;

    /// Counts the values of a program's only root by the upper half of their bits, or those of an upper half by the lower;
    /// says also whether one is NaN.
    fn histogram(&self, stage: &Stage<'_>, upper: Option<u16>) -> Result<(Histogram, bool), EngineError>;

    /// Returns how many values of a program's only root are below a threshold, and how many are equal to it.
    fn against(&self, stage: &Stage<'_>, threshold: f32) -> Result<(u64, u64), EngineError>;

    /// Marks the least scores, f32 `[rows, columns]`, by 1 in u8 `[rows, columns]`; none is NaN.
    fn least(&self, scores: &Tensor, wanted: &Least) -> Result<Tensor, EngineError>;
}

impl Engine {
    /// Returns the `ordinal`-th GPU, from 0.
    ///
    /// # Errors
    /// When this build knows no GPU, or there is none of that number.
    pub fn cuda(ordinal: usize) -> Result<Self, EngineError> {
        #[cfg(feature = "cuda")]
        return Ok(Self::Cuda(std::sync::Arc::new(Cuda::open(ordinal)?)));
        #[cfg(not(feature = "cuda"))]
        Err(EngineError::NotBuilt { asked: format!("cuda:{ordinal}") })
    }

    /// Returns where tensors lie.
    pub fn device(&self) -> Device {
        match self {
            Self::Cpu => Device::Cpu,
            #[cfg(test)]
            Self::Emulated(_) => Device::Cpu,
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.device(),
        }
    }

    /// Returns the GPU's name; `None` for a processor.
    pub fn gpu(&self) -> Option<String> {
        match self {
            Self::Cpu => None,
            #[cfg(test)]
            Self::Emulated(_) => None,
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => Some(cuda.name()),
        }
    }

    /// Returns how many bytes of a GPU's own memory are free, and how many there are; `None` for a processor.
    pub fn memory(&self) -> Option<(u64, u64)> {
        match self {
            Self::Cpu => None,
            #[cfg(test)]
            Self::Emulated(_) => None,
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.memory(),
        }
    }

    /// Marks the least scores, f32 `[rows, columns]` on the engine's device, by 1 in u8 `[rows, columns]`.
    ///
    /// # Errors
    /// When the device has no room, or a tensor operation fails.
    pub fn least(&self, scores: &Tensor, wanted: &Least) -> Result<Tensor, EngineError> {
        self.backend().least(scores, wanted)
    }

    pub(in crate::interpret) fn backend(&self) -> &dyn Backend {
        match self {
            Self::Cpu => &Processor,
            #[cfg(test)]
            Self::Emulated(gpu) => gpu.as_ref(),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.as_ref(),
        }
    }
}
