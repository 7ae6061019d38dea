//! How fast this machine is, measured in a fraction of a second.

use std::hint::black_box;
use std::time::Instant;

use candle_core::{Device, Tensor};
use half::f16;
use serde::Serialize;

use super::sizes::Sizes;
use crate::data::Values;
use crate::model::{ModelError, free_memory, widen};

/// How fast a machine is, and what is free of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// How many threads work.
    pub threads: usize,
    /// Operations of f32 matrix products in a second.
    pub operations: f64,
    /// Stored weights that become f32 in a second.
    pub weights: f64,
    /// Bytes that can be allocated, where the system says so.
    pub free_memory: Option<u64>,
}

/// How many tokens a product is measured on.
const TOKENS: usize = 512;
/// The widest matrix that is measured: wider ones are as fast.
const WIDEST: u64 = 4096;
/// The fastest of so many turns counts.
const TURNS: usize = 3;
/// How many stored weights are widened.
const WIDENED: usize = 1 << 24;

impl Machine {
    /// Measures the processor by a product of the model's shape, and by making f32 of 16-bit numbers.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn measure(sizes: &Sizes) -> Result<Self, ModelError> {
        let inner = sizes.hidden.clamp(1, WIDEST) as usize;
        let outer = sizes.intermediate.clamp(1, WIDEST) as usize;
        let inputs = Tensor::rand(-1f32, 1f32, (TOKENS, inner), &Device::Cpu)?;
        let weights = Tensor::rand(-1f32, 1f32, (outer, inner), &Device::Cpu)?.t()?;
        let stored = Values::F16(vec![f16::from_f32(0.5); WIDENED].into());
        let (mut product, mut widened) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..TURNS {
            let begun = Instant::now();
            black_box(inputs.matmul(&weights)?);
            product = product.min(begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            black_box(widen(&stored));
            widened = widened.min(begun.elapsed().as_secs_f64());
        }
        Ok(Self {
            threads: rayon::current_num_threads(),
            operations: 2.0 * (TOKENS * inner * outer) as f64 / product,
            weights: WIDENED as f64 / widened,
            free_memory: free_memory(),
        })
    }
}
