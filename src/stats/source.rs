//! Sources of tokens: `--text FILE ...`, or `--tokens FILE.safetensors:NAME`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::text::Text;
use super::text_error::TextError;
use super::tokens::{TokenFile, Tokens};
use crate::model::{Checkpoint, ModelError, Tokenizer};

/// The default length of a window in tokens, unless the model's context is shorter: the usual choice in the
/// literature.
pub const WINDOW_LENGTH: usize = 2048;

/// Returns the length of a text's windows in tokens: the requested length, or else [`WINDOW_LENGTH`], or the
/// model's context if that is shorter.
///
/// # Errors
/// When the requested length exceeds the model's context: at positions that the model was not trained on,
/// losses mean nothing.
pub fn window_length(asked: Option<usize>, checkpoint: &Checkpoint) -> Result<usize, ModelError> {
    length_within(asked, checkpoint.config().positions)
}

/// Returns the same as [`window_length`] for a model with context `longest`.
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

/// The input that a command was told to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Text files, tokenised with the model's tokenizer.
    Text(Vec<PathBuf>),
    /// Ready token ids, used as they are: their windows keep their length.
    Tokens(TokenFile),
}

impl Source {
    /// Returns windows to calibrate on: `samples` drawn from a text, or the first `samples` of ready ids,
    /// which have their own length.
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

    /// Returns windows to measure with, at most `limit` of them: consecutive windows of a text, or ready ids,
    /// which have their own length.
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

/// Reads ready ids and checks that their windows fit the model's context.
fn ready(ids: &TokenFile, checkpoint: &Checkpoint) -> Result<Tokens, TextError> {
    let tokens = Tokens::read_from(ids, checkpoint)?;
    window_length(Some(tokens.length()), checkpoint)?;
    Ok(tokens)
}
