//! The gradient of a window's loss with respect to a pruned model's last hidden states, where a backward pass
//! starts.

use std::borrow::Cow;

use candle_core::{D, DType, Tensor};
use candle_nn::ops::softmax_last_dim;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::loss::{Logits, in_slices, predicting, row_losses, targets};
use super::on_device;
use super::reference::{Dense, Reference, WindowLoss, shares};
use crate::device::slopes;
use crate::model::{Head, ModelError, softmax};

/// The loss that is differentiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SlopeOf {
    /// The divergence from the dense model.
    #[default]
    Divergence,
    /// The negative log-likelihood of the text.
    Likelihood,
}

/// A window's loss under a pruned model, and its gradient.
#[derive(Clone, Debug)]
pub struct LossSlope {
    /// The loss.
    pub loss: WindowLoss,
    /// The gradient of the chosen loss with respect to the last hidden states, `[1, length, hidden]`.
    pub slope: Tensor,
}

/// A pruned model's predictions at several positions of a window.
struct Predicted<'a> {
    head: &'a Head,
    /// The index of the first position among those of all windows.
    place: usize,
    /// The logits before their cap, `[positions, vocabulary]`.
    raw: &'a Tensor,
    targets: &'a [u32],
    of: SlopeOf,
}

/// A dense model's probabilities at a position, and their sum of p ln p.
type DenseRow<'a> = (Cow<'a, [f32]>, f64);

/// Each position's divergence and negative log-likelihood, and the excess of its probabilities.
type Differences = (Vec<(f64, f64)>, Tensor);

