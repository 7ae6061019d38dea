//! Token ids in windows of equal length, which a model reads.

use std::fmt;
use std::path::{Path, PathBuf};

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;
use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::overlap::{TextLines, TextOrigin};
use super::text::Text;
use super::text_error::TextError;
use crate::model::{Checkpoint, ModelError, SpecialTokens, TensorFiles, Tokenizer, hexadecimal};

/// The location of ready token ids: a file of tensors, and the tensor in it; serialised as `FILE:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", from = "String")]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub struct TokenFile {
    /// The file.
    pub file: PathBuf,
    /// The tensor; `input_ids` if none is named.
    pub tensor: Option<String>,
}

impl fmt::Display for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tensor {
            Some(tensor) => write!(f, "{}:{tensor}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

impl From<&str> for TokenFile {
    fn from(argument: &str) -> Self {
        match argument.rsplit_once(':') {
            Some((file, tensor)) if !tensor.contains(['/', '\\']) => {
                Self { file: file.into(), tensor: Some(tensor.to_owned()) }
            }
            _ => Self { file: argument.into(), tensor: None },
        }
    }
}

impl From<String> for TokenFile {
    fn from(argument: String) -> Self {
        argument.as_str().into()
    }
}

impl From<TokenFile> for String {
    fn from(ids: TokenFile) -> Self {
        ids.to_string()
    }
}

/// Consecutive windows of token ids, `[samples, length]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    ids: Vec<u32>,
    length: usize,
    hash: String,
    special: Option<SpecialTokens>,
    /// The lines of the text; none for ready ids.
    lines: TextLines,
    /// Whether a tokenizer produced them.
    from_text: bool,
}

impl Tokens {
    /// Wraps ready ids: consecutive samples of `length` tokens.
    ///
    /// # Errors
    /// When the length is 0, there is no sample, or the last one is incomplete.
    pub fn new(ids: Vec<u32>, length: usize) -> Result<Self, TextError> {
        if length == 0 || ids.is_empty() || !ids.len().is_multiple_of(length) {
            return Err(TextError::Short { path: PathBuf::from("(ready ids)"), tokens: ids.len(), length });
        }
        Ok(Self {
            hash: hash_of(&ids),
            ids,
            length,
            from_text: false,
            special: None,
            lines: TextLines::default(),
        })
    }

    /// Reads ready ids given as in a command, `FILE.safetensors:NAME`.
    ///
    /// # Errors
    /// As [`Tokens::read_from`].
    pub fn read(argument: &str, checkpoint: &Checkpoint) -> Result<Self, TextError> {
        Self::read_from(&argument.into(), checkpoint)
    }

    /// Reads ready ids, integers of shape `[samples, length]`.
    ///
    /// # Errors
    /// When the file cannot be read, the tensor is missing or of another kind, or an id is not in the
    /// vocabulary.
    pub fn read_from(ids: &TokenFile, checkpoint: &Checkpoint) -> Result<Self, TextError> {
        let path = ids.file.as_path();
        let name = ids.tensor.as_deref().unwrap_or("input_ids");
        let files = TensorFiles::open_file(path)?;
        let tensor = files.tensor(name)?;
        let wide = match tensor.dtype {
            Dtype::I64 => numbers(tensor.bytes, i64::from_le_bytes),
            Dtype::I32 => numbers(tensor.bytes, |it| i32::from_le_bytes(it).into()),
            Dtype::U32 => numbers(tensor.bytes, |it| u32::from_le_bytes(it).into()),
            Dtype::U16 => numbers(tensor.bytes, |it| u16::from_le_bytes(it).into()),
            _ => Vec::new(),
        };
        let &[_, length] = tensor.shape else {
            return Err(not_ids(path, name, &tensor));
        };
        if wide.is_empty() {
            return Err(not_ids(path, name, &tensor));
        }
        let vocabulary = checkpoint.config().vocabulary;
        let known = |id: &i64| usize::try_from(*id).is_ok_and(|id| id < vocabulary);
        if let Some(index) = wide.iter().position(|id| !known(id)) {
            return Err(TextError::Id {
                path: path.to_owned(),
                tensor: name.to_owned(),
                id: wide[index],
                index,
                vocabulary,
            });
        }
        Self::new(wide.into_iter().map(|id| id as u32).collect(), length)
    }

    /// Cuts a text into non-overlapping windows, as for published perplexities: documents are tokenised one
    /// by one, each with its special tokens, and concatenated; the incomplete rest at the end is dropped.
    ///
    /// With a limit, only as much of a long document is tokenised as the windows can need: tokenising takes
    /// more than a hundred bytes of memory for each byte of text.
    ///
    /// # Errors
    /// When the text is shorter than one window, or cannot be tokenised.
    pub fn windows(
        text: &Text,
        tokenizer: &Tokenizer,
        length: usize,
        limit: Option<usize>,
    ) -> Result<Self, TextError> {
        at_least("length", length, 2)?;
        let enough = limit.map(|limit| limit.saturating_mul(length));
        let mut ids = Vec::new();
        // Documents are processed in groups, so that a limit stops early and the cores still share the work.
        for group in text.documents.chunks(64) {
            let encoded: Vec<Vec<u32>> = group
                .par_iter()
                .map(|document| encode_start(tokenizer, document, enough))
                .collect::<Result<_, ModelError>>()?;
            ids.extend(encoded.into_iter().flatten());
            if enough.is_some_and(|enough| ids.len() >= enough) {
                break;
            }
        }
        if ids.len() < length {
            return Err(short(text, ids.len(), length));
        }
        ids.truncate(enough.unwrap_or(usize::MAX));
        ids.truncate(ids.len() / length * length);
        Ok(Self::new(ids, length)?.with_source(text, tokenizer))
    }

