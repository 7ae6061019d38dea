//! What evaluates a script on numbers in memory: [`kernels`] on plain slices, the [`data`] that scripts are evaluated on,
//! their interpretation ([`interpret`]), and the allocation that it leads to ([`allocate`]).
//!
//! Nothing here reads a file, maps memory, catches a signal or needs a tensor library. The feature `threads`, on by default,
//! uses all cores; results do not depend on it. What a device other than the processor does in its own way stands behind
//! [`interpret::matrix::Backend`].

pub mod allocate;
pub mod data;
pub mod interpret;
pub mod kernels;
pub mod results;
mod threads;

use allot_lang as lang;