impl Reference {
    /// Returns the loss of one window under a pruned model and its gradient, from the model's last hidden states
    /// `[1, length, hidden]`.
    ///
    /// The gradient with respect to a position's logits is q - p divided by the number of positions, where q
    /// are the pruned model's probabilities, and p are the dense model's or, for the likelihood, 1 at the
    /// next token. The chain rule through the head gives the rest.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn slope(
        &self,
        head: &Head,
        window: usize,
        hidden: &Tensor,
        of: SlopeOf,
    ) -> Result<LossSlope, ModelError> {
        let length = self.tokens.length();
        let positions = length - 1;
        let targets = targets(self.tokens.part(window..window + 1), length);
        let kept = predicting(hidden)?;
        let (mut losses, mut slopes) = (Vec::with_capacity(positions), Vec::new());
        in_slices(&kept, head.vocabulary(), |start, slice| {
            let targets = &targets[start..start + slice.dim(0)?];
            let place = window * positions + start;
            let raw = head.raw(slice)?;
            let predicted = Predicted { head, place, raw: &raw, targets, of };
            let (found, differences) = match on_device::applies(head, slice) {
                true => self.on_device(&predicted)?,
                false => self.on_processor(&predicted)?,
            };
            losses.extend(found);
            slopes.push(head.back(slice, &raw, differences)?);
            Ok(())
        })?;
        let width = kept.dim(1)?;
        // The last position predicts nothing.
        slopes.push(Tensor::zeros((1, width), kept.dtype(), kept.device())?);
        let slope = Tensor::cat(&slopes, 0)?.reshape((1, length, width))?;
        let n = losses.len() as f64;
        let loss = WindowLoss {
            kl: losses.iter().map(|it| it.0).sum::<f64>() / n,
            nll: losses.iter().map(|it| it.1).sum::<f64>() / n,
        };
        Ok(LossSlope { loss, slope })
    }

    /// Returns the losses of positions, and the excess of each probability divided by the number of a
    /// window's positions, f32 `[positions, vocabulary]`, computed on the CPU.
    fn on_processor(&self, predicted: &Predicted<'_>) -> Result<Differences, ModelError> {
        let &Predicted { head, place, raw, targets, of } = predicted;
        let factor = (1.0 / (self.tokens.length() - 1) as f64) as f32;
        let logits = head.capped(raw)?;
        let dense = self.dense_rows(head, place, targets.len())?;
        let (rows, vocabulary) = (Logits::read(&logits)?, head.vocabulary().max(1));
        let mut differences = vec![0.0_f32; targets.len() * vocabulary];
        let found = differences
            .par_chunks_exact_mut(vocabulary)
            .zip(rows.rows())
            .zip(dense.par_iter().zip(targets))
            .map(|((difference, row), ((dense, entropy), target))| {
                difference.copy_from_slice(row);
                softmax(difference);
                match of {
                    SlopeOf::Divergence => {
                        difference.iter_mut().zip(dense.iter()).for_each(|(own, dense)| *own -= dense);
                    }
                    SlopeOf::Likelihood => {
                        difference.iter_mut().skip(*target as usize).take(1).for_each(|own| *own -= 1.0);
                    }
                }
                difference.iter_mut().for_each(|it| *it *= factor);
                row_losses(dense, *entropy, row, *target)
            })
            .collect();
        Ok((found, Tensor::from_vec(differences, logits.dims2()?, logits.device())?))
    }

    /// Does the same on the device of the logits.
    fn on_device(&self, predicted: &Predicted<'_>) -> Result<Differences, ModelError> {
        let &Predicted { head, place, raw, targets, of } = predicted;
        let positions = (self.tokens.length() - 1) as f64;
        let Some(dense) = self.dense_raw(head, place, targets.len())? else {
            return self.on_processor(predicted);
        };
        let found = on_device::both([head, head], [&dense, raw], targets)?;
        if let Some(gpu) = head.engine().kernels() {
            let wanted = (of == SlopeOf::Divergence).then_some(&dense);
            if let Some(excess) =
                slopes::excess(gpu, (raw, wanted), head.softcap(), targets, (1.0 / positions) as f32)?
            {
                return Ok((found, excess));
            }
        }
        let own = softmax_last_dim(&head.capped(raw)?)?;
        let differences = match of {
            SlopeOf::Divergence => (own - softmax_last_dim(&head.capped(&dense)?)?)?,
            SlopeOf::Likelihood => {
                let places = Tensor::from_slice(targets, (targets.len(), 1), raw.device())?;
                let ones = Tensor::ones((targets.len(), 1), DType::F32, raw.device())?;
                (&own - own.zeros_like()?.scatter_add(&places, &ones, D::Minus1)?)?
            }
        };
        Ok((found, (differences / positions)?))
    }

    /// Returns the dense model's logits before their cap at several positions, counted over all windows;
    /// `None` if its probabilities are stored instead.
    fn dense_raw(&self, head: &Head, from: usize, count: usize) -> Result<Option<Tensor>, ModelError> {
        let (kept, logits) = match &self.dense {
            Dense::Probabilities(..) => return Ok(None),
            Dense::Hidden(kept) => (kept, false),
            Dense::Logits(kept) => (kept, true),
        };
        let in_batch = self.step * (self.tokens.length() - 1);
        let part = kept[from / in_batch].narrow(0, from % in_batch, count)?;
        Ok(Some(if logits { part } else { head.raw(&part)? }))
    }

    /// Returns the dense model's probabilities at several positions, counted over all windows, and their sums
    /// of p ln p.
    fn dense_rows(&self, head: &Head, from: usize, count: usize) -> Result<Vec<DenseRow<'_>>, ModelError> {
        if let Dense::Probabilities(probabilities, entropies) = &self.dense {
            let rows = probabilities[from * head.vocabulary()..].chunks_exact(head.vocabulary().max(1));
            let rows = rows.zip(&entropies[from..]).take(count);
            return Ok(rows.map(|(row, entropy)| (Cow::Borrowed(row), *entropy)).collect());
        }
        let Some(raw) = self.dense_raw(head, from, count)? else { return Ok(Vec::new()) };
        let rows = Logits::read(&head.capped(&raw)?)?;
        Ok(rows.rows().map(shares).map(|(row, entropy)| (Cow::Owned(row), entropy)).collect())
    }
}