    /// Draws calibration windows: visits documents in random order, and takes one window at a random position
    /// from each that is longer than a window. If there are too few such documents, the text is joined, and
    /// windows are drawn anywhere in it.
    ///
    /// # Errors
    /// When the text is shorter than one window, or cannot be tokenised.
    pub fn draw(
        text: &Text,
        tokenizer: &Tokenizer,
        samples: usize,
        length: usize,
        seed: u64,
    ) -> Result<Self, TextError> {
        at_least("length", length, 1)?;
        at_least("number of samples", samples, 1)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut order: Vec<usize> = (0..text.documents.len()).collect();
        order.shuffle(&mut random);
        let mut encoded = vec![Vec::new(); order.len()];
        let mut ids = Vec::new();
        for &document in &order {
            encoded[document] = tokenizer.encode(&text.documents[document])?;
            let tokens = &encoded[document];
            if tokens.len() > length {
                ids.extend_from_slice(window(tokens, length, &mut random));
            }
            if ids.len() == samples * length {
                return Ok(Self::new(ids, length)?.with_source(text, tokenizer));
            }
        }
        let joined: Vec<u32> = encoded.into_iter().flatten().collect();
        if joined.len() < length {
            return Err(short(text, joined.len(), length));
        }
        let ids = (0..samples).flat_map(|_| window(&joined, length, &mut random).iter().copied()).collect();
        Ok(Self::new(ids, length)?.with_source(text, tokenizer))
    }

    /// Returns the number of windows.
    pub fn samples(&self) -> usize {
        self.ids.len() / self.length
    }

    /// Returns the number of tokens in a window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Returns all ids, window by window.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Returns the concatenated ids of windows `range`.
    ///
    /// # Panics
    /// When the range exceeds the windows, as in slicing.
    pub fn part(&self, range: std::ops::Range<usize>) -> &[u32] {
        &self.ids[range.start * self.length..range.end * self.length]
    }

    /// Returns the first `samples` windows, or all if there are fewer.
    pub fn first(&self, samples: usize) -> Self {
        let count = samples.clamp(1, self.samples());
        Self {
            ids: self.part(0..count).to_vec(),
            hash: self.hash.clone(),
            special: self.special.clone(),
            lines: self.lines.clone(),
            ..*self
        }
    }

    /// Returns SHA-256 of the source: of the text's files, or of ready ids.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the special tokens that the tokenizer added to each document; `None` for ready ids.
    pub fn special_tokens(&self) -> Option<&SpecialTokens> {
        self.special.as_ref()
    }

    /// Returns SHA-256 of the ids themselves.
    pub fn ids_hash(&self) -> String {
        hash_of(&self.ids)
    }

    /// Returns the source of the ids.
    pub fn origin(&self) -> TextOrigin {
        TextOrigin { hash: self.hash.clone(), lines: self.lines.clone() }
    }

    /// Returns whether a tokenizer produced the ids from a text.
    pub fn from_text(&self) -> bool {
        self.from_text
    }

    fn with_source(mut self, text: &Text, tokenizer: &Tokenizer) -> Self {
        self.hash.clone_from(&text.hash);
        self.special = Some(tokenizer.special_tokens().clone());
        self.lines = text.lines.clone();
        self.from_text = true;
        self
    }
}

/// Number of tokens computed beyond those used from a document's start: the position of the cut affects only
/// the last ones.
const MARGIN: usize = 256;

/// Returns at least the first `enough` tokens of a document, or all of them.
fn encode_start(
    tokenizer: &Tokenizer,
    document: &str,
    enough: Option<usize>,
) -> Result<Vec<u32>, ModelError> {
    let Some(enough) = enough else { return tokenizer.encode(document) };
    // Most texts have three or four bytes for each token.
    let mut bytes = enough.saturating_add(MARGIN).saturating_mul(6);
    while bytes < document.len() {
        let cut = (0..=bytes).rev().find(|at| document.is_char_boundary(*at)).unwrap_or(0);
        // A cut after white space does not split a word.
        let cut = document[..cut].rfind(char::is_whitespace).unwrap_or(cut);
        let mut ids = tokenizer.encode(&document[..cut])?;
        if ids.len() >= enough.saturating_add(MARGIN) {
            ids.truncate(enough);
            return Ok(ids);
        }
        bytes = bytes.saturating_mul(2);
    }
    tokenizer.encode(document)
}

fn hash_of(ids: &[u32]) -> String {
    let mut hash = Sha256::new();
    ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
    hexadecimal(&hash.finalize())
}

fn window<'a>(tokens: &'a [u32], length: usize, random: &mut ChaCha8Rng) -> &'a [u32] {
    // Drawn as u64, so that all platforms draw the same positions.
    let start = random.random_range(0..=(tokens.len() - length) as u64) as usize;
    &tokens[start..start + length]
}

fn numbers<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i64) -> Vec<i64> {
    let (whole, _) = bytes.as_chunks::<N>();
    whole.iter().map(|it| read(*it)).collect()
}

fn at_least(what: &'static str, value: usize, least: usize) -> Result<(), TextError> {
    if value < least {
        return Err(TextError::Count { what, value, least });
    }
    Ok(())
}

fn short(text: &Text, tokens: usize, length: usize) -> TextError {
    TextError::Short { path: text.path(), tokens, length }
}

fn not_ids(path: &Path, name: &str, tensor: &crate::model::StoredTensor<'_>) -> TextError {
    TextError::Ids {
        path: path.to_owned(),
        tensor: name.to_owned(),
        found: format!("{:?} of shape {:?}", tensor.dtype, tensor.shape),
    }
}
