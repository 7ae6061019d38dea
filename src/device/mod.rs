//! A GPU's side of what differs between devices: kernels made for the formulas at hand, and selection by counting.
//!
//! [`source`] writes kernels, [`gpu`] says which of them run on what and what becomes of their results, and [`driver`], which
//! only the feature `cuda` builds, has NVRTC compile them and a GPU run them. The tests run the same kernels in an emulation,
//! as C++ on the processor, so that all but the driver is checked where there is no GPU.

#[cfg(feature = "cuda")]
mod driver;
#[cfg(test)]
mod emulation;
mod gpu;
mod source;
#[cfg(test)]
mod tests;

#[cfg(feature = "cuda")]
pub use driver::Cuda;
#[cfg(test)]
pub(super) use emulation::Emulation;
#[cfg(test)]
pub(super) use gpu::Gpu;
