//! Causal attention that never holds the whole score matrix.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp3, D, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::exponential::{exponentiate, hyperbolic_tangent};
use super::product::{Goal, product};

/// Query rows that are scored at a time; their scores stay in a core's cache.
const CHUNK: usize = 64;

/// The shape and the rules of one block's attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attention {
    pub(super) heads: usize,
    pub(super) key_value_heads: usize,
    pub(super) head_size: usize,
    /// What scores are multiplied by.
    pub(super) scale: f64,
    /// The cap c of c * tanh(score / c).
    pub(super) softcap: Option<f64>,
    /// How many tokens back a query sees, itself included.
    pub(super) window: Option<usize>,
}

impl Attention {
    /// Returns the attention of queries `[samples, length, heads, head_size]` over keys and values
    /// `[samples, length, key_value_heads, head_size]`, as `[samples, length, heads * head_size]`.
    pub(super) fn run(&self, queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
        // The fused kernel has no gradient.
        let tracked = queries.track_op() || keys.track_op() || values.track_op();
        if queries.device().is_cpu() && !tracked {
            let (queries, keys, values) = (queries.contiguous()?, keys.contiguous()?, values.contiguous()?);
            queries.apply_op3_no_bwd(&keys, &values, self)
        } else {
            self.composed(queries, keys, values)
        }
    }

    /// Computes the same from candle's operations, on any device, a chunk of queries at a time.
    pub(super) fn composed(&self, queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
        let (samples, length, heads, size) = queries.dims4()?;
        let shared = heads / self.key_value_heads;
        let spread = |tensor: &Tensor| -> Result<Tensor> {
            tensor
                .unsqueeze(3)?
                .expand((samples, length, self.key_value_heads, shared, size))?
                .reshape((samples, length, heads, size))?
                .transpose(1, 2)?
                .contiguous()
        };
        let queries = (queries.transpose(1, 2)?.contiguous()? * self.scale)?;
        let keys = spread(keys)?.transpose(2, 3)?;
        let values = spread(values)?;
        let mut parts = Vec::new();
        // A GPU wants larger pieces than a cache does.
        for start in (0..length).step_by(8 * CHUNK) {
            let rows = start..length.min(start + 8 * CHUNK);
            let seen = self.seen(rows.start).start..rows.end;
            let part = queries.narrow(2, start, rows.len())?;
            let mut scores = part.matmul(&keys.narrow(3, seen.start, seen.len())?.contiguous()?)?;
            if let Some(cap) = self.softcap {
                scores = ((scores / cap)?.tanh()? * cap)?;
            }
            let scores = scores.broadcast_add(&self.mask(rows, &seen, &queries)?)?;
            // The fused one has no gradient.
            let shares = match scores.track_op() {
                true => candle_nn::ops::softmax(&scores, D::Minus1)?,
                false => candle_nn::ops::softmax_last_dim(&scores)?,
            };
            parts.push(shares.matmul(&values.narrow(2, seen.start, seen.len())?.contiguous()?)?);
        }
        Tensor::cat(&parts, 2)?.transpose(1, 2)?.reshape((samples, length, heads * size))
    }

    /// Returns the positions that the query at `position` attends to.
    fn seen(&self, position: usize) -> Range<usize> {
        let start = match self.window {
            Some(window) => (position + 1).saturating_sub(window),
            None => 0,
        };
        start..position + 1
    }

    /// Returns 0 where a query sees a key, and minus infinity elsewhere, `[rows, seen]`, made on the device.
    fn mask(&self, rows: Range<usize>, seen: &Range<usize>, like: &Tensor) -> Result<Tensor> {
        let device = like.device();
        let shape = (rows.len(), seen.len());
        let queries = Tensor::arange(rows.start as u32, rows.end as u32, device)?.unsqueeze(1)?;
        let keys = Tensor::arange(seen.start as u32, seen.end as u32, device)?.unsqueeze(0)?;
        let mut visible = keys.broadcast_le(&queries)?;
        if let Some(window) = self.window {
            let reach = keys.to_dtype(DType::F32)?.affine(1.0, window as f64)?;
            let near = reach.broadcast_gt(&queries.to_dtype(DType::F32)?)?;
            visible = (visible * near)?;
        }
        let (zeros, far) = (Tensor::zeros(shape, DType::F32, device)?, f32::NEG_INFINITY);
        visible.where_cond(&zeros, &Tensor::full(far, shape, device)?)?.to_dtype(like.dtype())
    }

