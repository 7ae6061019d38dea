//! Where tokens come from: `--text FILE ...`, or `--tokens FILE.safetensors:NAME`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::text::Text;
use super::text_error::TextError;
use super::tokens::{TokenFile, Tokens};
use crate::model::{Checkpoint, ModelError, Tokenizer};

/// The length of a window, in tokens, where nobody says another and the model's context is not shorter: the field's.
pub const WINDOW_LENGTH: usize = 2048;

/// Returns how many tokens a window of text has: the length that was asked for, or [`WINDOW_LENGTH`], or the model's context where
/// that is shorter.
///
/// # Errors
/// When the length that was asked for is longer than the model's context: positions that the model was not trained on give
/// losses that mean nothing.
pub fn window_length(asked: Option<usize>, checkpoint: &Checkpoint) -> Result<usize, ModelError> {
    length_within(asked, checkpoint.config().positions)
}

/// Returns what [`window_length`] does for a model whose context is `longest`.
///
/// # Errors
/// As [`window_length`].
pub fn length_within(asked: Option<usize>, longest: usize) -> Result<usize, ModelError> {
    match asked {
        None => Ok(WINDOW_LENGTH.min(longest)),
        Some(length) if length > longest => Err(ModelError::Length { length, longest }),
        Some(length) => Ok(length),
    }
}

/// What a command was told to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Text files, tokenised with the model's tokenizer.
    Text(Vec<PathBuf>),
    /// Ready token ids, which are taken as they are: their windows have the length they have.
    Tokens(TokenFile),
}

impl Source {
    /// Returns windows to calibrate on: `samples` drawn from a text, or the first `samples` of ready ids, which have a length of
    /// their own.
    ///
    /// # Errors
    /// As [`window_length`], [`Tokens::draw`] and [`Tokens::read_from`].
    pub fn draw(
        &self,
        checkpoint: &Checkpoint,
        samples: usize,
        length: Option<usize>,
        seed: u64,
    ) -> Result<Tokens, TextError> {
        match self {
            Self::Text(paths) => {
                let length = window_length(length, checkpoint)?;
                let tokenizer = Tokenizer::open(checkpoint)?;
                Tokens::draw(&Text::read(paths)?, &tokenizer, samples, length, seed)
            }
            Self::Tokens(ids) => Ok(ready(ids, checkpoint)?.first(samples)),
        }
    }

    /// Returns windows to measure with: a text's, one after the other, or ready ids, which have a length of their own; at most
    /// `limit` of them.
    ///
    /// # Errors
    /// As [`window_length`], [`Tokens::windows`] and [`Tokens::read_from`].
    pub fn windows(
        &self,
        checkpoint: &Checkpoint,
        length: Option<usize>,
        limit: Option<usize>,
    ) -> Result<Tokens, TextError> {
        match self {
            Self::Text(paths) => {
                let length = window_length(length, checkpoint)?;
                let tokenizer = Tokenizer::open(checkpoint)?;
                Tokens::windows(&Text::read(paths)?, &tokenizer, length, limit)
            }
            Self::Tokens(ids) => {
                let tokens = ready(ids, checkpoint)?;
                Ok(limit.map_or_else(|| tokens.clone(), |limit| tokens.first(limit)))
            }
        }
    }
}

/// Reads ready ids whose windows fit the model's context.
fn ready(ids: &TokenFile, checkpoint: &Checkpoint) -> Result<Tokens, TextError> {
    let tokens = Tokens::read_from(ids, checkpoint)?;
    window_length(Some(tokens.length()), checkpoint)?;
    Ok(tokens)
}
