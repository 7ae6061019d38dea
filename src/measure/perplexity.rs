//! Perplexity by the field's protocol: windows that do not overlap, no context carried over.

use candle_core::{Device, Tensor};
use serde::Serialize;

use super::loss::{losses, predicting, targets};
use crate::model::{Block, Checkpoint, Decoder, Head, ModelError, SpecialTokens, no_tap};
use crate::stats::{Activations, Tokens, batch_samples, room};

/// How well a model predicts a text.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Perplexity {
    /// exp of the mean negative log-likelihood; infinite or NaN for a model that pruning has destroyed.
    pub perplexity: f64,
    /// The mean negative log-likelihood of a token, in nats.
    pub mean_loss: f64,
    /// How many tokens were predicted: all but the first of each window.
    pub tokens: usize,
    /// How many windows there were.
    pub windows: usize,
    /// How many tokens a window has.
    pub length: usize,
    /// SHA-256 of the text or the ids.
    pub source: String,
    /// What the tokenizer put around each document of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub special_tokens: Option<SpecialTokens>,
    /// The mean negative log-likelihood of each window, for paired comparisons.
    pub window_losses: Vec<f64>,
}

/// What has been measured so far.
struct Tally<'a> {
    tokens: &'a Tokens,
    window_losses: Vec<f64>,
}

impl<'a> Tally<'a> {
    fn new(tokens: &'a Tokens) -> Self {
        let window_losses = Vec::with_capacity(tokens.samples());
        Self { tokens, window_losses }
    }

    /// Adds the windows whose last hidden states these are.
    fn add(&mut self, head: &Head, hidden: &Tensor) -> Result<(), ModelError> {
        let length = self.tokens.length();
        let from = self.window_losses.len();
        let ids = self.tokens.part(from..from + hidden.dim(0)?);
        let losses = losses(head, &predicting(hidden)?, &targets(ids, length))?;
        let windows = losses.chunks_exact(length - 1);
        self.window_losses.extend(windows.map(|window| window.iter().sum::<f64>() / window.len() as f64));
        Ok(())
    }

    /// Returns how many windows are done, and the perplexity so far.
    fn state(&self) -> (usize, f64) {
        (self.window_losses.len(), self.mean().exp())
    }

    fn mean(&self) -> f64 {
        self.window_losses.iter().sum::<f64>() / self.window_losses.len() as f64
    }

    fn finish(self) -> Perplexity {
        Perplexity {
            perplexity: self.mean().exp(),
            mean_loss: self.mean(),
            tokens: self.tokens.samples() * (self.tokens.length() - 1),
            windows: self.tokens.samples(),
            length: self.tokens.length(),
            source: self.tokens.hash().to_owned(),
            special_tokens: self.tokens.special_tokens().cloned(),
            window_losses: self.window_losses,
        }
    }
}

/// Measures a decoder in memory; `progress` is called with the windows done and the perplexity so far.
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
    Ok(tally.finish())
}

/// Measures a checkpoint that does not fit in memory, one block's weights at a time; `progress` is called with the blocks done.
///
/// Hidden states that do not fit into `memory` bytes beside a block (`None` for what is free) go to a scratch file. The result is
/// that of [`perplexity`], bit for bit.
///
/// # Errors
/// As [`perplexity`], and when a tensor cannot be read, or the disk has no room for the scratch file.
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
    Ok(tally.finish())
}

/// Takes tokens through all blocks, one block's weights at a time; `progress` is called with the blocks done.
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

/// Measures a checkpoint, in memory when its weights fit into `memory` bytes, else one block at a time; `progress` is
/// called with the share of the work that is done, and the perplexity so far where it is known.
///
/// Without a limit it takes what is free, and streams nothing where the system does not say.
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

/// Refuses windows in which nothing can be predicted.
pub(super) fn check(tokens: &Tokens) -> Result<(), ModelError> {
    match tokens.length() {
        0 | 1 => Err(ModelError::Window { length: tokens.length() }),
        _ => Ok(()),
    }
}
