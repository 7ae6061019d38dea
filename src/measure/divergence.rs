//! How far a pruned model's predictions are from the dense model's.

use rayon::prelude::*;
use serde::Serialize;

use super::loss::{Logits, in_slices, predicting, row_divergence};
use super::perplexity::check;
use crate::model::{Decoder, ModelError};
use crate::stats::{Tokens, batch_samples};

/// The mean divergence of one model's predictions from another's.
#[derive(Clone, Debug, Serialize)]
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
    /// The mean divergence of each window, for paired comparisons.
    pub window_divergences: Vec<f64>,
}

/// Measures how far `other` is from `dense` on the same tokens; `progress` is called with the windows done and the mean so far.
///
/// # Errors
/// When the tokens do not fit the models, or a tensor operation fails.
pub fn divergence(
    dense: &Decoder,
    other: &Decoder,
    tokens: &Tokens,
    progress: &mut dyn FnMut(usize, f64),
) -> Result<Divergence, ModelError> {
    check(tokens)?;
    let (samples, length) = (tokens.samples(), tokens.length());
    let step = batch_samples(length);
    let mut windows: Vec<f64> = Vec::with_capacity(samples);
    for from in (0..samples).step_by(step) {
        let ids = tokens.part(from..samples.min(from + step));
        let dense_hidden = predicting(&dense.hidden(ids, length)?)?;
        let other_hidden = predicting(&other.hidden(ids, length)?)?;
        let mut positions: Vec<f64> = Vec::with_capacity(ids.len());
        in_slices(&dense_hidden, dense.head.vocabulary(), |start, slice| {
            let count = slice.dim(0)?;
            let other_slice = other_hidden.narrow(0, start, count)?;
            let dense_logits = Logits::read(&dense.head.run(slice)?)?;
            let other_logits = Logits::read(&other.head.run(&other_slice)?)?;
            let rows = dense_logits.rows().zip(other_logits.rows());
            positions.par_extend(rows.map(|(dense, other)| row_divergence(dense, other)));
            Ok(())
        })?;
        let means = positions.chunks_exact(length - 1);
        windows.extend(means.map(|window| window.iter().sum::<f64>() / window.len() as f64));
        progress(windows.len(), mean(&windows));
    }
    Ok(Divergence {
        divergence: mean(&windows),
        tokens: samples * (length - 1),
        windows: samples,
        length,
        source: tokens.hash().to_owned(),
        window_divergences: windows,
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
