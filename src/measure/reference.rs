//! A dense model's predictions, kept so that many pruned models can be compared with it.

use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::loss::{Logits, in_slices, predicting, row_divergence, row_loss, row_losses, targets};
use super::on_device;
use super::perplexity::check;
use crate::model::{Angles, Decoder, Head, ModelError};
use crate::stats::{Tokens, batch_samples};

/// The maximum size of stored probabilities, in bytes; beyond it, hidden states are stored and the head runs
/// again each time.
const KEPT: usize = 1 << 30;

/// The loss of one window of tokens under a pruned model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WindowLoss {
    /// The mean over positions of KL(dense || pruned), in nats.
    pub kl: f64,
    /// The mean negative log-likelihood of a token, in nats.
    pub nll: f64,
}

/// A text with a dense model's predictions.
#[derive(Clone, Debug)]
pub struct Reference {
    pub(super) tokens: Tokens,
    /// Number of windows in a batch.
    pub(super) step: usize,
    angles: Angles,
    embedded: Vec<Tensor>,
    pub(super) dense: Dense,
    losses: Vec<f64>,
}

/// The dense model's predictions at every position that predicts a token.
#[derive(Clone, Debug)]
pub(super) enum Dense {
    /// Probabilities `[positions, vocabulary]`, and the sum of p ln p at each position.
    Probabilities(Vec<f32>, Vec<f64>),
    /// Last hidden states, in batches.
    Hidden(Vec<Tensor>),
    /// Logits before their cap, in batches, on a device with enough memory.
    Logits(Vec<Tensor>),
}

impl Reference {
    /// Runs the dense model on a text.
    ///
    /// # Errors
    /// When the tokens do not fit the model, or a tensor operation fails.
    pub fn new(decoder: &Decoder, tokens: &Tokens) -> Result<Self, ModelError> {
        Self::keeping(decoder, tokens, KEPT)
    }

    fn keeping(decoder: &Decoder, tokens: &Tokens, most: usize) -> Result<Self, ModelError> {
        check(tokens)?;
        let (samples, length) = (tokens.samples(), tokens.length());
        let step = batch_samples(length, decoder.device());
        let vocabulary = decoder.head.vocabulary();
        let fits = samples.saturating_mul(length).saturating_mul(vocabulary).saturating_mul(4) <= most
            && decoder.device().is_cpu()
            && decoder.head.engine().kernels().is_none();
        let keeps_logits = has_room_for_logits(decoder, samples * length * vocabulary);
        let (mut embedded, mut kept, mut losses) = (Vec::new(), Vec::new(), Vec::new());
        let (mut probabilities, mut entropies) = (Vec::new(), Vec::new());
        for from in (0..samples).step_by(step) {
            let ids = tokens.part(from..samples.min(from + step));
            embedded.push(decoder.embedding.run(ids, length)?);
            let hidden = predicting(&decoder.hidden(ids, length)?)?;
            let targets = targets(ids, length);
            let mut positions: Vec<f64> = Vec::with_capacity(targets.len());
            let mut slices = Vec::new();
            in_slices(&hidden, vocabulary, |start, slice| {
                if on_device::applies(&decoder.head, slice) {
                    let raw = decoder.head.raw(slice)?;
                    if keeps_logits {
                        slices.push(raw.clone());
                    }
                    let targets = &targets[start..start + slice.dim(0)?];
                    positions.extend(on_device::losses(&decoder.head, &raw, targets)?);
                    return Ok(());
                }
                let logits = Logits::read(&decoder.head.run(slice)?)?;
                let rows = logits.rows().zip(&targets[start..]);
                positions.par_extend(rows.map(|(row, target)| row_loss(row, *target)));
                if fits {
                    let rows: Vec<(Vec<f32>, f64)> = logits.rows().map(shares).collect();
                    for (row, entropy) in rows {
                        probabilities.extend(row);
                        entropies.push(entropy);
                    }
                }
                Ok(())
            })?;
            losses.extend(window_means(&positions, length));
            if keeps_logits {
                kept.push(Tensor::cat(&slices, 0)?);
            } else if !fits {
                kept.push(hidden);
            }
        }
        Ok(Self {
            tokens: tokens.clone(),
            step,
            angles: decoder.angles(length)?,
            embedded,
            dense: match (fits, keeps_logits) {
                (true, _) => Dense::Probabilities(probabilities, entropies),
                (false, true) => Dense::Logits(kept),
                (false, false) => Dense::Hidden(kept),
            },
            losses,
        })
    }

