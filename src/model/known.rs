//! Operations with known gradients: kernels compute both the result and the backward step, where candle's own
//! operations would need many passes over memory.

use std::sync::{Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor,
};

/// A result computed elsewhere, held until candle takes it.
struct Taken {
    result: Mutex<Option<Tensor>>,
}

impl Taken {
    fn new(result: Tensor) -> Self {
        Self { result: Mutex::new(Some(result)) }
    }

    /// Returns the result once, so that it does not stay in memory in addition to candle's copy.
    fn result(&self) -> Result<Tensor> {
        let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        let result = result.take().ok_or_else(|| candle_core::Error::Msg("a step ran twice".to_owned()))?;
        result.contiguous()
    }

    fn on_processor(&self) -> Result<(CpuStorage, Shape)> {
        let result = self.result()?;
        match &*result.storage_and_layout().0 {
            Storage::Cpu(storage) => Ok((storage.try_clone(result.layout())?, result.shape().clone())),
            _ => Err(candle_core::Error::Msg("a step's result lies on another device".to_owned())),
        }
    }

    fn on_gpu(&self) -> Result<(CudaStorage, Shape)> {
        let result = self.result()?;
        match &*result.storage_and_layout().0 {
            Storage::Cuda(storage) => Ok((storage.try_clone(result.layout())?, result.shape().clone())),
            _ => Err(candle_core::Error::Msg("a step's result lies on another device".to_owned())),
        }
    }
}

/// An operation with one, two or three arguments.
struct Known<B> {
    taken: Taken,
    back: B,
}

impl<B: Fn(&Tensor, &Tensor) -> Result<Tensor>> CustomOp1 for Known<B> {
    fn name(&self) -> &'static str {
        "known"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.taken.on_processor()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.taken.on_gpu()
    }

    fn bwd(&self, argument: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        (self.back)(&argument.detach(), &gradient.detach()).map(Some)
    }
}

impl<B: Fn([&Tensor; 2], &Tensor) -> Result<[Option<Tensor>; 2]>> CustomOp2 for Known<B> {
    fn name(&self) -> &'static str {
        "known"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.taken.on_processor()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.taken.on_gpu()
    }

    fn bwd(
        &self,
        first: &Tensor,
        second: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [first, second] = (self.back)([&first.detach(), &second.detach()], &gradient.detach())?;
        Ok((first, second))
    }
}

impl<B: Fn([&Tensor; 3], &Tensor) -> Result<[Tensor; 3]>> CustomOp3 for Known<B> {
    fn name(&self) -> &'static str {
        "known"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.taken.on_processor()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.taken.on_gpu()
    }

    fn bwd(
        &self,
        first: &Tensor,
        second: &Tensor,
        third: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let arguments = [&first.detach(), &second.detach(), &third.detach()];
        let [first, second, third] = (self.back)(arguments, &gradient.detach())?;
        Ok((Some(first), Some(second), Some(third)))
    }
}

/// Returns a one-argument result whose gradient `back` computes from the argument and the gradient of the
/// result.
pub(super) fn of_one(
    argument: &Tensor,
    result: Tensor,
    back: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    argument.apply_op1(Known { taken: Taken::new(result), back })
}

/// Returns a two-argument result whose gradients `back` computes; it returns none for an argument that does
/// not need one.
pub(super) fn of_two(
    [first, second]: [&Tensor; 2],
    result: Tensor,
    back: impl Fn([&Tensor; 2], &Tensor) -> Result<[Option<Tensor>; 2]> + Send + Sync + 'static,
) -> Result<Tensor> {
    first.apply_op2(second, Known { taken: Taken::new(result), back })
}

/// Returns a three-argument result whose gradients `back` computes.
pub(super) fn of_three(
    [first, second, third]: [&Tensor; 3],
    result: Tensor,
    back: impl Fn([&Tensor; 3], &Tensor) -> Result<[Tensor; 3]> + Send + Sync + 'static,
) -> Result<Tensor> {
    first.apply_op3(second, third, Known { taken: Taken::new(result), back })
}
