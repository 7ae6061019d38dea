//! Kernels compiled by NVRTC and run on a GPU by its driver, in one stream.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::driver::sys::{
    CUdevice_attribute, CUfunction_attribute, CUmemPool_attribute,
};
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, DevicePtr, DriverError, LaunchConfig, PushKernelArg, result,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDType, CudaStorage};
use candle_core::{CudaDevice, DType, Device, Storage, Tensor};
use half::{bf16, f16};

use super::error::{EngineError, Fits};
use super::launcher::{Argument, Code, Launch, Launcher, Out};

/// Device memory in bytes that is reserved for what kernels need in addition to the weights.
const SPARE: u64 = 256 << 20;
/// Shared memory in bytes that a block of threads gets without a special request.
const SHARED: u32 = 48 << 10;
/// A kernel of a source text, identified by the text's hash.
type Known = ([u8; 32], &'static str);

/// A GPU's driver, with one stream in which everything runs in order.
pub(super) struct Driver {
    ordinal: usize,
    cuda: CudaDevice,
    name: String,
    /// The architecture that NVRTC compiles for, such as `compute_90`.
    architecture: String,
    /// Maximum shared memory of a block of threads, in bytes.
    shared: usize,
    /// Compiles one kernel at a time, so that a second thread that needs it finds it. Only looked up by key,
    /// never iterated.
    known: Mutex<Compiled>,
}

/// The kernels compiled so far.
#[derive(Default)]
struct Compiled {
    functions: HashMap<Known, CudaFunction>,
    /// The hashes of the texts loaded on the device.
    loaded: HashSet<[u8; 32]>,
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
    /// When the driver or its libraries are missing, or the GPU does not exist.
    pub(super) fn open(ordinal: usize) -> Result<Self, EngineError> {
        // A backtrace may follow the first line.
        let no_device = |problem: &dyn fmt::Display| {
            let problem = problem.to_string().lines().next().unwrap_or_default().to_owned();
            EngineError::NoDevice { ordinal, problem }
        };
        // One explicit stream instead of one for each thread: rayon's threads share the device, and its work
        // stays in order.
        let cuda = CudaDevice::new_with_stream(ordinal).map_err(|error| no_device(&error))?;
        // SAFETY: everything runs in the one stream, which keeps the order of all work, so nothing has to wait for an event.
        unsafe { cuda.disable_event_tracking() };
        let stream = cuda.cuda_stream();
        let context = stream.context();
        keep_memory(context.cu_device()).map_err(|error| no_device(&error))?;
        let name = context.name().map_err(|error| no_device(&error))?;
        let (major, minor) = context.compute_capability().map_err(|error| no_device(&error))?;
        let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let shared = context.attribute(attribute).map_err(|error| no_device(&error))?;
        let shared = usize::try_from(shared).unwrap_or(0);
        let architecture = format!("compute_{major}{minor}");
        Ok(Self { ordinal, cuda, name, architecture, shared, known: Mutex::default() })
    }

    /// Returns a kernel, compiling it on its first use.
    fn function(&self, code: &Code, kernel: &'static str) -> Result<CudaFunction, EngineError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = known.functions.get(&(*code.hash(), kernel)) {
            return Ok(function.clone());
        }
        let failed = |problem: String| EngineError::Failed { what: kernel, problem };
        let module = format!("allot-{}", hexadecimal(code.hash()));
        // If another kernel of the text has loaded it, no code is needed.
        let compiled = match known.loaded.contains(code.hash()) {
            true => String::new(),
            false => compiled(code.text(), &self.architecture).map_err(|error| failed(error.to_string()))?,
        };
        let loaded = self
            .cuda
            .get_or_load_custom_func(kernel, &module, &compiled)
            .map_err(|error| failed(error.to_string()))?;
        known.loaded.insert(*code.hash());
        let function = loaded.into_cuda_function();
        known.functions.insert((*code.hash(), kernel), function.clone());
        Ok(function)
    }
}

/// Compiles a text with NVRTC. An option tells it that the text needs none of its default declarations, which
/// saves a quarter of the time; versions before CUDA 12 do not know that option.
fn compiled(text: &str, architecture: &str) -> Result<String, CompileError> {
    let mut minimal = options(architecture);
    minimal.options.push("--minimal".to_owned());
    let ptx = compile_ptx_with_opts(text, minimal)
        .or_else(|_| compile_ptx_with_opts(text, options(architecture)))?;
    Ok(ptx.to_src())
}

/// Returns the compile options: products and sums are rounded separately unless a kernel requests a fused
/// operation; quotients and roots are accurate to 2 units in the last place.
fn options(architecture: &str) -> CompileOptions {
    let flags = ["--std=c++17", "--fmad=false", "--prec-div=false", "--prec-sqrt=false"];
    let mut options: Vec<String> = flags.map(str::to_owned).into();
    options.push(format!("--gpu-architecture={architecture}"));
    CompileOptions { options, ..CompileOptions::default() }
}