    /// Fills the output rows `rows` of one sample, head by head.
    fn fill(&self, sample: &Sample<'_>, rows: Range<usize>, scores: &mut Vec<f32>, output: &mut [f32]) {
        let (width, size) = (self.heads * self.head_size, self.head_size);
        let key_width = self.key_value_heads * size;
        let shared = self.heads / self.key_value_heads;
        let seen = self.seen(rows.start).start..rows.end;
        let columns = seen.len();
        scores.resize(rows.len() * columns, 0.0);
        for head in 0..self.heads {
            let query = &sample.queries[rows.start * width + head * size..];
            let offset = seen.start * key_width + head / shared * size;
            product(
                (rows.len(), columns, size),
                (scores, columns),
                (query, width, 1),
                (&sample.keys[offset..], 1, key_width),
                self.scale as f32,
                Goal::Replace,
            );
            for (row, line) in rows.clone().zip(scores.chunks_exact_mut(columns)) {
                let visible = self.seen(row);
                let visible = visible.start - seen.start..visible.end - seen.start;
                line[..visible.start].fill(0.0);
                line[visible.end..].fill(0.0);
                self.shares(&mut line[visible]);
            }
            product(
                (rows.len(), size, columns),
                (&mut output[head * size..], width),
                (scores, columns, 1),
                (&sample.values[offset..], key_width, 1),
                1.0,
                Goal::Replace,
            );
        }
    }

    /// Turns scores into shares that sum to 1.
    fn shares(&self, scores: &mut [f32]) {
        if let Some(cap) = self.softcap {
            let cap = cap as f32;
            for score in scores.iter_mut() {
                *score = hyperbolic_tangent(*score / cap) * cap;
            }
        }
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total = exponentiate(scores, largest);
        let share = (1.0 / total) as f32;
        for score in scores {
            *score *= share;
        }
    }
}

/// Queries, keys and values of one sample, each `[length, heads, head_size]`.
struct Sample<'a> {
    queries: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "causal-attention"
    }

    fn cpu_fwd(
        &self,
        queries: &CpuStorage,
        query_layout: &Layout,
        keys: &CpuStorage,
        key_layout: &Layout,
        values: &CpuStorage,
        value_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (samples, length, heads, size) = query_layout.shape().dims4()?;
        let key_shape = (samples, length, self.key_value_heads, size).into();
        if (heads, size) != (self.heads, self.head_size)
            || key_layout.shape() != &key_shape
            || value_layout.shape() != &key_shape
        {
            candle_core::bail!("attention over keys of shape {:?}", key_layout.shape());
        }
        let queries = floats(queries, query_layout)?;
        let keys = floats(keys, key_layout)?;
        let values = floats(values, value_layout)?;
        let width = heads * size;
        let key_width = self.key_value_heads * size;
        let mut output = vec![0f32; samples * length * width];
        output
            .par_chunks_mut(length * width)
            .enumerate()
            .flat_map(|(sample, all)| {
                let keys_from = sample * length * key_width;
                let of = Sample {
                    queries: &queries[sample * length * width..][..length * width],
                    keys: &keys[keys_from..][..length * key_width],
                    values: &values[keys_from..][..length * key_width],
                };
                all.par_chunks_mut(CHUNK * width)
                    .enumerate()
                    .map(move |(chunk, rows)| (Sample { ..of }, chunk * CHUNK, rows))
            })
            .for_each_init(Vec::new, |scores, (sample, start, rows)| {
                let end = start + rows.len() / width;
                self.fill(&sample, start..end, scores, rows);
            });
        Ok((CpuStorage::F32(output), (samples, length, width).into()))
    }
}

fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(all) = storage else {
        candle_core::bail!("attention works on {:?}", DType::F32);
    };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => candle_core::bail!("attention needs contiguous tensors"),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn the_fused_kernel_agrees_with_plain_operations() {
        let device = Device::Cpu;
        for (length, window, softcap) in
            [(1, None, None), (63, Some(5), None), (130, None, Some(2.0)), (600, Some(70), Some(3.0))]
        {
            let attention =
                Attention { heads: 6, key_value_heads: 2, head_size: 10, scale: 0.4, softcap, window };
            let random = |heads| Tensor::randn(0f32, 1.0, (2, length, heads, 10), &device);
            let (queries, keys, values) = (random(6).unwrap(), random(2).unwrap(), random(2).unwrap());
            let fused = attention.run(&queries, &keys, &values).unwrap();
            let plain = attention.composed(&queries, &keys, &values).unwrap();
            assert_eq!(fused.dims(), &[2, length, 60]);
            let apart = (fused - plain).unwrap().abs().unwrap();
            let apart: f32 = apart.flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap();
            assert!(apart < 3e-6, "length {length}: {apart:e}");
        }
    }
}
