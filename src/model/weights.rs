//! Tensors of a checkpoint on a device, in its decoders' compute precision.

use candle_core::{Device, Shape, Tensor};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::checkpoint::Checkpoint;
use super::error::ModelError;
use super::precision::Precision;
use crate::data::Values;

/// Number of values that one thread widens at a time.
const CHUNK: usize = 1 << 16;

/// Returns numbers as f32, exactly.
pub fn widen(values: &Values<'_>) -> Vec<f32> {
    match values {
        Values::F32(all) => all.to_vec(),
        Values::F16(all) => in_chunks(all, |from, to| from.convert_to_f32_slice(to)),
        Values::Bf16(all) => in_chunks(all, |from, to| from.convert_to_f32_slice(to)),
    }
}

fn in_chunks<T: Sync>(all: &[T], convert: impl Fn(&[T], &mut [f32]) + Sync) -> Vec<f32> {
    let mut wide = vec![0f32; all.len()];
    wide.par_chunks_mut(CHUNK).zip(all.par_chunks(CHUNK)).for_each(|(to, from)| convert(from, to));
    wide
}

impl Checkpoint {
    /// Returns the tensor `name` on `device`, in the checkpoint's compute precision.
    ///
    /// # Errors
    /// When it does not exist, its type is not a 16- or 32-bit float, or the device runs out of memory.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Tensor, ModelError> {
        let shape = self.files().tensor(name)?.shape;
        let loaded = match (self.files().values(name)?, self.precision()) {
            // Copied as stored: neither widened nor rounded.
            (Values::Bf16(all), Precision::Bf16) => Tensor::from_slice(&all, shape, device),
            (values, _) => self.working(widen(&values), shape, device),
        };
        loaded.map_err(ModelError::at(name))
    }

    /// Returns numbers as a tensor on `device`, in the checkpoint's compute precision.
    ///
    /// # Errors
    /// When their count does not match the shape, or the device runs out of memory.
    pub fn working(
        &self,
        values: Vec<f32>,
        shape: impl Into<Shape>,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        Tensor::from_vec(values, shape.into(), device)?.to_dtype(self.precision().dtype())
    }

    /// Returns rows of the matrix `name` in f32, in the order given.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`], and when a row lies outside the matrix.
    pub(super) fn rows(&self, name: &str, rows: &[u32]) -> Result<Vec<f32>, ModelError> {
        let &[count, width] = self.files().tensor(name)?.shape else {
            return Ok(Vec::new());
        };
        let values = self.files().values(name)?;
        let mut gathered = Vec::with_capacity(rows.len() * width);
        for &row in rows {
            let at = row as usize;
            if at >= count {
                return Err(ModelError::Token { id: row, vocabulary: count });
            }
            let range = at * width..(at + 1) * width;
            match &values {
                Values::F32(all) => gathered.extend_from_slice(&all[range]),
                Values::F16(all) => gathered.extend(all[range].iter().map(|it| it.to_f32())),
                Values::Bf16(all) => gathered.extend(all[range].iter().map(|it| it.to_f32())),
            }
        }
        Ok(gathered)
    }
}
