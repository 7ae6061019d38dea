//! `tokenizer.json`, checked against the model's vocabulary, and the special tokens that it adds to a text.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::error::{ModelError, TokenizerProblem};
use super::merges::{MERGES, VOCABULARY, tokenizer};
use super::tokenizer_keys::{CONFIGURATION, TokenizerKeys};

/// The file that defines how texts become tokens.
const FILE: &str = "tokenizer.json";

/// A model's tokenizer, as transformers runs it.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    path: PathBuf,
    vocabulary: usize,
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    /// The tokens that begin and end a text, according to the files beside the tokenizer.
    marks: Marks,
}

/// The ids that begin and end a text, if a folder names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Marks {
    beginning: Option<u32>,
    ends: Vec<u32>,
}

/// The special tokens that a tokenizer adds around each text.
///
/// The post-processor of `tokenizer.json` decides, as in transformers 5. In transformers 4 the tokenizers of
/// LLaMA and Gemma obey `add_bos_token` of `tokenizer_config.json` instead, so both are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpecialTokens {
    /// The ids before the text.
    pub before: Vec<u32>,
    /// The same ids as text.
    pub before_text: Vec<String>,
    /// The ids after the text.
    pub after: Vec<u32>,
    /// The file that decides.
    pub decided_by: &'static str,
    /// The value of `add_bos_token` in `tokenizer_config.json`, if present.
    pub add_bos_token: Option<bool>,
}

impl fmt::Display for SpecialTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.before.is_empty() {
            true => f.write_str("begin with no special token")?,
            false => {
                let ids: Vec<String> = self.before.iter().map(u32::to_string).collect();
                write!(f, "begin with {} ({})", self.before_text.join(" "), ids.join(", "))?;
            }
        }
        if !self.after.is_empty() {
            write!(f, ", special tokens at the end: {}", self.after.len())?;
        }
        write!(f, ", by {}", self.decided_by)?;
        match self.add_bos_token {
            None => Ok(()),
            Some(said) => write!(f, "; tokenizer_config.json says add_bos_token: {said}"),
        }
    }
}

impl SpecialTokens {
    /// Returns the value in `tokenizer_config.json` if the tokenizer behaves otherwise.
    pub fn contradiction(&self) -> Option<bool> {
        self.add_bos_token.filter(|said| *said == self.before.is_empty())
    }
}

impl Tokenizer {
    /// Opens the `tokenizer.json` of a checkpoint's folder, or OPT's `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// When there are none, they cannot be read, or they have ids that the model's embedding lacks.
    pub fn open(checkpoint: &Checkpoint) -> Result<Self, ModelError> {
        Self::of_folder(checkpoint.folder(), checkpoint.config())
    }

    /// Opens the tokenizer of a folder, which need not contain weights.
    ///
    /// # Errors
    /// As [`Tokenizer::open`].
    pub fn of_folder(folder: &Path, config: &Config) -> Result<Self, ModelError> {
        let path = folder.join(FILE);
        let wrong = |problem| ModelError::Tokenizer { path: path.clone(), problem };
        let unreadable = |error: tokenizers::Error| wrong(TokenizerProblem::Unreadable(error.to_string()));
        let broken = |(path, text): (PathBuf, String)| ModelError::Tokenizer {
            path,
            problem: TokenizerProblem::Unreadable(text),
        };
        let keys = TokenizerKeys::read(folder).map_err(broken)?;
        let two_files = folder.join(VOCABULARY).is_file() && folder.join(MERGES).is_file();
        let (mut inner, decided_by) = if path.is_file() {
            (tokenizers::Tokenizer::from_file(&path).map_err(unreadable)?, FILE)
        } else if two_files && config.architecture.model_type == "opt" {
            let made = tokenizer(folder, &keys).map_err(broken)?;
            (tokenizers::Tokenizer::from_bytes(made.to_string()).map_err(unreadable)?, CONFIGURATION)
        } else {
            let other = [VOCABULARY, "tokenizer.model", "tekken.json", "spiece.model"];
            let other = other.into_iter().find(|name| folder.join(name).is_file());
            return Err(wrong(other.map_or(TokenizerProblem::Missing, TokenizerProblem::OtherForm)));
        };
        // Some files carry the settings of their last training run; a long text must not be truncated.
        inner.with_truncation(None).map_err(unreadable)?;
        inner.with_padding(None);
        // Added tokens may lie beyond: some fine-tuned models add a padding token that no text contains.
        let largest = inner.get_vocab(false).into_values().max().unwrap_or(0);
        let vocabulary = config.vocabulary;
        if largest as usize >= vocabulary {
            return Err(wrong(TokenizerProblem::Ids { largest, vocabulary }));
        }
        let special = around_text(&inner, decided_by, keys.flag("add_bos_token")).map_err(unreadable)?;
        let marks = marks(folder, &keys, &inner);
        Ok(Self { path, vocabulary, inner, special, marks })
    }

