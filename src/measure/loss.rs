//! Losses from logits, one slice of positions at a time, because the logits of a long text do not fit in
//! memory.

use candle_core::{Storage, Tensor};
use rayon::prelude::*;

use super::finite::{as_divergence, as_loss};
use super::on_device;
use crate::model::{Head, ModelError, positions_together, sum_exponentials};

/// Number of logits that a GPU holds at a time: it needs more work than the CPU, and has the memory.
const ON_A_GPU: usize = 1 << 28;

/// The logits of some positions in f32, row-major.
#[derive(Clone, Debug)]
pub struct Logits {
    values: Vec<f32>,
    vocabulary: usize,
}

impl Logits {
    /// Reads logits `[positions, vocabulary]` from a tensor on any device.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn read(tensor: &Tensor) -> Result<Self, ModelError> {
        let (_, vocabulary) = tensor.dims2()?;
        let flat = tensor.flatten_all()?;
        Ok(Self { values: flat.to_vec1()?, vocabulary })
    }

    /// Returns the logits of each position.
    pub fn rows(&self) -> rayon::slice::ChunksExact<'_, f32> {
        self.values.par_chunks_exact(self.vocabulary.max(1))
    }
}

/// Calls `part` with slices of hidden states `[positions, hidden]` whose logits fit in memory, and with each
/// slice's start.
pub(super) fn in_slices(
    hidden: &Tensor,
    vocabulary: usize,
    mut part: impl FnMut(usize, &Tensor) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let positions = hidden.dim(0)?;
    let step = match hidden.device().is_cpu() {
        true => positions_together(vocabulary),
        false => (ON_A_GPU / vocabulary.max(1)).max(1),
    };
    for from in (0..positions).step_by(step) {
        part(from, &hidden.narrow(0, from, step.min(positions - from))?)?;
    }
    Ok(())
}

/// Drops the last position of each window, which predicts nothing: `[samples * (length - 1), hidden]`.
pub(super) fn predicting(hidden: &Tensor) -> Result<Tensor, ModelError> {
    let (samples, length, width) = hidden.dims3()?;
    let kept = hidden.narrow(1, 0, length - 1)?.contiguous()?;
    Ok(kept.reshape((samples * (length - 1), width))?)
}

/// Returns the tokens that the kept positions predict, window by window.
pub(super) fn targets(ids: &[u32], length: usize) -> Vec<u32> {
    let windows = ids.chunks_exact(length);
    windows.flat_map(|window| &window[1..]).copied().collect()
}

/// Returns the negative log-likelihood of each target under the head's logits, in nats.
pub(super) fn losses(head: &Head, hidden: &Tensor, targets: &[u32]) -> Result<Vec<f64>, ModelError> {
    let mut losses = Vec::with_capacity(targets.len());
    in_slices(hidden, head.vocabulary(), |from, slice| {
        let targets = &targets[from..];
        if on_device::applies(head, slice) {
            losses.extend(on_device::losses(head, &head.raw(slice)?, &targets[..slice.dim(0)?])?);
            return Ok(());
        }
        let logits = head.run(slice)?;
        let (storage, layout) = logits.storage_and_layout();
        if let (Storage::Cpu(cpu), Some((start, end))) = (&*storage, layout.contiguous_offsets()) {
            let rows = cpu.as_slice::<f32>()?[start..end].par_chunks_exact(head.vocabulary());
            losses.par_extend(rows.zip(targets).map(|(row, id)| row_loss(row, *id)));
        } else {
            drop(storage);
            let rows = Logits::read(&logits)?;
            losses.par_extend(rows.rows().zip(targets).map(|(row, id)| row_loss(row, *id)));
        }
        Ok(())
    })?;
    Ok(losses)
}

/// Returns the negative log-likelihood of token `target` under one position's logits, in nats.
pub fn row_loss(logits: &[f32], target: u32) -> f64 {
    let (largest, total) = partition(logits);
    let chosen = logits.get(target as usize).copied();
    as_loss(total.ln() + f64::from(largest) - f64::from(chosen.unwrap_or(f32::NEG_INFINITY)))
}

