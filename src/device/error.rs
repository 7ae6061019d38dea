//! Errors of devices.

use crate::interpret::matrix::BackendError;

/// Why a device could not do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// This build does not support GPUs.
    #[error("this build of allot does not support GPUs, so it has no device `{asked}`")]
    NotBuilt {
        /// The requested device.
        asked: String,
    },
    /// The GPU does not exist, or its driver does not answer.
    #[error("the GPU {ordinal} cannot be used: {problem}")]
    NoDevice {
        /// Its number, from 0.
        ordinal: usize,
        /// The driver's error.
        problem: String,
    },
    /// Several GPUs were named for work that runs on one.
    #[error("`{asked}` names several GPUs, but this command runs on one")]
    SeveralGpus {
        /// The requested devices.
        asked: String,
    },
    /// A linear has more weights than kernels can count.
    #[error("`{linear}` has {weights} weights, but a linear on a GPU may have at most {most}")]
    LargeLinear {
        /// The linear's module.
        linear: String,
        /// Its number of weights.
        weights: u64,
        /// The maximum number of weights.
        most: u64,
    },
    /// Something does not fit into the GPU's memory.
    #[error(
        "the GPU has not enough memory for {what}: {needed} bytes are needed and {free} of {total} are free"
    )]
    OutOfMemory {
        /// What did not fit.
        what: String,
        /// The bytes that it takes.
        needed: u64,
        /// The free bytes.
        free: u64,
        /// The total bytes.
        total: u64,
        /// What would fit.
        fits: Fits,
    },
    /// A kernel could not be compiled or run.
    #[error("the GPU could not run {what}: {problem}")]
    Failed {
        /// What should have run.
        what: &'static str,
        /// The driver's error.
        problem: String,
    },
    /// A tensor operation of a device failed.
    #[error("{0}")]
    Tensor(String),
}

/// What would fit into a GPU's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fits {
    /// A linear with this number of 16-bit weights.
    Linear(u64),
    /// A model with about this number of weights, computed in bfloat16.
    Model(u64),
}

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(error.to_string())
    }
}

impl From<EngineError> for BackendError {
    fn from(error: EngineError) -> Self {
        Self::new(error)
    }
}