    /// Returns the tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Returns the number of windows.
    pub fn windows(&self) -> usize {
        self.tokens.samples()
    }

    /// Returns the dense model's perplexity.
    pub fn perplexity(&self) -> f64 {
        (self.losses.iter().sum::<f64>() / self.losses.len() as f64).exp()
    }

    /// Returns the angles of the text's windows.
    pub fn angles(&self) -> &Angles {
        &self.angles
    }

    /// Returns the embedded tokens of a range of windows, in batches `[samples, length, hidden]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn embedded(&self, windows: Range<usize>) -> Result<Vec<Tensor>, ModelError> {
        self.batches(windows).map(|(batch, part)| Ok(batch_part(&self.embedded[batch], &part)?)).collect()
    }

    /// Returns the losses of a range of windows under a pruned model, from its last hidden states in the
    /// batches of [`Reference::embedded`].
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn losses(
        &self,
        head: &Head,
        windows: Range<usize>,
        hidden: &[Tensor],
    ) -> Result<Vec<WindowLoss>, ModelError> {
        let length = self.tokens.length();
        let step = self.step;
        let mut losses = Vec::with_capacity(windows.len());
        for ((batch, part), hidden) in self.batches(windows).zip(hidden) {
            let first = batch * step + part.start;
            let targets = targets(self.tokens.part(first..first + part.len()), length);
            let hidden = predicting(hidden)?;
            let dense = match &self.dense {
                Dense::Hidden(kept) | Dense::Logits(kept) => {
                    Some(kept[batch].narrow(0, part.start * (length - 1), part.len() * (length - 1))?)
                }
                Dense::Probabilities(..) => None,
            };
            let mut positions: Vec<(f64, f64)> = Vec::with_capacity(targets.len());
            in_slices(&hidden, head.vocabulary(), |start, slice| {
                if let (Some(dense), true) = (&dense, on_device::applies(head, slice)) {
                    let count = slice.dim(0)?;
                    let dense = dense.narrow(0, start, count)?;
                    let dense = match &self.dense {
                        Dense::Logits(_) => dense,
                        Dense::Hidden(_) | Dense::Probabilities(..) => head.raw(&dense)?,
                    };
                    let raw = [&dense, &head.raw(slice)?];
                    positions.extend(on_device::both([head, head], raw, &targets[start..start + count])?);
                    return Ok(());
                }
                let logits = Logits::read(&head.run(slice)?)?;
                let rows = logits.rows().zip(&targets[start..]);
                match (&self.dense, &dense) {
                    (Dense::Probabilities(probabilities, entropies), _) => {
                        let place = first * (length - 1) + start;
                        let dense = probabilities[place * head.vocabulary()..]
                            .par_chunks_exact(head.vocabulary().max(1))
                            .zip(&entropies[place..]);
                        positions.par_extend(rows.zip(dense).map(|((row, target), (dense, entropy))| {
                            row_losses(dense, *entropy, row, *target)
                        }));
                    }
                    (_, Some(dense)) => {
                        let dense = Logits::read(&head.run(&dense.narrow(0, start, slice.dim(0)?)?)?)?;
                        let rows = rows.zip(dense.rows());
                        positions.par_extend(rows.map(|((row, target), dense)| {
                            (row_divergence(dense, row), row_loss(row, *target))
                        }));
                    }
                    (Dense::Hidden(_) | Dense::Logits(_), None) => {}
                }
                Ok(())
            })?;
            losses.extend(positions.chunks_exact(length - 1).map(|window| {
                let n = window.len() as f64;
                WindowLoss {
                    kl: window.iter().map(|it| it.0).sum::<f64>() / n,
                    nll: window.iter().map(|it| it.1).sum::<f64>() / n,
                }
            }));
        }
        Ok(losses)
    }

    /// Returns the batches that contain a range of windows, each with its part of the range.
    fn batches(&self, windows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let step = self.step;
        let (start, end) = (windows.start, windows.end.min(self.windows()));
        (start / step..end.div_ceil(step)).map(move |batch| {
            let first = batch * step;
            (batch, start.max(first) - first..end.min(first + step) - first)
        })
    }
}