    /// Returns the special tokens that it adds around each text.
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.special
    }

    /// Returns the ids of a text, with the special tokens that the model expects around it.
    ///
    /// # Errors
    /// When the tokenizer cannot encode the text, or encodes it with tokens that the model does not have.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.encode_with(text, true)
    }

    /// Returns the ids of a text, with or without the special tokens around it.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with(&self, text: &str, special: bool) -> Result<Vec<u32>, ModelError> {
        let wrong = |problem| ModelError::Tokenizer { path: self.path.clone(), problem };
        let encoding = self
            .inner
            .encode_fast(text, special)
            .map_err(|error| wrong(TokenizerProblem::Text(error.to_string())))?;
        let ids = encoding.get_ids();
        match ids.iter().find(|id| **id as usize >= self.vocabulary) {
            None => Ok(ids.to_vec()),
            Some(&id) => Err(wrong(TokenizerProblem::Id { id, vocabulary: self.vocabulary })),
        }
    }

    /// Refuses a tokenizer that uses an id for a different token. Ids that only one of the two has are
    /// accepted: fine-tuned models often have an additional token.
    ///
    /// # Errors
    /// With the first id that differs.
    pub fn check_same_tokens(&self, other: &Self) -> Result<(), ModelError> {
        for id in 0..self.vocabulary as u32 {
            if let (Some(dense), Some(other)) = (self.inner.id_to_token(id), other.inner.id_to_token(id))
                && dense != other
            {
                return Err(ModelError::OtherToken { id, dense, other });
            }
        }
        Ok(())
    }

    /// Returns the text of ids, with or without the special tokens among them.
    ///
    /// # Errors
    /// When the tokenizer cannot decode.
    pub fn decode(&self, ids: &[u32], special: bool) -> Result<String, ModelError> {
        self.inner.decode(ids, !special).map_err(|error| ModelError::Tokenizer {
            path: self.path.clone(),
            problem: TokenizerProblem::Text(error.to_string()),
        })
    }

    /// Returns the id that begins a text, if the folder names one; else the id that ends a text, as is common
    /// practice.
    pub fn beginning(&self) -> Option<u32> {
        self.marks.beginning
    }

    /// Returns the ids that end a text, as named by the folder.
    pub fn ends(&self) -> &[u32] {
        &self.marks.ends
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Finds the tokens that begin and end a text: by name in the tokenizer's files, else by id in the model's.
fn marks(folder: &Path, keys: &TokenizerKeys, inner: &tokenizers::Tokenizer) -> Marks {
    let object = |name: &str| -> Map<String, Value> {
        let text = fs::read(folder.join(name)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    };
    let (written, config) = (object("generation_config.json"), object("config.json"));
    let named = |key: &str| inner.token_to_id(keys.role(key)?);
    let numbered = |key: &str| -> Vec<u32> {
        let value = written.get(key).or_else(|| config.get(key));
        let numbers = match value {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_u64).collect(),
            Some(other) => other.as_u64().into_iter().collect(),
            None => Vec::new(),
        };
        numbers.into_iter().filter_map(|number| u32::try_from(number).ok()).collect()
    };
    let mut ends = numbered("eos_token_id");
    ends.extend(named("eos_token"));
    ends.sort_unstable();
    ends.dedup();
    let first = named("bos_token").or_else(|| numbered("bos_token_id").first().copied());
    let last = named("eos_token").or_else(|| ends.first().copied());
    Marks { beginning: first.or(last), ends }
}

/// Finds the special tokens that a tokenizer adds around a text, by encoding one with and without them.
fn around_text(
    inner: &tokenizers::Tokenizer,
    decided_by: &'static str,
    add_bos_token: Option<bool>,
) -> tokenizers::Result<SpecialTokens> {
    let (bare, whole) = (inner.encode_fast("a", false)?, inner.encode_fast("a", true)?);
    let (bare, whole) = (bare.get_ids(), whole.get_ids());
    let at = whole.windows(bare.len().max(1)).position(|ids| ids == bare).unwrap_or(0);
    let before = whole[..at].to_vec();
    Ok(SpecialTokens {
        before_text: before.iter().map(|id| inner.id_to_token(*id).unwrap_or_default()).collect(),
        before,
        after: whole[(at + bare.len()).min(whole.len())..].to_vec(),
        decided_by,
        add_bos_token,
    })
}
