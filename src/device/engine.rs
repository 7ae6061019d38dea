//! Where work is done: on the processor, or on a GPU. The device is a value that is passed, and all code above is the same.
//!
//! What must differ is the fused matrix stage, which a GPU runs as a kernel made for the formulas at hand, and the selection
//! of the least scores, which a GPU does by counting where a processor would sort. Everything else is candle's, on
//! [`Engine::device`].

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::error::EngineError;
use super::launcher::Launcher;
use super::on_gpu::OnGpu;
use super::selection;
use crate::interpret::matrix::{Backend, Processor};
use crate::kernels::select::{self, Least};

/// Where work is done.
#[derive(Clone, Debug, Default)]
pub enum Engine {
    /// On the processor's cores.
    #[default]
    Cpu,
    /// On a GPU, or an emulation of one.
    Gpu(Arc<dyn Launcher>),
}

/// The processor, for those who need a reference that outlives them.
pub static CPU: Engine = Engine::Cpu;

impl Engine {
    /// Returns the `ordinal`-th NVIDIA GPU, from 0.
    ///
    /// # Errors
    /// When this build knows no GPU, or there is none of that number.
    pub fn cuda(ordinal: usize) -> Result<Self, EngineError> {
        #[cfg(feature = "cuda")]
        return Ok(Self::Gpu(Arc::new(super::driver::Driver::open(ordinal)?)));
        #[cfg(not(feature = "cuda"))]
        Err(EngineError::NotBuilt { asked: format!("cuda:{ordinal}") })
    }

    /// Returns where tensors lie.
    pub fn device(&self) -> Device {
        match self {
            Self::Cpu => Device::Cpu,
            Self::Gpu(gpu) => gpu.device(),
        }
    }

    /// Returns the GPU's name; `None` for a processor.
    pub fn gpu(&self) -> Option<String> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu) => gpu.name(),
        }
    }

    /// Returns how many bytes of a GPU's own memory are free, and how many there are; `None` for a processor.
    pub fn memory(&self) -> Option<(u64, u64)> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu) => gpu.memory(),
        }
    }

    /// Returns what runs kernels; `None` for a processor, which has its own ways.
    pub fn kernels(&self) -> Option<&dyn Launcher> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu) => Some(gpu.as_ref()),
        }
    }

    /// Returns what evaluates scripts on the engine's device.
    ///
    /// `weights` are those of all linears where they lie on that device already, in the type that is stored; or none, and then
    /// each is copied there when it is needed.
    pub fn backend<'a>(&'a self, weights: &'a [Tensor]) -> Box<dyn Backend + 'a> {
        match self {
            Self::Cpu => Box::new(Processor),
            Self::Gpu(gpu) => Box::new(OnGpu::new(gpu.as_ref(), weights)),
        }
    }

    /// Marks the least scores, f32 `[rows, columns]` on the engine's device, by 1 in u8 `[rows, columns]`; none is NaN.
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
