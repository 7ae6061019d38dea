//! The speed of this machine, measured in a fraction of a second, and the memory that the program takes
//! before it works.

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

/// The speed and the free memory of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Machine {
    /// Number of working threads.
    pub threads: usize,
    /// Operations of f32 matrix products per second.
    pub operations: f64,
    /// Stored weights converted to f32 per second.
    pub weights: f64,
    /// Bytes that can be allocated, if the system reports them.
    pub free_memory: Option<u64>,
    /// Bytes that the program takes, including the tokenizer and the texts read so far.
    pub program: u64,
    /// The maximum bytes that the program took while it read the tokenizer and the texts.
    pub reading: u64,
    /// Bytes written to the disk per second, if a folder to write to is given.
    pub written: Option<f64>,
}

/// The program's size if the system does not report it: the smallest measured size is 14 MiB.
const PROGRAM: u64 = 16 << 20;
/// Number of bytes written to measure the disk.
const WRITTEN: usize = 1 << 25;

/// Number of tokens in the measured product.
const TOKENS: usize = 512;
/// The width of the largest measured matrix: wider ones run at the same speed.
const WIDEST: u64 = 4096;
/// Number of repetitions; the fastest one counts.
const TURNS: usize = 3;
/// Number of stored weights that are widened.
const WIDENED: usize = 1 << 24;

impl Machine {
    /// Measures the CPU with a product of the model's shape and by widening 16-bit numbers to f32, and the
    /// disk with a file of 32 MiB that is written into `folder` and removed.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn measure(sizes: &Sizes, folder: Option<&Path>) -> Result<Self, ModelError> {
        // First, because the measurements below take memory themselves.
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

/// Returns the bytes written per second to the disk of a folder, or `None` if nothing can be written there.
fn written(folder: &Path) -> Option<f64> {
    let mut file = tempfile::tempfile_in(folder).ok()?;
    let bytes = vec![0x5a; WRITTEN];
    let begun = Instant::now();
    file.write_all(&bytes).and_then(|()| file.sync_all()).ok()?;
    Some(WRITTEN as f64 / begun.elapsed().as_secs_f64())
}