/// Returns whether a device keeps this number of logits: an eighth of its total memory holds them, and half
/// of it the model and its ranks, so that the logits of three texts fit. Other users of the memory do not
/// affect the result.
fn has_room_for_logits(decoder: &Decoder, logits: usize) -> bool {
    let checkpoint = decoder.checkpoint();
    let Some((_, total)) = checkpoint.engine().memory().filter(|_| !decoder.device().is_cpu()) else {
        return false;
    };
    let size = checkpoint.precision().dtype().size_in_bytes() as u64;
    // A rank takes at most 4 bytes.
    let model = checkpoint.resident_bytes() / size * (size + 4);
    size * logits as u64 <= total / 8 && model <= total / 2
}

fn batch_part(batch: &Tensor, part: &Range<usize>) -> candle_core::Result<Tensor> {
    match batch.dim(0)? == part.len() {
        true => Ok(batch.clone()),
        false => batch.narrow(0, part.start, part.len())?.contiguous(),
    }
}

/// Returns the mean over the positions of each window.
fn window_means(positions: &[f64], length: usize) -> impl Iterator<Item = f64> {
    positions.chunks_exact(length - 1).map(|window| window.iter().sum::<f64>() / window.len() as f64)
}

/// Returns a position's probabilities, and the sum of p ln p.
pub(super) fn shares(logits: &[f32]) -> (Vec<f32>, f64) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|it| f64::from(it - largest).exp()).collect();
    let total = powers.iter().sum::<f64>();
    let log_total = total.ln();
    let mut entropy = 0.0;
    let probabilities = powers.iter().zip(logits).map(|(power, logit)| {
        let probability = power / total;
        entropy += probability * (f64::from(logit - largest) - log_total);
        probability as f32
    });
    let probabilities = probabilities.collect();
    (probabilities, entropy)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::model::Checkpoint;

    #[test]
    fn both_ways_of_keeping_the_dense_model_agree_with_the_divergence() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");
        let checkpoint = Checkpoint::open(folder).expect("the bundled model opens");
        let dense = Decoder::load(&checkpoint, &Device::Cpu).expect("it loads");
        let mut pruned = dense.clone();
        for block in &mut pruned.blocks {
            for linear in block.linears_mut() {
                let damped = (linear.weight() * 0.9).expect("a product");
                linear.set_weight(damped).expect("the same shape");
            }
        }
        let ids: Vec<u32> = (0..3 * 24).map(|id| id * 7 % 2048).collect();
        let tokens = Tokens::new(ids, 24).expect("whole windows");
        let expected =
            crate::measure::divergence(&dense, &pruned, &tokens, &mut |_, _| {}).expect("a divergence");
        let losses = crate::measure::perplexity(&pruned, &tokens, &mut |_, _| {}).expect("a perplexity");
        for most in [KEPT, 0] {
            let reference = Reference::keeping(&dense, &tokens, most).expect("a reference");
            let of = |windows: Range<usize>| {
                let mut hidden = reference.embedded(windows.clone()).expect("embedded");
                for block in &pruned.blocks {
                    for batch in &mut hidden {
                        *batch = block
                            .forward(batch, reference.angles(), &mut crate::model::no_tap())
                            .expect("a block runs");
                    }
                }
                reference.losses(&pruned.head, windows, &hidden).expect("losses")
            };
            let found: Vec<WindowLoss> = of(0..1).into_iter().chain(of(1..3)).collect();
            for (index, loss) in found.iter().enumerate() {
                assert!((loss.kl - expected.window_divergences[index]).abs() < 1e-6, "{most}: {loss:?}");
                assert!((loss.nll - losses.window_losses[index]).abs() < 1e-6, "{most}: {loss:?}");
            }
        }
    }
}
