//! Where tokens come from: `--text FILE ...`, or `--tokens FILE.safetensors:NAME`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::text::{Text, TextError};
use super::tokens::Tokens;
use crate::model::{Checkpoint, Tokenizer};

/// What a command was told to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Text files, tokenised with the model's tokenizer.
    Text(Vec<PathBuf>),
    /// Ready token ids, `FILE.safetensors:NAME`, which are taken as they are: their windows have the length they have.
    Tokens(String),
}

impl Source {
    /// Returns windows to calibrate on: `samples` drawn from a text, or the first `samples` of ready ids.
    ///
    /// # Errors
    /// As [`Tokens::draw`] and [`Tokens::read`].
    pub fn draw(
        &self,
        checkpoint: &Checkpoint,
        samples: usize,
        length: usize,
        seed: u64,
    ) -> Result<Tokens, TextError> {
        match self {
            Self::Text(paths) => {
                let tokenizer = Tokenizer::open(checkpoint)?;
                Tokens::draw(&Text::read(paths)?, &tokenizer, samples, length, seed)
            }
            Self::Tokens(argument) => Ok(Tokens::read(argument, checkpoint)?.first(samples)),
        }
    }

    /// Returns windows to measure with: a text's, one after the other, or ready ids; at most `limit` of them.
    ///
    /// # Errors
    /// As [`Tokens::windows`] and [`Tokens::read`].
    pub fn windows(
        &self,
        checkpoint: &Checkpoint,
        length: usize,
        limit: Option<usize>,
    ) -> Result<Tokens, TextError> {
        match self {
            Self::Text(paths) => {
                let tokenizer = Tokenizer::open(checkpoint)?;
                Tokens::windows(&Text::read(paths)?, &tokenizer, length, limit)
            }
            Self::Tokens(argument) => {
                let tokens = Tokens::read(argument, checkpoint)?;
                Ok(limit.map_or_else(|| tokens.clone(), |limit| tokens.first(limit)))
            }
        }
    }
}
