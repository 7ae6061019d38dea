//! Errors of model folders.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::form::FolderForm;
use super::hub::DownloadProblem;
use super::out_of_memory::is_out_of_memory;
use super::quantised_form::QuantisedForm;
use crate::device::EngineError;

/// Why a model cannot be read or run, with the file or tensor concerned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Two models to be compared have vocabularies of different sizes.
    #[error(
        "the models have different vocabularies: {dense} and {other} tokens, so their predictions cannot be compared"
    )]
    OtherVocabulary {
        /// Vocabulary size of the dense model.
        dense: usize,
        /// Vocabulary size of the other model.
        other: usize,
    },
    /// Two models to be compared use an id for different tokens.
    #[error(
        "the models have different vocabularies: token {id} is `{dense}` in one and `{other}` in the other"
    )]
    OtherToken {
        /// The first id that differs.
        id: u32,
        /// Its token in the dense model.
        dense: String,
        /// Its token in the other model.
        other: String,
    },
    /// The model is neither a folder nor in the hub's local cache, and downloads are disabled.
    #[error("there is no folder {id}, and no model with that id in {}", cache.display())]
    NotCached {
        /// The model's id.
        id: String,
        /// The cache's folder.
        cache: PathBuf,
    },
    /// The model cannot be downloaded from the hub.
    #[error("there is no folder {id}, and the model with that id cannot be downloaded: {problem}")]
    Download {
        /// The model's id.
        id: String,
        /// The reason.
        problem: DownloadProblem,
    },
    /// The folder holds no `config.json`.
    #[error("{} is not a model folder: it holds no config.json", folder.display())]
    NoConfig {
        /// The folder.
        folder: PathBuf,
    },
    /// A value of `config.json` cannot be used.
    #[error("{}: `{key}` {problem}", path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// The key, or `$` for the whole file.
        key: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// No row of the architecture table fits.
    #[error("{}: architecture `{found}` is not supported; supported model types are {supported}", path.display())]
    Architecture {
        /// The configuration file.
        path: PathBuf,
        /// The model type that it names.
        found: String,
        /// The model types that are supported.
        supported: String,
    },
    /// `config.json` names a class that computes something other than its model type, or custom code for it.
    #[error("{}: `{key}` names the class {found}, which is not supported; model_type `{model_type}` stands for {class}", path.display())]
    Class {
        /// The configuration file.
        path: PathBuf,
        /// The key that names it.
        key: String,
        /// The class.
        found: String,
        /// The model type.
        model_type: &'static str,
        /// The class that is computed for the model type.
        class: &'static str,
    },
    /// The weights are quantised or compressed.
    #[error("{}: `{place}` says that the model is quantised ({form}); quantised weights are not supported", path.display())]
    Quantised {
        /// The file that says so.
        path: PathBuf,
        /// The key or the tensor in it.
        place: String,
        /// The kind of quantisation.
        form: QuantisedForm,
    },
    /// The folder holds a model in an unsupported form.
    #[error("{} holds {form}", folder.display())]
    Form {
        /// The folder.
        folder: PathBuf,
        /// What it holds.
        form: FolderForm,
    },
    /// The folder holds no safetensors.
    #[error("{} holds neither model.safetensors nor model.safetensors.index.json{}", folder.display(),
        form.as_ref().map_or(String::new(), |form| format!("; it holds {form}")))]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// What the folder holds instead, if recognised.
        form: Option<FolderForm>,
    },
    /// A safetensors file ends before its data do.
    #[error("{} is truncated: it needs {needed} bytes and has {found}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The bytes that its header promises.
        needed: u64,
        /// The bytes in the file.
        found: u64,
    },
    /// A safetensors file states a header that is longer than the file or than any real header.
    #[error("{} states a header of {header} bytes in a file of {file}; it is corrupt or not a safetensors file", path.display())]
    HeaderSize {
        /// The file.
        path: PathBuf,
        /// The stated header length in bytes.
        header: u64,
        /// The file's length in bytes.
        file: u64,
    },
    /// A safetensors header or a shard index violates the format.
    #[error("{} is corrupt: {problem}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The index names a shard that does not exist.
    #[error("{} names the shard {shard}, which is not in that folder", index.display())]
    MissingShard {
        /// The index file.
        index: PathBuf,
        /// The shard's file name.
        shard: String,
    },
    /// No file holds a tensor that the architecture needs.
    #[error("{} has no tensor `{tensor}`, which config.json requires; the weights and config.json belong to different models, or a file is incomplete", path.display())]
    MissingTensor {
        /// The file or folder that was searched.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// There is no output embedding, and the configuration does not tie it to the input embedding.
    #[error("{} has no output embedding `{tensor}`, and config.json does not set tie_word_embeddings to use the input embedding", path.display())]
    NoHead {
        /// The file or folder that was searched.
        path: PathBuf,
        /// The name that was expected.
        tensor: String,
    },
    /// Several groups of tensors could belong to the language model.
    #[error("{} holds several decoders, under `{first}` and `{second}`", path.display())]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// Name prefix of one group.
        first: String,
        /// Name prefix of another group.
        second: String,
    },
    /// A tensor's shape differs from the configuration's.
    #[error("{}: `{tensor}` has shape {found:?}, but config.json requires {expected:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shape that follows from the configuration.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor is stored in a type that is not a 16- or 32-bit float.
    #[error("{}: `{tensor}` is stored as {found}; weights must be F32, F16 or BF16", path.display())]
    DataType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The stored type.
        found: String,
    },
    /// A weight is NaN or infinite.
    #[error("{}: `{tensor}` holds {value} at {index:?}; the checkpoint is damaged", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The position of the first such value, one number for each dimension.
        index: Vec<usize>,
        /// The value.
        value: f32,
    },
    /// A model's logits are infinite or NaN.
    #[error("the model's logits are not finite, so it has no most likely token")]
    Destroyed,
    /// A model has no loss on a text, because its logits are infinite or NaN there.
    #[error(
        "the model's logits are not finite in window {window} of {windows}, so it has no {what} on this text"
    )]
    NoLoss {
        /// Name of the loss.
        what: &'static str,
        /// The first such window, counted from 1.
        window: usize,
        /// Number of windows.
        windows: usize,
    },
    /// A statistic that was collected is NaN or infinite.
    #[error("the {what} of {module} overflow: some are not finite, so they cannot be used")]
    Overflow {
        /// Name of the statistic.
        what: &'static str,
        /// The linear.
        module: String,
    },
    /// The eigenvalues of a weight's Gram matrix do not converge.
    #[error("{}: `{tensor}` has no spectrum: its eigenvalues do not converge", folder.display())]
    Spectrum {
        /// The model's folder.
        folder: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}{}", path.display(), left(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Hidden states do not fit in memory, and the scratch file for them cannot be used.
    #[error("activations do not fit in memory, and a scratch file for them in {} cannot be used: {source}", folder.display())]
    Scratch {
        /// The folder of the scratch file.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A token id lies outside the vocabulary.
    #[error(
        "token id {id} is outside the model's vocabulary of {vocabulary}; the tokens were made with another model's tokenizer"
    )]
    Token {
        /// The id.
        id: u32,
        /// The vocabulary's size.
        vocabulary: usize,
    },
    /// A sequence is longer than the model's context.
    #[error("a sequence of {length} tokens is longer than the model's context of {longest}")]
    Length {
        /// The sequence's length in tokens.
        length: usize,
        /// The longest length that the model can take.
        longest: usize,
    },
    /// A window is too short to predict anything.
    #[error("a window of {length} tokens predicts nothing")]
    Window {
        /// The window's length in tokens.
        length: usize,
    },
    /// The tokenizer cannot be used with this model.
    #[error("{}: {problem}", path.display())]
    Tokenizer {
        /// The tokenizer's file.
        path: PathBuf,
        /// The problem.
        problem: TokenizerProblem,
    },
    /// A CPU was asked to compute in an unsupported type.
    #[error("the CPU computes in f32 only")]
    Precision,
    /// A device could not do its work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A tensor operation failed, for example because a device is out of memory.
    #[error("{place}: {source}")]
    Compute {
        /// The part of the model: a block, the embedding or the head.
        place: String,
        /// candle's error.
        source: candle_core::Error,
    },
}

