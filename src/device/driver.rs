//! Kernels compiled by NVRTC and run on a GPU by its driver, in one stream.

use std::fmt;
use std::sync::Mutex;

use candle_core::cuda_backend::cudarc::driver::{CudaFunction, DevicePtr, LaunchConfig, PushKernelArg};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDType, CudaStorage};
use candle_core::{CudaDevice, DType, Device, Storage, Tensor};
use half::{bf16, f16};
use sha2::{Digest, Sha256};

use super::error::{EngineError, Fits};
use super::launcher::{Argument, Launcher};

/// Bytes of the device that are left for what kernels take beside the weights.
const SPARE: u64 = 256 << 20;

/// A GPU's driver, and one stream in which everything runs in order.
pub(super) struct Driver {
    ordinal: usize,
    cuda: CudaDevice,
    name: String,
    /// What NVRTC compiles for, such as `compute_90`.
    architecture: String,
    /// One kernel at a time is compiled: the second who needs it finds it.
    compiling: Mutex<()>,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (cuda:{})", self.name, self.ordinal)
    }
}

impl Driver {
    /// Opens the `ordinal`-th GPU, from 0.
    ///
    /// # Errors
    /// When the driver or its libraries are not there, or no such GPU is.
    pub(super) fn open(ordinal: usize) -> Result<Self, EngineError> {
        // A backtrace may follow the first line.
        let no_device = |problem: &dyn fmt::Display| {
            let problem = problem.to_string().lines().next().unwrap_or_default().to_owned();
            EngineError::NoDevice { ordinal, problem }
        };
        // A stream of its own, and not each thread's: rayon's threads share the device, and its work stays in order.
        let cuda = CudaDevice::new_with_stream(ordinal).map_err(|error| no_device(&error))?;
        let stream = cuda.cuda_stream();
        let context = stream.context();
        let name = context.name().map_err(|error| no_device(&error))?;
        let (major, minor) = context.compute_capability().map_err(|error| no_device(&error))?;
        let architecture = format!("compute_{major}{minor}");
        Ok(Self { ordinal, cuda, name, architecture, compiling: Mutex::new(()) })
    }

    /// Returns a kernel, compiled unless it was before; a text is known by its hash.
    fn function(&self, text: &str, kernel: &'static str) -> Result<CudaFunction, EngineError> {
        let module = format!("allot-{}", hexadecimal(&Sha256::digest(text.as_bytes())));
        let _one = self.compiling.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // What is loaded already needs no code.
        if let Ok(function) = self.cuda.get_or_load_custom_func(kernel, &module, "") {
            return Ok(function.into_cuda_function());
        }
        let options = CompileOptions {
            options: vec![format!("--gpu-architecture={}", self.architecture), "--std=c++17".to_owned()],
            ..CompileOptions::default()
        };
        let compiled = compile_ptx_with_opts(text, options)
            .map_err(|error| EngineError::Failed { what: kernel, problem: error.to_string() })?;
        let loaded = self.cuda.get_or_load_custom_func(kernel, &module, &compiled.to_src());
        let loaded =
            loaded.map_err(|error| EngineError::Failed { what: kernel, problem: error.to_string() })?;
        Ok(loaded.into_cuda_function())
    }
}

impl Launcher for Driver {
    fn device(&self) -> Device {
        Device::Cuda(self.cuda.clone())
    }

    fn name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn memory(&self) -> Option<(u64, u64)> {
        let stream = self.cuda.cuda_stream();
        let (free, total) = stream.context().mem_get_info().ok()?;
        Some((free as u64, total as u64))
    }

    fn room(&self, what: &str, bytes: u64) -> Result<(), EngineError> {
        let Some((free, total)) = self.memory() else { return Ok(()) };
        if bytes.saturating_add(SPARE) <= free {
            return Ok(());
        }
        let fits = Fits::Linear(free.saturating_sub(SPARE) / 2);
        Err(EngineError::OutOfMemory {
            what: format!("the weights of {what}"),
            needed: bytes,
            free,
            total,
            fits,
        })
    }

    fn launch(
        &self,
        text: &str,
        kernel: &'static str,
        blocks: u32,
        arguments: &[Argument<'_>],
        outs: &[(DType, usize)],
    ) -> Result<Vec<Tensor>, EngineError> {
        let function = self.function(text, kernel)?;
        let device = self.device();
        let written: Vec<Tensor> = outs
            .iter()
            .map(|(dtype, count)| Tensor::zeros((*count).max(1), *dtype, &device))
            .collect::<Result<_, _>>()?;
        // Addresses and numbers, which must live until the launch.
        let values: Vec<Value> = arguments
            .iter()
            .map(|argument| match argument {
                Argument::Tensor(tensor) => Ok(Value::Long(self.address(tensor)?)),
                Argument::Out(out) => Ok(Value::Long(self.address(&written[*out])?)),
                Argument::U32(number) => Ok(Value::Short(*number)),
                Argument::U64(number) => Ok(Value::Long(*number)),
            })
            .collect::<Result<_, EngineError>>()?;
        let stream = self.cuda.cuda_stream();
        let mut builder = stream.launch_builder(&function);
        for value in &values {
            match value {
                Value::Long(number) => builder.arg(number),
                Value::Short(number) => builder.arg(number),
            };
        }
        let config = LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (256, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the arguments are those that the kernel's text declares, every buffer is as long as its shape says, and all
        // of them were made on this stream, which frees them in order.
        unsafe { builder.launch(config) }
            .map_err(|error| EngineError::Failed { what: kernel, problem: error.to_string() })?;
        Ok(written)
    }
}

enum Value {
    Long(u64),
    Short(u32),
}

impl Driver {
    /// Returns where a tensor's numbers begin on the device.
    fn address(&self, tensor: &Tensor) -> Result<u64, EngineError> {
        let (storage, layout) = tensor.storage_and_layout();
        let (Storage::Cuda(storage), Some((start, _))) = (&*storage, layout.contiguous_offsets()) else {
            return Err(EngineError::Failed {
                what: "a kernel",
                problem: "a tensor does not lie in a row on the GPU".to_owned(),
            });
        };
        let size = tensor.dtype().size_in_bytes();
        let address = match tensor.dtype() {
            DType::F32 => self.start::<f32>(storage),
            DType::F64 => self.start::<f64>(storage),
            DType::F16 => self.start::<f16>(storage),
            DType::BF16 => self.start::<bf16>(storage),
            DType::U32 => self.start::<u32>(storage),
            _ => self.start::<u8>(storage),
        }?;
        Ok(address + (start * size) as u64)
    }

    fn start<T: CudaDType>(&self, storage: &CudaStorage) -> Result<u64, EngineError> {
        let stream = self.cuda.cuda_stream();
        let (address, _in_use) = storage.as_cuda_slice::<T>()?.device_ptr(&stream);
        Ok(address)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Has NVRTC compile a text, which takes no GPU.
#[cfg(test)]
pub(super) fn check(text: &str) {
    let options = CompileOptions {
        options: vec!["--gpu-architecture=compute_90".to_owned(), "--std=c++17".to_owned()],
        ..CompileOptions::default()
    };
    if let Err(error) = compile_ptx_with_opts(text, options) {
        panic!("{error}\n{text}");
    }
}
