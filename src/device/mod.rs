//! Where work is done: on the processor, or on a GPU.
//!
//! [`Engine`] is the device as a value. `source` writes kernels, `on_gpu` and `selection` say which of them run on what
//! and what becomes of their results, and a [`Launcher`] runs them: `driver`, which only the feature `cuda` builds, has NVRTC
//! compile them and a GPU run them. The tests run the same kernels in an emulation, as C++ on the processor, so that all but
//! the driver is checked where there is no GPU.

#[cfg(feature = "cuda")]
mod driver;
#[cfg(test)]
mod emulation;
mod engine;
mod error;
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
