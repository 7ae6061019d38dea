//! The engine that does the work: the CPU or a GPU.
//!
//! [`Engine`] is the engine as a value. `source` generates kernels, `on_gpu` and `selection` decide which of
//! them run on which data and use their results, and a [`Launcher`] runs them: `driver`, built only with the
//! feature `cuda`, compiles them with NVRTC and runs them on a GPU. The tests run the same kernels in an
//! emulation, as C++ on the CPU, so that everything except the driver is checked without a GPU.

#[cfg(feature = "cuda")]
mod driver;
#[cfg(test)]
mod emulation;
mod engine;
mod error;
#[cfg(test)]
pub(crate) mod gradient_checks;
mod launcher;
pub mod layers;
#[cfg(test)]
mod layers_tests;
mod on_gpu;
mod placement;
mod selection;
pub mod slopes;
#[cfg(test)]
mod slopes_tests;
mod source;
#[cfg(test)]
mod tests;

pub use engine::{CPU, Engine};
pub use error::{EngineError, Fits};
pub use launcher::{Argument, Code, Launch, Launcher, Out};
pub use selection::{places, ranks};
