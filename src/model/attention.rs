//! Causal attention that never holds the whole score matrix.
//!
//! On the CPU, a query's result depends only on the query and on the keys and values that it attends to, not
//! on the other queries or on their number. A pass that continues from kept keys and values is therefore
//! bit-identical to one over the whole sequence.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp3, D, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::exponential::{hyperbolic_tangent, softmax};
use super::product::{Goal, product};

/// Number of query rows scored at a time; their scores stay in a core's cache.
const CHUNK: usize = 64;

/// Number of positions whose values are summed before the sum joins the running total. Blocks have a fixed
/// length and are counted from the start of the sequence, so no sum depends on how far other queries see.
const BLOCK: usize = 512;

/// Below this many keys, or this depth, `gemm` uses code paths that sum in another order.
const FEWEST_KEYS: usize = 8;
const SHALLOWEST: usize = 4;

/// Up to this many scores, `gemm` sums in another order.
const FEW_SCORES: usize = 16 * 16;

/// The shape and the rules of one block's attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attention {
    pub(super) heads: usize,
    pub(super) key_value_heads: usize,
    pub(super) head_size: usize,
    /// The factor that multiplies scores.
    pub(super) scale: f64,
    /// The cap c of c * tanh(score / c).
    pub(super) softcap: Option<f64>,
    /// Number of tokens that a query attends to, itself included.
    pub(super) window: Option<usize>,
}

impl Attention {
    /// Returns the attention of queries `[samples, length, heads, head_size]` over keys and values
    /// `[samples, seen, key_value_heads, head_size]`, as `[samples, length, heads * head_size]`. The queries
    /// belong to the last positions of the sequence.
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

