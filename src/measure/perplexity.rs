//! Perplexity by the usual protocol: non-overlapping windows, without context from previous windows.

use candle_core::{Device, Tensor};
use serde::Serialize;

use super::finite::check_finite;
use super::loss::{losses, predicting, targets};
use crate::model::{Block, Checkpoint, Decoder, Head, ModelError, SpecialTokens, no_tap};
use crate::stats::{Activations, Tokens, batch_samples, room};

/// A model's perplexity on a text.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Perplexity {
    /// exp of the mean negative log-likelihood; infinite or NaN for a model that pruning has destroyed.
    pub perplexity: f64,
    /// The mean negative log-likelihood of a token, in nats.
    pub mean_loss: f64,
    /// Number of predicted tokens: all but the first of each window.
    pub tokens: usize,
    /// Number of windows.
    pub windows: usize,
    /// Number of tokens in a window.
    pub length: usize,
    /// SHA-256 of the text or the ids.
    pub source: String,
    /// The special tokens that the tokenizer added to each document of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub special_tokens: Option<SpecialTokens>,
    /// The mean negative log-likelihood of each window, for paired comparisons.
    pub window_losses: Vec<f64>,
}

/// The measurements so far.
struct Tally<'a> {
    tokens: &'a Tokens,
    window_losses: Vec<f64>,
}

impl<'a> Tally<'a> {
    fn new(tokens: &'a Tokens) -> Self {
        let window_losses = Vec::with_capacity(tokens.samples());
        Self { tokens, window_losses }
    }

    /// Adds windows, given their last hidden states.
    fn add(&mut self, head: &Head, hidden: &Tensor) -> Result<(), ModelError> {
        let length = self.tokens.length();
        let from = self.window_losses.len();
        let ids = self.tokens.part(from..from + hidden.dim(0)?);
        let losses = losses(head, &predicting(hidden)?, &targets(ids, length))?;
        let windows = losses.chunks_exact(length - 1);
        self.window_losses.extend(windows.map(|window| window.iter().sum::<f64>() / window.len() as f64));
        Ok(())
    }

    /// Returns the number of finished windows, and the perplexity so far.
    fn state(&self) -> (usize, f64) {
        (self.window_losses.len(), self.mean().exp())
    }

    fn mean(&self) -> f64 {
        self.window_losses.iter().sum::<f64>() / self.window_losses.len() as f64
    }

    fn finish(self) -> Result<Perplexity, ModelError> {
        check_finite("perplexity", &self.window_losses)?;
        Ok(Perplexity {
            perplexity: self.mean().exp(),
            mean_loss: self.mean(),
            tokens: self.tokens.samples() * (self.tokens.length() - 1),
            windows: self.tokens.samples(),
            length: self.tokens.length(),
            source: self.tokens.hash().to_owned(),
            special_tokens: self.tokens.special_tokens().cloned(),
            window_losses: self.window_losses,
        })
    }
}

/// Measures a decoder in memory; `progress` is called with the number of finished windows and the perplexity
/// so far.
///
/// # Errors
/// When the tokens do not fit the model, or a tensor operation fails.
pub fn perplexity(
    decoder: &Decoder,
    tokens: &Tokens,
    progress: &mut dyn FnMut(usize, f64),
) -> Result<Perplexity, ModelError> {
    check(tokens)?;
    let mut tally = Tally::new(tokens);
    let (samples, length) = (tokens.samples(), tokens.length());
    let step = batch_samples(length, decoder.device());
    for from in (0..samples).step_by(step) {
        let ids = tokens.part(from..samples.min(from + step));
        tally.add(&decoder.head, &decoder.hidden(ids, length)?)?;
        let (done, value) = tally.state();
        progress(done, value);
    }
    tally.finish()
}

/// Measures a checkpoint that does not fit in memory, one block's weights at a time; `progress` is called
/// with the number of finished blocks.
///
/// Hidden states that do not fit into `memory` bytes together with a block (`None` for all free memory) go to
/// a scratch file. The result equals that of [`perplexity`], bit for bit.
///
/// # Errors
/// As [`perplexity`], and when a tensor cannot be read, or the disk is too full for the scratch file.
pub fn perplexity_streamed(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    device: &Device,
    memory: Option<u64>,
    progress: &mut dyn FnMut(usize),
) -> Result<Perplexity, ModelError> {
    check(tokens)?;
    let room = room(checkpoint, tokens, memory, 0);
    let activations = last_activations(checkpoint, tokens, device, room, progress)?;
    let head = Head::load(checkpoint, device)?;
    let mut tally = Tally::new(tokens);
    for batch in activations.batches() {
        tally.add(&head, &batch?)?;
    }
    tally.finish()
}

/// Moves tokens through all blocks, one block's weights at a time; `progress` is called with the number of
/// finished blocks.
pub(super) fn last_activations(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    device: &Device,
    room: u64,
    progress: &mut dyn FnMut(usize),
) -> Result<Activations, ModelError> {
    let mut activations = Activations::embed(checkpoint, tokens, device, room)?;
    for index in 0..checkpoint.config().blocks {
        let block = Block::load(checkpoint, index, device)?;
        activations.advance(&block, &mut no_tap())?;
        progress(index + 1);
    }
    Ok(activations)
}

/// Measures a checkpoint: in memory if its weights fit into `memory` bytes, else one block at a time;
/// `progress` is called with the finished share of the work, and the perplexity so far if it is known.
///
/// Without a limit, the free memory counts; if the system does not report it, nothing is streamed.
///
/// # Errors
/// As [`perplexity`] and [`perplexity_streamed`].
pub fn perplexity_of(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    device: &Device,
    memory: Option<u64>,
    progress: &mut dyn FnMut(f64, Option<f64>),
) -> Result<Perplexity, ModelError> {
    let memory = memory.or_else(|| checkpoint.free_memory()).unwrap_or(u64::MAX);
    if checkpoint.resident_bytes() <= memory {
        let decoder = Decoder::load(checkpoint, device)?;
        let all = tokens.samples() as f64;
        return perplexity(&decoder, tokens, &mut |done, value| {
            progress(done as f64 / all, Some(value));
        });
    }
    let all = checkpoint.config().blocks as f64;
    perplexity_streamed(checkpoint, tokens, device, Some(memory), &mut |done| {
        progress(done as f64 / all, None);
    })
}

/// Refuses windows that are too short to predict anything.
pub(super) fn check(tokens: &Tokens) -> Result<(), ModelError> {
    match tokens.length() {
        0 | 1 => Err(ModelError::Window { length: tokens.length() }),
        _ => Ok(()),
    }
}
