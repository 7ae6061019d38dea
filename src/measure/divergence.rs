//! The divergence of a pruned model's predictions from the dense model's.

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::Serialize;

use super::finite::check_finite;
use super::loss::{Logits, in_slices, predicting, row_divergence};
use super::on_device;
use super::perplexity::{check, last_activations};
use crate::model::{Checkpoint, Decoder, Head, ModelError, SpecialTokens};
use crate::stats::{Tokens, batch_samples, room};

/// The mean divergence of one model's predictions from another's.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Divergence {
    /// The mean over positions of KL(dense || other), in nats.
    pub divergence: f64,
    /// Number of compared positions: all but the last of each window.
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
    /// The mean divergence of each window, for paired comparisons.
    pub window_divergences: Vec<f64>,
}

/// Measures the divergence of `other` from `dense` on the same tokens; `progress` is called with the number
/// of finished windows and the mean so far.
///
/// # Errors
/// When the tokens do not fit the models, the models have different vocabularies, or a tensor operation
/// fails.
pub fn divergence(
    dense: &Decoder,
    other: &Decoder,
    tokens: &Tokens,
    progress: &mut dyn FnMut(usize, f64),
) -> Result<Divergence, ModelError> {
    check(tokens)?;
    check_vocabularies(dense.head.vocabulary(), other.head.vocabulary())?;
    let (samples, length) = (tokens.samples(), tokens.length());
    let step = batch_samples(length, dense.device());
    let mut windows: Vec<f64> = Vec::with_capacity(samples);
    for from in (0..samples).step_by(step) {
        let ids = tokens.part(from..samples.min(from + step));
        let hidden = [dense.hidden(ids, length)?, other.hidden(ids, length)?];
        windows.extend(of_windows([&dense.head, &other.head], hidden)?);
        progress(windows.len(), mean(&windows));
    }
    finish(tokens, windows)
}

/// Measures the same for models that do not fit in memory, one block's weights at a time; `progress` is
/// called with the number of finished blocks of both models together.
///
/// Hidden states that do not fit into `memory` bytes together with a block (`None` for all free memory) go to
/// scratch files. The result equals that of [`divergence`], bit for bit.
///
/// # Errors
/// As [`divergence`], and when a tensor cannot be read, or the disk is too full for the scratch files.
pub fn divergence_streamed(
    dense: &Checkpoint,
    other: &Checkpoint,
    tokens: &Tokens,
    device: &Device,
    memory: Option<u64>,
    progress: &mut dyn FnMut(usize),
) -> Result<Divergence, ModelError> {
    check(tokens)?;
    check_vocabularies(dense.config().vocabulary, other.config().vocabulary)?;
    // Two sets of hidden states share the memory, and both heads are loaded at the end.
    let room = [dense, other].map(|model| room(model, tokens, memory, model.head_bytes()) / 2);
    let first = last_activations(dense, tokens, device, room[0], progress)?;
    let before = dense.config().blocks;
    let second = last_activations(other, tokens, device, room[1], &mut |done| progress(before + done))?;
    let heads = [Head::load(dense, device)?, Head::load(other, device)?];
    let mut windows = Vec::with_capacity(tokens.samples());
    for (first, second) in first.batches().zip(second.batches()) {
        windows.extend(of_windows([&heads[0], &heads[1]], [first?, second?])?);
    }
    finish(tokens, windows)
}

/// Measures two checkpoints: in memory if the weights of both fit into `memory` bytes (`None` for all free
/// memory), else one block at a time; `progress` is called with the finished share of the work, and the mean
/// so far if it is known.
///
/// # Errors
/// As [`divergence`] and [`divergence_streamed`].
pub fn divergence_of(
    dense: &Checkpoint,
    other: &Checkpoint,
    tokens: &Tokens,
    device: &Device,
    memory: Option<u64>,
    progress: &mut dyn FnMut(f64, Option<f64>),
) -> Result<Divergence, ModelError> {
    let limit = memory.or_else(|| dense.free_memory()).unwrap_or(u64::MAX);
    if dense.resident_bytes().saturating_add(other.resident_bytes()) <= limit {
        let (dense, other) = (Decoder::load(dense, device)?, Decoder::load(other, device)?);
        let all = tokens.samples() as f64;
        return divergence(&dense, &other, tokens, &mut |done, value| {
            progress(done as f64 / all, Some(value));
        });
    }
    let all = (dense.config().blocks + other.config().blocks) as f64;
    divergence_streamed(dense, other, tokens, device, memory, &mut |done| {
        progress(done as f64 / all, None);
    })
}

/// Refuses models with vocabularies of different sizes: an id would stand for different tokens.
fn check_vocabularies(dense: usize, other: usize) -> Result<(), ModelError> {
    match dense == other {
        true => Ok(()),
        false => Err(ModelError::OtherVocabulary { dense, other }),
    }
}

/// Returns the mean divergence of each window of a batch, from the last hidden states `[samples, length, hidden]` of both models.
fn of_windows([dense, other]: [&Head; 2], hidden: [Tensor; 2]) -> Result<Vec<f64>, ModelError> {
    let (_, length, _) = hidden[0].dims3()?;
    let [dense_hidden, other_hidden] = [predicting(&hidden[0])?, predicting(&hidden[1])?];
    let mut positions: Vec<f64> = Vec::with_capacity(dense_hidden.dim(0)?);
    in_slices(&dense_hidden, dense.vocabulary(), |start, slice| {
        let count = slice.dim(0)?;
        let other_slice = other_hidden.narrow(0, start, count)?;
        if on_device::applies(dense, slice) {
            let raw = [&dense.raw(slice)?, &other.raw(&other_slice)?];
            // The losses are not used here, so any targets work.
            let both = on_device::both([dense, other], raw, &vec![0; count])?;
            positions.extend(both.into_iter().map(|(divergence, _)| divergence));
            return Ok(());
        }
        let (dense_logits, other_logits) = (dense.run(slice)?, other.run(&other_slice)?);
        let (dense_logits, other_logits) = (Logits::read(&dense_logits)?, Logits::read(&other_logits)?);
        let rows = dense_logits.rows().zip(other_logits.rows());
        positions.par_extend(rows.map(|(dense, other)| row_divergence(dense, other)));
        Ok(())
    })?;
    Ok(positions.chunks_exact(length - 1).map(mean).collect())
}

fn finish(tokens: &Tokens, windows: Vec<f64>) -> Result<Divergence, ModelError> {
    check_finite("divergence", &windows)?;
    Ok(Divergence {
        divergence: mean(&windows),
        tokens: tokens.samples() * (tokens.length() - 1),
        windows: tokens.samples(),
        length: tokens.length(),
        source: tokens.hash().to_owned(),
        special_tokens: tokens.special_tokens().cloned(),
        window_divergences: windows,
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
