//! `tokenizer.json`, checked against the model's vocabulary.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::error::{ModelError, TokenizerProblem};

/// A model's tokenizer, as transformers runs it.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    path: PathBuf,
    vocabulary: usize,
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    /// Opens the `tokenizer.json` of a checkpoint's folder.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or it has ids that the model's embedding does not.
    pub fn open(checkpoint: &Checkpoint) -> Result<Self, ModelError> {
        let path = checkpoint.folder().join("tokenizer.json");
        let wrong = |problem| ModelError::Tokenizer { path: path.clone(), problem };
        if !path.is_file() {
            return Err(wrong(TokenizerProblem::Missing));
        }
        let mut inner = tokenizers::Tokenizer::from_file(&path)
            .map_err(|error| wrong(TokenizerProblem::Unreadable(error.to_string())))?;
        // Some files carry the settings of their last training run; a long text must come back whole.
        inner
            .with_truncation(None)
            .map_err(|error| wrong(TokenizerProblem::Unreadable(error.to_string())))?;
        inner.with_padding(None);
        // Added tokens may lie beyond: some fine-tuned models add a padding token that no text contains.
        let largest = inner.get_vocab(false).into_values().max().unwrap_or(0);
        let vocabulary = checkpoint.config().vocabulary;
        if largest as usize >= vocabulary {
            return Err(wrong(TokenizerProblem::Ids { largest, vocabulary }));
        }
        Ok(Self { path, vocabulary, inner })
    }

    /// Returns the ids of a text, with the special tokens that the model expects around it.
    ///
    /// # Errors
    /// When the tokenizer has no way to write the text, or writes it with tokens that the model does not have.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let wrong = |problem| ModelError::Tokenizer { path: self.path.clone(), problem };
        let encoding = self
            .inner
            .encode_fast(text, true)
            .map_err(|error| wrong(TokenizerProblem::Text(error.to_string())))?;
        let ids = encoding.get_ids();
        match ids.iter().find(|id| **id as usize >= self.vocabulary) {
            None => Ok(ids.to_vec()),
            Some(&id) => Err(wrong(TokenizerProblem::Id { id, vocabulary: self.vocabulary })),
        }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
