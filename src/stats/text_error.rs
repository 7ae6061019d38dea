//! Why a text cannot be used.

use std::path::PathBuf;

use thiserror::Error;

use crate::model::ModelError;

/// Says why a text or a token file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TextError {
    /// The file cannot be read, or the tokenizer or model does not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The file is not UTF-8.
    #[error("{} is not UTF-8 text: byte {at} fits no character", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Where the first wrong byte is.
        at: usize,
    },
    /// The file holds zero bytes.
    #[error("{} holds a zero byte at {at}, as no text does; it may be UTF-16 without a byte order mark, or no text", path.display())]
    Zero {
        /// The file.
        path: PathBuf,
        /// Where the first zero byte is.
        at: usize,
    },
    /// The file is no text that can be read.
    #[error("{} is {what}, and not a text in UTF-8, or in UTF-16 with a byte order mark", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A packed file cannot be unpacked.
    #[error("{} cannot be unpacked: {problem}", path.display())]
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
    /// There is nothing but white space.
    #[error("{} holds no text", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// There are fewer tokens than one window has.
    #[error("{} gives {tokens} tokens, fewer than one window of {length}", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// How many tokens the text has.
        tokens: usize,
        /// How many one window has.
        length: usize,
    },
    /// A number of tokens or samples cannot be used.
    #[error("a {what} of {value} makes no sense; it must be at least {least}")]
    Count {
        /// What it counts.
        what: &'static str,
        /// What was asked for.
        value: usize,
        /// The least that can be used.
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
    /// A tensor holds a number that is no token of the model.
    #[error("{}: `{tensor}` holds {id} at {index}, and the model has {vocabulary} tokens; the ids were made with another tokenizer", path.display())]
    Id {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The number.
        id: i64,
        /// Its position, row-major.
        index: usize,
        /// How many tokens the model has.
        vocabulary: usize,
    },
}
