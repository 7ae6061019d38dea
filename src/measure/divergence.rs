//! How far a pruned model's predictions are from the dense model's.

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::Serialize;

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
    /// How many positions were compared: all but the last of each window.
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
    /// The mean divergence of each window, for paired comparisons.
    pub window_divergences: Vec<f64>,
}

/// Measures how far `other` is from `dense` on the same tokens; `progress` is called with the windows done and the mean so far.
///
/// # Errors
/// When the tokens do not fit the models, the models have other vocabularies, or a tensor operation fails.
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
    Ok(finish(tokens, windows))
}

/// Measures the same of models that do not fit in memory, one block's weights at a time; `progress` is called with the blocks done,
/// of both models together.
///
/// Hidden states that do not fit into `memory` bytes beside a block (`None` for what is free) go to scratch files. The result is
/// that of [`divergence`], bit for bit.
///
/// # Errors
/// As [`divergence`], and when a tensor cannot be read, or the disk has no room for the scratch files.
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
    // Two sets of hidden states share the room, and two heads stand side by side at the end.
    let room = [dense, other].map(|model| room(model, tokens, memory, model.head_bytes()) / 2);
    let first = last_activations(dense, tokens, device, room[0], progress)?;
    let before = dense.config().blocks;
    let second = last_activations(other, tokens, device, room[1], &mut |done| progress(before + done))?;
    let heads = [Head::load(dense, device)?, Head::load(other, device)?];
    let mut windows = Vec::with_capacity(tokens.samples());
    for (first, second) in first.batches().zip(second.batches()) {
        windows.extend(of_windows([&heads[0], &heads[1]], [first?, second?])?);
    }
    Ok(finish(tokens, windows))
}

/// Measures two checkpoints, in memory when the weights of both fit into `memory` bytes (`None` for what is free), else one
/// block at a time; `progress` is called with the share of the work that is done, and the mean so far where it is known.
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

/// Refuses models that tell other numbers of tokens apart: an id would mean one thing here and another there.
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
            // Nobody asks for losses here, so any targets serve.
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

fn finish(tokens: &Tokens, windows: Vec<f64>) -> Divergence {
    Divergence {
        divergence: mean(&windows),
        tokens: tokens.samples() * (tokens.length() - 1),
        windows: tokens.samples(),
        length: tokens.length(),
        source: tokens.hash().to_owned(),
        special_tokens: tokens.special_tokens().cloned(),
        window_divergences: windows,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
