//! Second moments of linears' inputs, summed in f64 in a fixed order.

use std::collections::BTreeMap;

use candle_core::{DType, Storage, Tensor};
use rayon::prelude::*;

use crate::model::{ModelError, Site};

/// Number of rows that one thread sums at a time.
const ROWS: usize = 64;

/// Sums of squares for each input channel of each site of one block.
#[derive(Clone, Debug, Default)]
pub struct SecondMoments {
    samples: usize,
    sums: BTreeMap<Site, Vec<f64>>,
}

impl SecondMoments {
    /// Adds the squares of one batch `[samples, length, columns]` at a site.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn add(&mut self, site: Site, input: &Tensor) -> Result<(), ModelError> {
        let (samples, _, columns) = input.dims3()?;
        // Every site sees every sample; they are counted once.
        if site == Site::AttentionInput {
            self.samples += samples;
        }
        let sums = self.sums.entry(site).or_default();
        sums.resize(columns, 0.0);
        for partial in partial_sums(input, columns)? {
            for (sum, add) in sums.iter_mut().zip(partial) {
                *sum += add;
            }
        }
        Ok(())
    }

    /// Returns the mean over samples of the sum over tokens of x squared at a site, `[columns]`.
    pub fn mean(&self, site: Site) -> Option<Vec<f32>> {
        let samples = self.samples.max(1) as f64;
        let sums = self.sums.get(&site)?;
        Some(sums.iter().map(|sum| (sum / samples) as f32).collect())
    }
}

/// Returns sums of squares of groups of rows, in order.
fn partial_sums(input: &Tensor, columns: usize) -> Result<Vec<Vec<f64>>, ModelError> {
    let input = input.contiguous()?;
    let (storage, layout) = input.storage_and_layout();
    if let (Storage::Cpu(cpu), Some((start, end))) = (&*storage, layout.contiguous_offsets()) {
        let values = &cpu.as_slice::<f32>()?[start..end];
        let groups = values.par_chunks(ROWS * columns.max(1));
        return Ok(groups.map(|rows| squares(rows, columns)).collect());
    }
    drop(storage);
    // On other devices, each sample is summed on the device, and only the sums are copied back.
    let sums = input.to_dtype(DType::F32)?.sqr()?.sum(1)?.to_dtype(DType::F64)?;
    Ok(sums.to_vec2()?)
}

fn squares(rows: &[f32], columns: usize) -> Vec<f64> {
    let mut sums = vec![0f64; columns];
    for row in rows.chunks_exact(columns.max(1)) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    sums
}
