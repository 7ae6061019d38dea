//! From texts to tokens, as lm-evaluation-harness makes them.

use super::error::DocumentProblem;
use super::template::is_space;
use crate::model::{ModelError, Tokenizer};

/// Whose rules prompts follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Those of today's lm-evaluation-harness: a prompt begins as the tokenizer says.
    #[default]
    Harness,
    /// Those of its version 0.3, by which Wanda and most papers up to 2025 report: a prompt never begins with a token of its own.
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

/// A model's tokenizer under a protocol.
#[derive(Clone, Debug)]
pub struct Encoder {
    tokenizer: Tokenizer,
    protocol: Protocol,
    /// The id with which a text begins, and how it is written.
    beginning: Option<(u32, String)>,
}

/// The tokens of a context and its continuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Those of the context.
    pub context: Vec<u32>,
    /// Those of the continuation.
    pub continuation: Vec<u32>,
}

/// Why a pair has no tokens.
#[derive(Debug)]
pub enum EncodeError {
    /// What the document is to blame for.
    Document(DocumentProblem),
    /// What the tokenizer is.
    Model(ModelError),
}

impl From<ModelError> for EncodeError {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl Encoder {
    /// Takes a tokenizer.
    ///
    /// # Errors
    /// When it cannot write its first token.
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
    /// When the tokenizer has no way to write it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        // A text that brings its first token gets no second one.
        let brings = |(_, written): &(u32, String)| !written.is_empty() && text.starts_with(written.as_str());
        let special = self.protocol == Protocol::Harness && !self.beginning.as_ref().is_some_and(brings);
        self.tokenizer.encode_with(text, special)
    }

    /// Returns the tokens of a context and its continuation, which are tokenised as one text.
    ///
    /// White space at the context's end goes to the continuation first. The border is found by the number of the context's tokens.
    ///
    /// # Errors
    /// When the continuation has no tokens, or the context has none and the tokenizer names no first token.
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
