//! Whether a tensor operation failed because a device's memory is full.

use candle_core::Error;

/// Returns whether candle's error comes from a GPU that ran out of memory.
pub(super) fn is_out_of_memory(error: &Error) -> bool {
    match error {
        Error::WithBacktrace { inner, .. } | Error::WithPath { inner, .. } | Error::Context { inner, .. } => {
            is_out_of_memory(inner)
        }
        #[cfg(feature = "cuda")]
        Error::Cuda(cause) => cause.downcast_ref().is_some_and(is_full),
        _ => false,
    }
}

#[cfg(feature = "cuda")]
fn is_full(error: &candle_core::cuda_backend::CudaError) -> bool {
    use candle_core::cuda_backend::CudaError;
    use candle_core::cuda_backend::cudarc::driver::DriverError;
    use candle_core::cuda_backend::cudarc::driver::sys::CUresult;
    match error {
        CudaError::Cuda(DriverError(result)) | CudaError::Load { cuda: DriverError(result), .. } => {
            *result == CUresult::CUDA_ERROR_OUT_OF_MEMORY
        }
        _ => false,
    }
}
