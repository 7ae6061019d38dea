//! Losses computed on the device of the logits, if copying them would be slow: only one number for each
//! position is copied back.
//!
//! A GPU kernel reads the logits once. If no kernel supports them, sums are in f32, while the CPU sums in
//! f64; over a window both agree to about 1e-6.

use candle_core::{D, DType, Tensor};
use candle_nn::ops::log_softmax;

use super::finite::{as_divergence, as_loss};
use crate::device::layers;
use crate::model::{Head, ModelError};

/// Returns whether losses are computed on the device of the hidden states: on every device but the CPU.
pub(super) fn applies(head: &Head, hidden: &Tensor) -> bool {
    !hidden.device().is_cpu() || (head.engine().kernels().is_some() && head.engine().device().is_cpu())
}

/// Returns the negative log-likelihood of each target, in nats, from a head's logits before their cap, `[positions, vocabulary]`.
pub(super) fn losses(head: &Head, raw: &Tensor, targets: &[u32]) -> Result<Vec<f64>, ModelError> {
    if let Some(gpu) = head.engine().kernels()
        && let Some(losses) = layers::losses(gpu, raw, head.softcap(), targets)?
    {
        return Ok(losses.into_iter().map(as_loss).collect());
    }
    of_log_shares(&log_softmax(&head.capped(raw)?, D::Minus1)?, targets)
}

/// Returns at each position the Kullback-Leibler divergence of a model from a dense one and the negative log-likelihood of the
/// target, in nats, from both heads' logits before their cap, the dense model's first.
pub(super) fn both(
    heads: [&Head; 2],
    raw: [&Tensor; 2],
    targets: &[u32],
) -> Result<Vec<(f64, f64)>, ModelError> {
    if heads[0].softcap() == heads[1].softcap()
        && let Some(gpu) = heads[1].engine().kernels()
        && let Some(both) = layers::divergences(gpu, raw, heads[1].softcap(), targets)?
    {
        let losses = both.into_iter().map(|(divergence, loss)| (as_divergence(divergence), as_loss(loss)));
        return Ok(losses.collect());
    }
    let [dense, other] = [heads[0].capped(raw[0])?, heads[1].capped(raw[1])?];
    both_of_logits(&dense, &other, targets)
}

fn both_of_logits(dense: &Tensor, other: &Tensor, targets: &[u32]) -> Result<Vec<(f64, f64)>, ModelError> {
    let [dense, other] = [log_softmax(dense, D::Minus1)?, log_softmax(other, D::Minus1)?];
    let (divergences, losses) = (divergences_of(&dense, &other)?, of_log_shares(&other, targets)?);
    Ok(divergences.into_iter().zip(losses).collect())
}

fn of_log_shares(shares: &Tensor, targets: &[u32]) -> Result<Vec<f64>, ModelError> {
    let positions = shares.dim(0)?;
    let targets = targets.get(..positions).unwrap_or(targets);
    let targets = Tensor::from_slice(targets, (targets.len(), 1), shares.device())?;
    let chosen: Vec<f32> = shares.gather(&targets, 1)?.flatten_all()?.to_vec1()?;
    Ok(chosen.into_iter().map(|log| as_loss(-f64::from(log))).collect())
}

fn divergences_of(dense: &Tensor, other: &Tensor) -> Result<Vec<f64>, ModelError> {
    let sums = (dense.exp()? * (dense - other)?)?.sum(D::Minus1)?;
    let sums: Vec<f32> = sums.to_dtype(DType::F32)?.to_vec1()?;
    Ok(sums.into_iter().map(|sum| as_divergence(f64::from(sum))).collect())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::measure::loss::{row_divergence, row_loss};

    #[test]
    fn losses_are_those_of_rows() {
        let random = || Tensor::randn(0f32, 3.0, (7, 50), &Device::Cpu).expect("logits");
        let (dense, other) = (random(), random());
        let targets: Vec<u32> = (0..7).map(|it| it * 7).collect();
        let rows = |tensor: &Tensor| tensor.to_vec2::<f32>().expect("rows");
        let found = both_of_logits(&dense, &other, &targets).expect("losses");
        for (place, (dense, other)) in rows(&dense).iter().zip(rows(&other)).enumerate() {
            let (divergence, loss) = (row_divergence(dense, &other), row_loss(&other, targets[place]));
            assert!((found[place].0 - divergence).abs() < 1e-5 && (found[place].1 - loss).abs() < 1e-5);
        }
    }
}
