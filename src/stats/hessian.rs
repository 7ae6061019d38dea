//! The Hessian of a linear's output error, which SparseGPT inverts.

use candle_core::{DType, Storage, Tensor};

use crate::model::{Goal, ModelError, product};

/// The running sum of x x^T over one site's inputs.
#[derive(Clone, Debug)]
pub struct Hessian {
    samples: usize,
    columns: usize,
    sum: Vec<f32>,
    /// The sum over inputs on another device, kept on that device.
    elsewhere: Option<Tensor>,
}

impl Hessian {
    /// Returns an empty sum for inputs of `columns` channels; it takes `4 * columns * columns` bytes.
    pub fn new(columns: usize) -> Self {
        Self { samples: 0, columns, sum: vec![0.0; columns * columns], elsewhere: None }
    }

    /// Adds one batch `[samples, length, columns]`.
    ///
    /// # Errors
    /// When a tensor operation fails, or the batch has a different number of columns.
    pub fn add(&mut self, input: &Tensor) -> Result<(), ModelError> {
        let (samples, length, columns) = input.dims3()?;
        let flat = input.contiguous()?.reshape((samples * length, self.columns))?;
        self.samples += samples;
        let (storage, layout) = flat.storage_and_layout();
        if let (Storage::Cpu(cpu), Some((start, end))) = (&*storage, layout.contiguous_offsets()) {
            let values = &cpu.as_slice::<f32>()?[start..end];
            product(
                (columns, columns, samples * length),
                (&mut self.sum, columns),
                (values, 1, columns),
                (values, columns, 1),
                1.0,
                Goal::Add,
            );
            return Ok(());
        }
        drop(storage);
        let flat = flat.to_dtype(DType::F32)?;
        let squares = flat.t()?.matmul(&flat)?;
        self.elsewhere = Some(match self.elsewhere.take() {
            Some(sum) => (sum + squares)?,
            None => squares,
        });
        Ok(())
    }

    /// Returns 2 / samples * sum of x x^T, `[columns, columns]` row-major, as SparseGPT defines it.
    ///
    /// # Errors
    /// When it cannot be fetched from the device.
    pub fn finish(mut self) -> Result<Vec<f32>, ModelError> {
        if let Some(elsewhere) = &self.elsewhere {
            let all: Vec<f32> = elsewhere.flatten_all()?.to_vec1()?;
            self.sum.iter_mut().zip(all).for_each(|(sum, add)| *sum += add);
        }
        let scale = 2.0 / self.samples.max(1) as f32;
        self.sum.iter_mut().for_each(|value| *value *= scale);
        Ok(self.sum)
    }
}