    /// Computes the same with candle's operations, on any device, one chunk of queries at a time.
    pub(super) fn composed(&self, queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor> {
        let (samples, length, heads, size) = queries.dims4()?;
        let all = keys.dim(1)?;
        let Some(before) = all.checked_sub(length) else {
            candle_core::bail!("attention of {length} queries over {all} keys");
        };
        let shared = heads / self.key_value_heads;
        let spread = |tensor: &Tensor| -> Result<Tensor> {
            tensor
                .unsqueeze(3)?
                .expand((samples, all, self.key_value_heads, shared, size))?
                .reshape((samples, all, heads, size))?
                .transpose(1, 2)?
                .contiguous()
        };
        let queries = (queries.transpose(1, 2)?.contiguous()? * self.scale)?;
        let keys = spread(keys)?.transpose(2, 3)?;
        let values = spread(values)?;
        let mut parts = Vec::new();
        // A GPU needs larger pieces than a cache does.
        for start in (before..all).step_by(8 * CHUNK) {
            let rows = start..all.min(start + 8 * CHUNK);
            let seen = self.seen(rows.start).start..rows.end;
            let part = queries.narrow(2, start - before, rows.len())?;
            let mut scores = part.matmul(&keys.narrow(3, seen.start, seen.len())?.contiguous()?)?;
            if let Some(cap) = self.softcap {
                scores = ((scores / cap)?.tanh()? * cap)?;
            }
            let scores = scores.broadcast_add(&self.mask(rows, &seen, &queries)?)?;
            // The fused softmax has no gradient.
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

    /// Returns a mask `[rows, seen]`, made on the device: 0 where a query sees a key, minus infinity
    /// elsewhere.
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

    /// Computes the output of the queries at positions `rows` of one sample, head by head.
    fn fill(&self, sample: &Sample<'_>, rows: Range<usize>, scratch: &mut Scratch, output: &mut [f32]) {
        let (width, size) = (self.heads * self.head_size, self.head_size);
        let key_width = self.key_value_heads * size;
        let shared = self.heads / self.key_value_heads;
        let seen = self.seen(rows.start).start..rows.end;
        let small = rows.len() < 2 || seen.len() < FEWEST_KEYS || rows.len() * seen.len() <= FEW_SCORES;
        for head in 0..self.heads {
            let query = &sample.queries[(rows.start - sample.before) * width + head * size..];
            let offset = seen.start * key_width + head / shared * size;
            let (keys, values) = (&sample.keys[offset..], &sample.values[offset..]);
            let mixed = &mut output[head * size..];
            if !small {
                let of =
                    Strided { query: (query, width), keys: (keys, key_width), values: (values, key_width) };
                self.mix(of, rows.clone(), (rows.len(), seen.clone()), scratch, (mixed, width));
                continue;
            }
            // Rows of zeros pad the operands, so that `gemm` sums a single query in the same order as many.
            let columns = seen.len().max(FEWEST_KEYS);
            let lines = rows.len().max(FEW_SCORES / columns + 1).max(2);
            let mut padded = std::mem::take(&mut scratch.padded);
            padded.clear();
            padded.resize((2 * lines + 2 * columns) * size, 0.0);
            let (inputs, out) = padded.split_at_mut((lines + 2 * columns) * size);
            let (queries, rest) = inputs.split_at_mut(lines * size);
            let (near_keys, near_values) = rest.split_at_mut(columns * size);
            copy((query, width), queries, (rows.len(), size));
            copy((keys, key_width), near_keys, (seen.len(), size));
            copy((values, key_width), near_values, (seen.len(), size));
            let of = Strided { query: (queries, size), keys: (near_keys, size), values: (near_values, size) };
            let wide = seen.start..seen.start + columns;
            self.mix(of, rows.clone(), (lines, wide), scratch, (out, size));
            for (row, line) in out.chunks_exact(size).take(rows.len()).enumerate() {
                mixed[row * width..][..size].copy_from_slice(line);
            }
            scratch.padded = padded;
        }
    }

    /// Mixes one head's values at positions `seen` for the queries at positions `rows`; further rows are
    /// padding.
    fn mix(
        &self,
        of: Strided<'_>,
        rows: Range<usize>,
        (lines, seen): (usize, Range<usize>),
        scratch: &mut Scratch,
        (output, width): (&mut [f32], usize),
    ) {
        let (size, columns) = (self.head_size, seen.len());
        let scores = &mut scratch.scores;
        scores.resize(lines * columns, 0.0);
        product(
            (lines, columns, size),
            (scores, columns),
            (of.query.0, of.query.1, 1),
            (of.keys.0, 1, of.keys.1),
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
        scores[rows.len() * columns..].fill(0.0);
        let mut goal = Goal::Replace;
        for block in (seen.start / BLOCK * BLOCK..seen.end).step_by(BLOCK) {
            let here = block.max(seen.start)..seen.end.min(block + BLOCK);
            let (from, depth) = (here.start - seen.start, here.len());
            let (mut shares, mut share_width) = (&scores[from..], columns);
            let (mut values, mut value_width) = (&of.values.0[from * of.values.1..], of.values.1);
            if depth < SHALLOWEST {
                let shallow = &mut scratch.shallow;
                shallow.clear();
                shallow.resize((lines + size) * SHALLOWEST, 0.0);
                let (deep_shares, deep_values) = shallow.split_at_mut(lines * SHALLOWEST);
                for (deep, share) in deep_shares.chunks_exact_mut(SHALLOWEST).zip(shares.chunks(columns)) {
                    deep[..depth].copy_from_slice(&share[..depth]);
                }
                copy((values, value_width), deep_values, (depth, size));
                (shares, share_width, values, value_width) = (deep_shares, SHALLOWEST, deep_values, size);
            }
            product(
                (lines, size, depth.max(SHALLOWEST)),
                (output, width),
                (shares, share_width, 1),
                (values, value_width, 1),
                1.0,
                goal,
            );
            goal = Goal::AddHere;
        }
    }

    /// Adds the gradients of one head with respect to its queries, keys and values, `[length, size]` each,
    /// given queries, keys, values and the gradient of the result with their row strides.
    pub(super) fn back_head(
        &self,
        length: usize,
        [queries, keys, values, above]: [(&[f32], usize); 4],
        [of_queries, of_keys, of_values]: [&mut [f32]; 3],
    ) {
        let (size, scale) = (self.head_size, self.scale as f32);
        for start in (0..length).step_by(CHUNK) {
            let rows = start..length.min(start + CHUNK);
            let seen = self.seen(start).start..rows.end;
            let (lines, columns) = (rows.len(), seen.len());
            let (queries_here, above_here) = (&queries.0[start * queries.1..], &above.0[start * above.1..]);
            let (keys_here, values_here) =
                (&keys.0[seen.start * keys.1..], &values.0[seen.start * values.1..]);
            let mut shares = vec![0.0; lines * columns];
            let across = (lines, columns, size);
            product(
                across,
                (&mut shares, columns),
                (queries_here, queries.1, 1),
                (keys_here, 1, keys.1),
                scale,
                Goal::Replace,
            );
            let derivatives = self.softcap.map(|cap| capped(&mut shares, cap as f32));
            for (row, line) in rows.clone().zip(shares.chunks_exact_mut(columns)) {
                let visible = self.seen(row);
                let visible = visible.start - seen.start..visible.end - seen.start;
                line[..visible.start].fill(0.0);
                line[visible.end..].fill(0.0);
                softmax(&mut line[visible]);
            }
            let mut of_scores = vec![0.0; lines * columns];
            product(
                across,
                (&mut of_scores, columns),
                (above_here, above.1, 1),
                (values_here, 1, values.1),
                1.0,
                Goal::Replace,
            );
            let down = (columns, size, lines);
            let beneath = &mut of_values[seen.start * size..];
            product(
                down,
                (beneath, size),
                (&shares, 1, columns),
                (above_here, above.1, 1),
                1.0,
                Goal::AddHere,
            );
            for (slopes, shares) in of_scores.chunks_exact_mut(columns).zip(shares.chunks_exact(columns)) {
                let along: f32 = slopes.iter().zip(shares).map(|(slope, share)| slope * share).sum();
                slopes.iter_mut().zip(shares).for_each(|(slope, share)| *slope = share * (*slope - along));
            }
            if let Some(derivatives) = derivatives {
                of_scores.iter_mut().zip(derivatives).for_each(|(slope, derivative)| *slope *= derivative);
            }
            let beneath = &mut of_keys[seen.start * size..];
            let left = (&of_scores[..], 1, columns);
            product(down, (beneath, size), left, (queries_here, queries.1, 1), scale, Goal::AddHere);
            let beneath = &mut of_queries[start * size..];
            let (shape, left) = ((lines, size, columns), (&of_scores[..], columns, 1));
            product(shape, (beneath, size), left, (keys_here, keys.1, 1), scale, Goal::AddHere);
        }
    }

    /// Turns scores into shares that sum to 1 (a softmax).
    fn shares(&self, scores: &mut [f32]) {
        if let Some(cap) = self.softcap {
            let cap = cap as f32;
            for score in scores.iter_mut() {
                *score = hyperbolic_tangent(*score / cap) * cap;
            }
        }
        softmax(scores);
    }
}

/// Replaces scores by c * tanh(score / c), and returns the derivatives.
fn capped(scores: &mut [f32], cap: f32) -> Vec<f32> {
    let derivative = |score: &mut f32| {
        let share = hyperbolic_tangent(*score / cap);
        *score = share * cap;
        1.0 - share * share
    };
    scores.iter_mut().map(derivative).collect()
}

/// One thread's scratch buffers.
#[derive(Default)]
struct Scratch {
    scores: Vec<f32>,
    padded: Vec<f32>,
    shallow: Vec<f32>,
}

/// One head's queries, keys and values, each with its row stride.
struct Strided<'a> {
    query: (&'a [f32], usize),
    keys: (&'a [f32], usize),
    values: (&'a [f32], usize),
}

/// Copies `(lines, size)` numbers from strided rows to contiguous ones.
fn copy((from, stride): (&[f32], usize), to: &mut [f32], (lines, size): (usize, usize)) {
    for (line, to) in to.chunks_exact_mut(size).take(lines).enumerate() {
        to.copy_from_slice(&from[line * stride..][..size]);
    }
}

/// Queries, keys and values of one sample, each `[length, heads, head_size]`.
struct Sample<'a> {
    /// Number of keys before the first query's own.
    before: usize,
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
        let (_, all, _, _) = key_layout.shape().dims4()?;
        let key_shape = (samples, all, self.key_value_heads, size).into();
        if (heads, size) != (self.heads, self.head_size)
            || all < length
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
        let before = all - length;
        let mut output = vec![0f32; samples * length * width];
        output
            .par_chunks_mut((length * width).max(1))
            .enumerate()
            .flat_map(|(sample, rows)| {
                let keys_from = sample * all * key_width;
                let of = Sample {
                    before,
                    queries: &queries[sample * length * width..][..length * width],
                    keys: &keys[keys_from..][..all * key_width],
                    values: &values[keys_from..][..all * key_width],
                };
                rows.par_chunks_mut(CHUNK * width)
                    .enumerate()
                    .map(move |(chunk, rows)| (Sample { ..of }, before + chunk * CHUNK, rows))
            })
            .for_each_init(Scratch::default, |scratch, (sample, start, rows)| {
                let end = start + rows.len() / width;
                self.fill(&sample, start..end, scratch, rows);
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

    /// Returns the rows from `from` on of a tensor `[1, length, ...]`, as bits.
    fn bits(tensor: &Tensor, from: usize) -> Vec<u32> {
        let rest = tensor.narrow(1, from, tensor.dim(1).unwrap() - from).unwrap();
        let numbers: Vec<f32> = rest.flatten_all().unwrap().to_vec1().unwrap();
        numbers.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn a_querys_result_depends_on_what_it_sees_alone() {
        let device = Device::Cpu;
        for (size, window, softcap) in [(10, None, None), (64, None, None), (24, Some(37), Some(3.0))] {
            let attention =
                Attention { heads: 4, key_value_heads: 2, head_size: size, scale: 0.3, softcap, window };
            let random = |heads| Tensor::randn(0f32, 1.0, (1, 1100, heads, size), &device).unwrap();
            let (queries, keys, values) = (random(4), random(2), random(2));
            let whole = attention.run(&queries, &keys, &values).unwrap();
            for length in (1..20).chain([63, 65, 129, 511, 512, 513, 514, 515, 517, 1025, 1100]) {
                let first = |tensor: &Tensor| tensor.narrow(1, 0, length).unwrap();
                let (keys, values) = (first(&keys), first(&values));
                for from in [0, 1, 2, length / 2, length - length.min(3), length - 1] {
                    let from = from.min(length - 1);
                    let late = queries.narrow(1, from, length - from).unwrap();
                    let part = attention.run(&late, &keys, &values).unwrap();
                    let same = bits(&first(&whole), from) == bits(&part, 0);
                    assert!(same, "size {size}, {from}..{length} of the sequence");
                }
            }
        }
    }
}
