//! Evaluates scripts on numbers in memory: [`kernels`] on plain slices, the [`data`] that scripts are evaluated on, their
//! interpretation ([`interpret`]), and the resulting allocation ([`allocate`]).
//!
//! Nothing here reads a file, maps memory, catches a signal or needs a tensor library. The feature `threads`, on by default,
//! uses all cores; results do not depend on it. Devices other than the processor implement [`interpret::matrix::Backend`].

pub mod allocate;
pub mod data;
pub mod interpret;
pub mod kernels;
pub mod results;
mod threads;

use allot_lang as lang;
