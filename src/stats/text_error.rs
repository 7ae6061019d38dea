//! Errors of texts and token files.

use std::path::PathBuf;

use thiserror::Error;

use crate::model::ModelError;

/// Why a text or a token file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TextError {
    /// The file cannot be read, or does not fit the tokenizer or the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The file is not UTF-8.
    #[error("{} is not UTF-8 text: byte {at} does not belong to a valid character", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Position of the first invalid byte.
        at: usize,
    },
    /// The file holds zero bytes.
    #[error("{} holds a zero byte at {at}, which text never does; it may be UTF-16 without a byte order mark, or a binary file", path.display())]
    Zero {
        /// The file.
        path: PathBuf,
        /// Position of the first zero byte.
        at: usize,
    },
    /// The file is not a readable text.
    #[error("{} is {what}, not a text in UTF-8, or in UTF-16 with a byte order mark", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A compressed file cannot be decompressed.
    #[error("{} cannot be decompressed: {problem}", path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A line of a JSON lines file is not an object with a `text` field.
    #[error("{}:{line}: {problem}; every line must be an object with a `text` field", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The problem.
        problem: String,
    },
    /// The file holds nothing but white space.
    #[error("{} holds no text", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The text has fewer tokens than one window.
    #[error("{} gives {tokens} tokens, fewer than one window of {length}", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// Number of tokens in the text.
        tokens: usize,
        /// Number of tokens in a window.
        length: usize,
    },
    /// A number of tokens or samples cannot be used.
    #[error("a {what} of {value} makes no sense; it must be at least {least}")]
    Count {
        /// The quantity.
        what: &'static str,
        /// The requested value.
        value: usize,
        /// The smallest valid value.
        least: usize,
    },
    /// A tensor does not hold token ids.
    #[error("{}: `{tensor}` is {found}; token ids are whole numbers of shape [samples, length]", path.display())]
    Ids {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type and shape.
        found: String,
    },
    /// A tensor holds a number that is not a token of the model.
    #[error("{}: `{tensor}` holds {id} at {index}, but the model has {vocabulary} tokens; the ids were made with another tokenizer", path.display())]
    Id {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The number.
        id: i64,
        /// Its position, row-major.
        index: usize,
        /// Vocabulary size of the model.
        vocabulary: usize,
    },
}
