//! How fast this machine is, measured in a fraction of a second, and what the program takes of it before it works.

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use half::f16;
use serde::Serialize;

use super::sizes::Sizes;
use crate::data::Values;
use crate::model::{ModelError, Resident, free_memory, widen};

/// How fast a machine is, and what is free of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Machine {
    /// How many threads work.
    pub threads: usize,
    /// Operations of f32 matrix products in a second.
    pub operations: f64,
    /// Stored weights that become f32 in a second.
    pub weights: f64,
    /// Bytes that can be allocated, where the system says so.
    pub free_memory: Option<u64>,
    /// Bytes that the program takes with the tokenizer and the texts that it has read so far.
    pub program: u64,
    /// The most that it took while it read them.
    pub reading: u64,
    /// Bytes that reach the disk in a second, where a folder is given to write to.
    pub written: Option<f64>,
}

/// What the program takes where the system does not say so: the smallest that was measured is 14 MiB.
const PROGRAM: u64 = 16 << 20;
/// How many bytes are written to find out how fast the disk is.
const WRITTEN: usize = 1 << 25;

/// How many tokens a product is measured on.
const TOKENS: usize = 512;
/// The widest matrix that is measured: wider ones are as fast.
const WIDEST: u64 = 4096;
/// The fastest of so many turns counts.
const TURNS: usize = 3;
/// How many stored weights are widened.
const WIDENED: usize = 1 << 24;

impl Machine {
    /// Measures the processor by a product of the model's shape, and by making f32 of 16-bit numbers, and the disk by a file of
    /// 32 MiB that is written into `folder` and removed.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn measure(sizes: &Sizes, folder: Option<&Path>) -> Result<Self, ModelError> {
        // First, since what is measured below takes memory of its own.
        let resident = Resident::of_this_process();
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
            program: resident.map_or(PROGRAM, |it| it.now),
            reading: resident.map_or(PROGRAM, |it| it.peak),
            written: folder.and_then(written),
        })
    }
}

/// Returns how many bytes reach the disk under a folder in a second, or `None` where nothing can be written there.
fn written(folder: &Path) -> Option<f64> {
    let mut file = tempfile::tempfile_in(folder).ok()?;
    let bytes = vec![0x5a; WRITTEN];
    let begun = Instant::now();
    file.write_all(&bytes).and_then(|()| file.sync_all()).ok()?;
    Some(WRITTEN as f64 / begun.elapsed().as_secs_f64())
}
