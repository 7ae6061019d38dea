//! The engine that does the work: the CPU or a GPU. It is passed as a value, and the code above it is the
//! same for both.
//!
//! Only two things have to differ: the fused matrix stage, for which a GPU runs a kernel generated for the
//! given formulas, and the selection of the lowest scores, for which a GPU counts where the CPU sorts.
//! Everything else is candle's, on [`Engine::device`].

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::error::EngineError;
use super::launcher::Launcher;
use super::on_gpu::OnGpu;
use super::selection;
use crate::interpret::matrix::{Backend, Processor};
use crate::kernels::select::{self, Least};

/// The engine that does the work.
#[derive(Clone, Debug, Default)]
pub enum Engine {
    /// The CPU's cores.
    #[default]
    Cpu,
    /// A GPU, or an emulation of one.
    Gpu(Arc<dyn Launcher>),
}

/// The CPU engine with a static lifetime, for callers that need a reference.
pub static CPU: Engine = Engine::Cpu;

impl Engine {
    /// Returns the `ordinal`-th NVIDIA GPU, from 0.
    ///
    /// # Errors
    /// When this build does not support GPUs, or the GPU does not exist.
    pub fn cuda(ordinal: usize) -> Result<Self, EngineError> {
        #[cfg(feature = "cuda")]
        return Ok(Self::Gpu(Arc::new(super::driver::Driver::open(ordinal)?)));
        #[cfg(not(feature = "cuda"))]
        Err(EngineError::NotBuilt { asked: format!("cuda:{ordinal}") })
    }

    /// Returns the device that holds tensors.
    pub fn device(&self) -> Device {
        match self {
            Self::Cpu => Device::Cpu,
            Self::Gpu(gpu) => gpu.device(),
        }
    }

    /// Returns the GPU's name; `None` for the CPU.
    pub fn gpu(&self) -> Option<String> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu) => gpu.name(),
        }
    }

    /// Returns the free and the total bytes of a GPU's own memory; `None` for the CPU.
    pub fn memory(&self) -> Option<(u64, u64)> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu) => gpu.memory(),
        }
    }

    /// Returns the launcher of kernels; `None` for the CPU, which has its own implementations.
    pub fn kernels(&self) -> Option<&dyn Launcher> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu) => Some(gpu.as_ref()),
        }
    }

    /// Returns the backend that evaluates scripts on the engine's device.
    ///
    /// `weights` are those of all linears, in their stored type, if they already lie on that device. If it is
    /// empty, each weight is copied there when it is needed.
    pub fn backend<'a>(&'a self, weights: &'a [Tensor]) -> Box<dyn Backend + 'a> {
        match self {
            Self::Cpu => Box::new(Processor),
            Self::Gpu(gpu) => Box::new(OnGpu::new(gpu.as_ref(), weights)),
        }
    }

    /// Marks the lowest scores, f32 `[rows, columns]` on the engine's device, by 1 in u8 `[rows, columns]`;
    /// no score may be NaN.
    ///
    /// # Errors
    /// When the device runs out of memory, or a tensor operation fails.
    pub fn least(&self, scores: &Tensor, wanted: &Least) -> Result<Tensor, EngineError> {
        match self {
            Self::Cpu => least_on_processor(scores, wanted),
            Self::Gpu(gpu) => selection::least(gpu.as_ref(), scores, wanted),
        }
    }
}

fn least_on_processor(scores: &Tensor, wanted: &Least) -> Result<Tensor, EngineError> {
    let shape = scores.dims2()?;
    let values: Vec<f32> = scores.flatten_all()?.to_vec1()?;
    let marks = select::least(&values, [shape.0, shape.1], wanted);
    let marks: Vec<u8> = marks.into_iter().map(u8::from).collect();
    Ok(Tensor::from_vec(marks, shape, scores.device())?)
}
