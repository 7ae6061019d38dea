//! What can be wrong with a model folder.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::form::FolderForm;
use super::hub::DownloadProblem;
use super::out_of_memory::is_out_of_memory;
use super::quantised_form::QuantisedForm;
use crate::device::EngineError;

/// Says why a model cannot be read or run: which file, which tensor.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Two models whose predictions are compared have other numbers of tokens.
    #[error(
        "the models have other vocabularies: {dense} and {other} tokens, so their predictions cannot be compared"
    )]
    OtherVocabulary {
        /// How many the dense model has.
        dense: usize,
        /// How many the other model has.
        other: usize,
    },
    /// Two models whose predictions are compared mean other tokens by an id.
    #[error("the models have other vocabularies: token {id} is `{dense}` in one and `{other}` in the other")]
    OtherToken {
        /// The first id that differs.
        id: u32,
        /// What the dense model means by it.
        dense: String,
        /// What the other model means by it.
        other: String,
    },
    /// The model is neither a folder nor in the hub's local cache, and nothing may be downloaded.
    #[error("there is no folder {id}, and no model of that id in {}", cache.display())]
    NotCached {
        /// The model's id.
        id: String,
        /// The cache's folder.
        cache: PathBuf,
    },
    /// The hub's model cannot be downloaded.
    #[error("there is no folder {id}, and the model of that id cannot be downloaded: {problem}")]
    Download {
        /// The model's id.
        id: String,
        /// Why.
        problem: DownloadProblem,
    },
    /// The folder holds no `config.json`.
    #[error("{} is not a model folder: it holds no config.json", folder.display())]
    NoConfig {
        /// The folder.
        folder: PathBuf,
    },
    /// `config.json` says something that cannot be used.
    #[error("{}: `{key}` {problem}", path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// The key, or `$` for the whole file.
        key: String,
        /// What is wrong with it, and what would be right.
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
    /// `config.json` names a class that computes something else than its model type, or code of the folder's own for it.
    #[error("{}: `{key}` names the class {found}, which is not computed; what model_type `{model_type}` stands for is {class}", path.display())]
    Class {
        /// The configuration file.
        path: PathBuf,
        /// The key that names it.
        key: String,
        /// The class.
        found: String,
        /// The model type.
        model_type: &'static str,
        /// The class that is computed for it.
        class: &'static str,
    },
    /// The weights are quantised or compressed.
    #[error("{}: `{place}` says that the model is quantised ({form}); quantised weights are not read", path.display())]
    Quantised {
        /// The file that says so.
        path: PathBuf,
        /// The key or the tensor in it.
        place: String,
        /// How.
        form: QuantisedForm,
    },
    /// The folder holds a model in a form that is not read.
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
        /// What lies there instead.
        form: Option<FolderForm>,
    },
    /// A safetensors file ends before its data do.
    #[error("{} is truncated: it needs {needed} bytes and has {found}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The bytes that its header promises.
        needed: u64,
        /// The bytes that it has.
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
    /// A safetensors header or a shard index is not what the format says.
    #[error("{} is corrupt: {problem}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The index names a shard that is not there.
    #[error("{} names the shard {shard}, which is not in that folder", index.display())]
    MissingShard {
        /// The index file.
        index: PathBuf,
        /// The shard's file name.
        shard: String,
    },
    /// A tensor that the architecture needs is in no file.
    #[error("{} has no tensor `{tensor}`, which config.json calls for; the weights and config.json belong to different models, or a file is incomplete", path.display())]
    MissingTensor {
        /// The file or folder that was searched.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// There is no output embedding, and the configuration does not say that it is the input's.
    #[error("{} has no output embedding `{tensor}`, and config.json does not set tie_word_embeddings, by which the input's would be used", path.display())]
    NoHead {
        /// The file or folder that was searched.
        path: PathBuf,
        /// The name that it would have.
        tensor: String,
    },
    /// Several groups of tensors could be the language model's.
    #[error("{} holds several decoders, under `{first}` and `{second}`", path.display())]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// What the names of one begin with.
        first: String,
        /// What the names of another begin with.
        second: String,
    },
    /// A tensor's shape is not the one that the configuration gives.
    #[error("{}: `{tensor}` has shape {found:?}, and config.json makes it {expected:?}", path.display())]
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
    /// A tensor is stored in a type that is not a float of 16 or 32 bits.
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
    /// A model's logits are infinite or no numbers.
    #[error("the model's logits are not finite, so it has no likeliest token")]
    Destroyed,
    /// A statistic that was collected is NaN or infinite.
    #[error("the {what} of {module} overflow: some are not finite, so nothing can be decided by them")]
    Overflow {
        /// What was collected.
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
        /// What the system says.
        source: io::Error,
    },
    /// Hidden states do not fit in memory, and the scratch file that they go to instead cannot be used.
    #[error("activations do not fit in memory, and a scratch file for them in {} cannot be used: {source}", folder.display())]
    Scratch {
        /// The folder of the scratch file.
        folder: PathBuf,
        /// What the system says.
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
        /// What is wrong.
        problem: TokenizerProblem,
    },
    /// A processor was asked to compute in a type that it does not compute in.
    #[error("a processor computes in f32 only")]
    Precision,
    /// A device could not do its work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A tensor operation failed, as when a device has no memory left.
    #[error("{place}: {source}")]
    Compute {
        /// Where in the model: a block, the embedding, the head.
        place: String,
        /// What candle says.
        source: candle_core::Error,
    },
}

/// What is wrong with a tokenizer.
#[derive(Debug, Error)]
pub enum TokenizerProblem {
    /// The folder has none.
    #[error("there is no such file")]
    Missing,
    /// The folder has one in a form that is not read, of which this is a file.
    #[error("there is no such file, and {0} alone is not read")]
    OtherForm(&'static str),
    /// The file cannot be read.
    #[error("cannot be read ({0})")]
    Unreadable(String),
    /// It has ids that the model does not have.
    #[error(
        "has token ids up to {largest}, and the model a vocabulary of {vocabulary}; it is another model's tokenizer"
    )]
    Ids {
        /// The largest id.
        largest: u32,
        /// How many tokens the model has.
        vocabulary: usize,
    },
    /// It has no way to write the text.
    #[error("cannot tokenise the text ({0})")]
    Text(String),
    /// It writes the text with a token that the model does not have.
    #[error(
        "writes the text with token {id}, and the model has a vocabulary of {vocabulary}; it is another model's tokenizer"
    )]
    Id {
        /// The token.
        id: u32,
        /// How many tokens the model has.
        vocabulary: usize,
    },
}

impl From<candle_core::Error> for ModelError {
    /// Wraps candle's error; who knows the place adds it with [`ModelError::inside`].
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

/// Says what a failed write left behind, where that is in doubt.
fn left(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound => "",
        _ => "; nothing was left behind",
    }
}
