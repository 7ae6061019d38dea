//! Encodes texts as tokens, as lm-evaluation-harness does.

use super::error::DocumentProblem;
use super::template::is_space;
use crate::model::{ModelError, Tokenizer};

/// The rules that prompts follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Those of the current lm-evaluation-harness: the tokenizer decides how a prompt begins.
    #[default]
    Harness,
    /// Those of its version 0.3, which Wanda and most papers up to 2025 used: a prompt never begins with a
    /// special token.
    Wanda,
}

impl Protocol {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Harness => "harness",
            Self::Wanda => "wanda",
        }
    }
}

/// A model's tokenizer used with a protocol.
#[derive(Clone, Debug)]
pub struct Encoder {
    tokenizer: Tokenizer,
    protocol: Protocol,
    /// The id that begins a text, and its text.
    beginning: Option<(u32, String)>,
}

/// The tokens of a context and its continuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The context's tokens.
    pub context: Vec<u32>,
    /// The continuation's tokens.
    pub continuation: Vec<u32>,
}

/// Why a pair cannot be encoded.
#[derive(Debug)]
pub enum EncodeError {
    /// A problem of the document.
    Document(DocumentProblem),
    /// A problem of the tokenizer.
    Model(ModelError),
}

impl From<ModelError> for EncodeError {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl Encoder {
    /// Wraps a tokenizer.
    ///
    /// # Errors
    /// When it cannot decode its first token.
    pub fn new(tokenizer: Tokenizer, protocol: Protocol) -> Result<Self, ModelError> {
        let beginning = match tokenizer.beginning() {
            Some(id) => Some((id, tokenizer.decode(&[id], true)?)),
            None => None,
        };
        Ok(Self { tokenizer, protocol, beginning })
    }

    /// Returns the tokenizer.
    pub const fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Returns the tokens of a prompt.
    ///
    /// # Errors
    /// When the tokenizer cannot encode it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        // A text that already contains its first token does not get a second one.
        let brings = |(_, written): &(u32, String)| !written.is_empty() && text.starts_with(written.as_str());
        let special = self.protocol == Protocol::Harness && !self.beginning.as_ref().is_some_and(brings);
        self.tokenizer.encode_with(text, special)
    }

    /// Returns the tokens of a context and its continuation, which are tokenised as one text.
    ///
    /// White space at the end of the context counts to the continuation. The number of the context's tokens
    /// determines the boundary.
    ///
    /// # Errors
    /// When the continuation has no tokens, or the context has none and the tokenizer defines no first token.
    pub fn pair(&self, context: &str, continuation: &str) -> Result<Pair, EncodeError> {
        let empty = || EncodeError::Document(DocumentProblem::EmptyContinuation(continuation.to_owned()));
        if context.is_empty() {
            let Some((first, _)) = &self.beginning else {
                return Err(EncodeError::Document(DocumentProblem::EmptyContext));
            };
            let mut ids = self.tokenizer.encode_with(continuation, false)?;
            if ids.first() == Some(first) {
                ids.remove(0);
            }
            if ids.is_empty() {
                return Err(empty());
            }
            return Ok(Pair { context: vec![*first], continuation: ids });
        }
        let bare = context.trim_end_matches(is_space);
        let whole = self.encode(&format!("{context}{continuation}"))?;
        let context = self.encode(bare)?;
        if context.is_empty() {
            return Err(EncodeError::Document(DocumentProblem::EmptyContext));
        }
        match whole.get(context.len()..) {
            None | Some([]) => Err(empty()),
            Some(rest) => Ok(Pair { continuation: rest.to_vec(), context }),
        }
    }
}