/// Makes the driver keep freed memory. By default it returns all of it at each synchronisation and requests
/// it again, which takes longer than most kernels.
fn keep_memory(device: i32) -> Result<(), DriverError> {
    let mut all = u64::MAX;
    // SAFETY: the pool is the device's own, and the attribute is a 64-bit number.
    unsafe {
        let pool = result::device::get_default_mem_pool(device)?;
        let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        result::mem_pool::set_attribute(pool, attribute, (&raw mut all).cast())
    }
}

/// Returns how many bytes of unused device memory the driver keeps.
fn kept_memory(device: i32) -> Result<u64, DriverError> {
    let number = |attribute| -> Result<u64, DriverError> {
        let mut bytes = 0_u64;
        // SAFETY: as above.
        unsafe {
            let pool = result::device::get_default_mem_pool(device)?;
            result::mem_pool::get_attribute(pool, attribute, (&raw mut bytes).cast())?;
        }
        Ok(bytes)
    };
    let reserved = number(CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
    Ok(reserved.saturating_sub(number(CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?))
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
        let context = stream.context();
        let (free, total) = context.mem_get_info().ok()?;
        Some((free as u64 + kept_memory(context.cu_device()).ok()?, total as u64))
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

    fn shared_memory(&self) -> usize {
        self.shared
    }

    fn run(
        &self,
        code: &Code,
        kernel: &'static str,
        launch: Launch<'_>,
        outs: &[Out],
    ) -> Result<Vec<Tensor>, EngineError> {
        let function = self.function(code, kernel)?;
        let failed = |error: DriverError| EngineError::Failed { what: kernel, problem: error.to_string() };
        if launch.shared > SHARED {
            let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            function.set_attribute(attribute, launch.shared as i32).map_err(failed)?;
        }
        let device = self.device();
        let written: Vec<Tensor> = outs
            .iter()
            .map(|out| match out.zeros || out.count == 0 {
                true => Tensor::zeros(out.count.max(1), out.dtype, &device),
                // SAFETY: the kernel writes every number before anything reads one.
                false => unsafe { Tensor::empty(out.count, out.dtype, &device) },
            })
            .collect::<Result<_, _>>()?;
        // Lists of addresses, which the stream frees after the kernel.
        let mut lists: Vec<Tensor> = Vec::new();
        // Addresses and numbers, which must stay alive until the launch.
        let values: Vec<Value> = launch
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Tensor(tensor) => Ok(Value::Long(self.address(tensor)?)),
                Argument::Addresses(tensors) => {
                    let list = self.addresses(tensors)?;
                    let address = self.address(&list)?;
                    lists.push(list);
                    Ok(Value::Long(address))
                }
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
        let config = LaunchConfig {
            grid_dim: (launch.blocks, 1, 1),
            block_dim: (256, 1, 1),
            shared_mem_bytes: launch.shared,
        };
        // SAFETY: the arguments are those that the kernel's text declares, every buffer is as long as its shape says, and all
        // of them were made on this stream, which frees them in order.
        unsafe { builder.launch(config) }.map_err(failed)?;
        Ok(written)
    }
}

enum Value {
    Long(u64),
    Short(u32),
}

impl Driver {
    /// Returns the addresses of tensors' data, as a list on the device.
    fn addresses(&self, tensors: &[Tensor]) -> Result<Tensor, EngineError> {
        let addresses: Vec<i64> = tensors
            .iter()
            .map(|tensor| self.address(tensor).map(u64::cast_signed))
            .collect::<Result<_, _>>()?;
        Ok(Tensor::new(addresses, &self.device())?)
    }

    /// Returns the address of a tensor's data on the device.
    fn address(&self, tensor: &Tensor) -> Result<u64, EngineError> {
        let (storage, layout) = tensor.storage_and_layout();
        let (Storage::Cuda(storage), Some((start, _))) = (&*storage, layout.contiguous_offsets()) else {
            return Err(EngineError::Failed {
                what: "a kernel",
                problem: "a tensor is not contiguous on the GPU".to_owned(),
            });
        };
        let size = tensor.dtype().size_in_bytes();
        let address = match tensor.dtype() {
            DType::F32 => self.start::<f32>(storage),
            DType::F64 => self.start::<f64>(storage),
            DType::F16 => self.start::<f16>(storage),
            DType::BF16 => self.start::<bf16>(storage),
            DType::U32 => self.start::<u32>(storage),
            DType::I64 => self.start::<i64>(storage),
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

/// Compiles a text with NVRTC, which needs no GPU.
#[cfg(test)]
pub(super) fn check(text: &str) {
    if let Err(error) = compiled(text, "compute_90") {
        panic!("{error}\n{text}");
    }
}