/// Problems of a tokenizer.
#[derive(Debug, Error)]
pub enum TokenizerProblem {
    /// The folder has no tokenizer.
    #[error("there is no such file")]
    Missing,
    /// The folder holds this file of a tokenizer in an unsupported form.
    #[error("there is no such file, and {0} alone is not supported")]
    OtherForm(&'static str),
    /// The file cannot be read.
    #[error("cannot be read ({0})")]
    Unreadable(String),
    /// It has ids outside the model's vocabulary.
    #[error(
        "has token ids up to {largest}, but the model has a vocabulary of {vocabulary}; it is another model's tokenizer"
    )]
    Ids {
        /// The largest id.
        largest: u32,
        /// Vocabulary size of the model.
        vocabulary: usize,
    },
    /// It cannot encode the text.
    #[error("cannot tokenise the text ({0})")]
    Text(String),
    /// It encodes the text with a token outside the model's vocabulary.
    #[error(
        "writes the text with token {id}, but the model has a vocabulary of {vocabulary}; it is another model's tokenizer"
    )]
    Id {
        /// The token.
        id: u32,
        /// Vocabulary size of the model.
        vocabulary: usize,
    },
}

impl From<candle_core::Error> for ModelError {
    /// Wraps candle's error; the caller that knows the place adds it with [`ModelError::inside`].
    fn from(source: candle_core::Error) -> Self {
        Self::Compute { place: String::new(), source }
    }
}

impl ModelError {
    /// Returns the error with the place in the model where it happened, if it has none yet.
    pub fn inside(self, at: &str) -> Self {
        match self {
            Self::Compute { place, source } if place.is_empty() => {
                Self::Compute { place: at.to_owned(), source }
            }
            other => other,
        }
    }

    /// Returns a closure that wraps candle's error with the place in the model where it happened.
    pub fn at(place: impl Into<String>) -> impl FnOnce(candle_core::Error) -> Self {
        let place = place.into();
        move |source| Self::Compute { place, source }
    }

    /// Returns whether a device ran out of memory.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Engine(EngineError::OutOfMemory { .. }) => true,
            Self::Compute { source, .. } => is_out_of_memory(source),
            _ => false,
        }
    }
}

/// Says what a failed write left behind, if that is in doubt.
fn left(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound => "",
        _ => "; nothing was left behind",
    }
}
