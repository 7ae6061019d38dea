//! Where work is done: on the processor, or on a GPU. The device is a value that is passed, and all code above is the same.
//!
//! What must differ is the fused matrix stage, which a GPU runs as a kernel made for the formulas at hand, and the selection
//! of the least scores, which a GPU does by counting where a processor would sort. Everything else is candle's, on
//! [`Engine::device`].

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::error::EngineError;
use super::launcher::Launcher;
use super::layers::{self, AttentionRules, Bound, Joint};
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
    /// When the device has no room, or a tensor operation fails.
    pub fn least(&self, scores: &Tensor, wanted: &Least) -> Result<Tensor, EngineError> {
        match self {
            Self::Cpu => least_on_processor(scores, wanted),
            Self::Gpu(gpu) => selection::least(gpu.as_ref(), scores, wanted),
        }
    }
}

/// What a decoder asks of a GPU; a processor has its own ways, and `None` says that tensor operations have to do it.
impl Engine {
    fn on_gpu<T>(
        &self,
        work: impl FnOnce(&dyn Launcher) -> Result<Option<T>, EngineError>,
    ) -> Result<Option<T>, EngineError> {
        match self {
            Self::Cpu => Ok(None),
            Self::Gpu(gpu) => work(gpu.as_ref()),
        }
    }

    /// Returns whether kernels can be asked for at all.
    pub const fn has_kernels(&self) -> bool {
        matches!(self, Self::Gpu(_))
    }

    /// Returns the causal attention of queries `[samples, length, heads, size]` over keys and values
    /// `[samples, length, key_heads, size]`, contiguous, as `[samples, length, heads * size]`.
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn attention(
        &self,
        parts: [&Tensor; 3],
        rules: AttentionRules,
    ) -> Result<Option<Tensor>, EngineError> {
        self.on_gpu(|gpu| layers::attention(gpu, parts, rules))
    }

    /// Returns what two contiguous tensors of one shape become.
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn joined(
        &self,
        joint: Joint,
        first: &Tensor,
        second: &Tensor,
    ) -> Result<Option<Tensor>, EngineError> {
        self.on_gpu(|gpu| layers::joined(gpu, joint, first, second))
    }

    /// Returns the root-mean-square norm of a contiguous tensor's last dimension, times a weight.
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn root_mean_square(
        &self,
        input: &Tensor,
        weight: &Tensor,
        epsilon: f32,
    ) -> Result<Option<Tensor>, EngineError> {
        self.on_gpu(|gpu| layers::root_mean_square(gpu, input, weight, epsilon))
    }

    /// Returns contiguous heads `[samples, length, heads, size]` whose first channels are rotated by angles `[length, pairs]`.
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn rotated(
        &self,
        input: &Tensor,
        cosines: &Tensor,
        sines: &Tensor,
    ) -> Result<Option<Tensor>, EngineError> {
        self.on_gpu(|gpu| layers::rotated(gpu, input, cosines, sines))
    }

    /// Returns the ranks of scores, f32 `[rows, columns]`, within rows or groups of so many columns: two of 16 bits in each u32, in
    /// order. Of equal scores the one in the lower column has the lower rank.
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn ranks(&self, scores: &Tensor, group: Option<usize>) -> Result<Option<Tensor>, EngineError> {
        self.on_gpu(|gpu| selection::ranks(gpu, scores, group))
    }

    /// Returns the ranks of scores within the whole of them, u32 in their order. Of equal scores the first has the lower rank.
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn places(&self, scores: &Tensor) -> Result<Option<Tensor>, EngineError> {
        self.on_gpu(|gpu| selection::places(gpu, scores))
    }

    /// Returns weights with 0 where they are marked, u8 of the same shape, both contiguous.
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn without_marked(&self, weight: &Tensor, marks: &Tensor) -> Result<Option<Tensor>, EngineError> {
        self.on_gpu(|gpu| layers::without_marked(gpu, weight, marks))
    }

    /// Returns weights `[rows, columns]` with 0 where their rank is below a bound; ranks are those of
    /// [`Engine::ranks`], or with [`Bound::OfAll`] of [`Engine::places`].
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn without_least(
        &self,
        weight: &Tensor,
        ranks: &Tensor,
        bound: Bound,
    ) -> Result<Option<Tensor>, EngineError> {
        self.on_gpu(|gpu| layers::without_least(gpu, weight, ranks, bound))
    }

    /// Returns the negative log-likelihood of each target, in nats, of contiguous logits `[positions, vocabulary]` before their cap.
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn losses(
        &self,
        logits: &Tensor,
        softcap: Option<f64>,
        targets: &[u32],
    ) -> Result<Option<Vec<f64>>, EngineError> {
        self.on_gpu(|gpu| layers::losses(gpu, logits, softcap, targets))
    }

    /// Returns at each position the divergence from a dense model and the negative log-likelihood of the target, in nats, of
    /// contiguous logits `[positions, vocabulary]` before their cap, the dense model's first.
    ///
    /// # Errors
    /// When a kernel cannot be run.
    pub fn divergences(
        &self,
        logits: [&Tensor; 2],
        softcap: Option<f64>,
        targets: &[u32],
    ) -> Result<Option<Vec<(f64, f64)>>, EngineError> {
        self.on_gpu(|gpu| layers::divergences(gpu, logits, softcap, targets))
    }
}

fn least_on_processor(scores: &Tensor, wanted: &Least) -> Result<Tensor, EngineError> {
    let shape = scores.dims2()?;
    let values: Vec<f32> = scores.flatten_all()?.to_vec1()?;
    let marks = select::least(&values, [shape.0, shape.1], wanted);
    let marks: Vec<u8> = marks.into_iter().map(u8::from).collect();
    Ok(Tensor::from_vec(marks, shape, scores.device())?)
}