/// Returns the log-likelihood of each given token under one position's logits, in nats, and the most likely
/// token of all (the first, if several are equal).
pub fn row_likelihoods(logits: &[f32], targets: &[u32]) -> (Vec<f64>, u32) {
    let (largest, total) = partition(logits);
    let log_total = total.ln() + f64::from(largest);
    let of = |target: &u32| logits.get(*target as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let likelihoods = targets.iter().map(|target| f64::from(of(target)) - log_total).collect();
    let likeliest = logits.iter().position(|logit| *logit == largest).unwrap_or(0);
    (likelihoods, likeliest as u32)
}

/// Returns the Kullback-Leibler divergence of `other` from `dense` at one position, in nats.
pub fn row_divergence(dense: &[f32], other: &[f32]) -> f64 {
    let (dense_largest, dense_total) = partition(dense);
    let (other_largest, other_total) = partition(other);
    let offset = other_total.ln() + f64::from(other_largest) - dense_total.ln() - f64::from(dense_largest);
    let gaps = dense.iter().zip(other).map(|(&dense, &other)| {
        let share = f64::from(dense - dense_largest).exp();
        share * (f64::from(dense) - f64::from(other))
    });
    as_divergence(gaps.sum::<f64>() / dense_total + offset)
}

/// Returns the divergence from a dense model at one position and the negative log-likelihood of token `target`, both in nats.
///
/// `dense` holds the dense model's probabilities, and `entropy` is their sum of p ln p.
pub(super) fn row_losses(dense: &[f32], entropy: f64, logits: &[f32], target: u32) -> (f64, f64) {
    let (largest, total) = partition(logits);
    let log_total = total.ln() + f64::from(largest);
    // Several independent sums, so that no addition waits for the previous one.
    let mut lanes = [0.0; 8];
    let (dense_groups, dense_rest) = dense.as_chunks::<8>();
    let (groups, rest) = logits.as_chunks::<8>();
    for (dense, logits) in dense_groups.iter().zip(groups) {
        for ((lane, share), logit) in lanes.iter_mut().zip(dense).zip(logits) {
            *lane += f64::from(*share) * f64::from(*logit);
        }
    }
    let rest = dense_rest.iter().zip(rest).map(|(share, logit)| f64::from(*share) * f64::from(*logit));
    let expected = lanes.iter().sum::<f64>() + rest.sum::<f64>();
    let chosen = logits.get(target as usize).copied().unwrap_or(f32::NEG_INFINITY);
    (as_divergence(entropy - expected + log_total), as_loss(log_total - f64::from(chosen)))
}

/// Returns the largest logit, and the sum of the exponentials below it.
fn partition(logits: &[f32]) -> (f32, f64) {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let mut groups = logits.chunks_exact(8);
    for group in &mut groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let largest = lanes.iter().chain(groups.remainder()).fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    (largest, sum_exponentials(logits, largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_that_are_not_finite_have_infinite_losses() {
        let dense = [0.5, 1.0, -2.0, 0.25, 0.0, 3.0, 1.5, -1.0, 0.75];
        let shares: Vec<f32> = {
            let total: f32 = dense.iter().map(|it: &f32| it.exp()).sum();
            dense.iter().map(|it| it.exp() / total).collect()
        };
        for broken in [f32::NAN, -f32::NAN, f32::INFINITY] {
            for place in [0, 8] {
                let mut logits = dense;
                logits[place] = broken;
                assert_eq!(row_loss(&logits, 3), f64::INFINITY, "{broken} at {place}");
                assert_eq!(row_divergence(&dense, &logits), f64::INFINITY, "{broken} at {place}");
                assert_eq!(row_losses(&shares, -1.0, &logits, 3), (f64::INFINITY, f64::INFINITY));
            }
        }
        assert_eq!(row_divergence(&dense, &dense), 0.0);
    }
}
