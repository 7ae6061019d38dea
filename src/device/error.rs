//! Why a device could not do its work.

use crate::interpret::matrix::BackendError;

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
    /// Several GPUs were named for work that one does.
    #[error("`{asked}` names several GPUs, and this command runs on one")]
    SeveralGpus {
        /// What was asked for.
        asked: String,
    },
    /// A linear has more weights than kernels can count.
    #[error("`{linear}` has {weights} weights, and on a GPU a linear has at most {most}")]
    LargeLinear {
        /// The linear's module.
        linear: String,
        /// How many weights it has.
        weights: u64,
        /// How many it may have.
        most: u64,
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

impl From<EngineError> for BackendError {
    fn from(error: EngineError) -> Self {
        Self::new(error)
    }
}
