//! What can be wrong with a model folder, and what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::interpret::engine::EngineError;

/// Says why a model cannot be read or run: which file, which tensor, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}{}", path.display(), read_help(source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The model is neither a folder nor in the hub's local cache, and nothing may be downloaded.
    #[error("there is no folder {id}, and no model of that id in {}; {}", cache.display(), not_cached_help(id))]
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
        /// Why, and what to do.
        problem: String,
    },
    /// The folder holds no `config.json`.
    #[error("{} is not a model folder: it holds no config.json; give the folder with config.json and *.safetensors", folder.display())]
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
    /// The folder holds no safetensors.
    #[error("{} holds neither model.safetensors nor model.safetensors.index.json{}", folder.display(),
        if *pickled { "; it has PyTorch pickles (*.bin): save the model again with `safe_serialization=True`" } else { "; is the download complete?" })]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// Whether PyTorch pickles lie there instead.
        pickled: bool,
    },
    /// A safetensors file ends before its data do.
    #[error("{} is truncated: it needs {needed} bytes and has {found}; get it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The bytes that its header promises.
        needed: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// A safetensors file states a header that is longer than the file or than any real header.
    #[error("{} states a header of {header} bytes in a file of {file}; it is corrupt or not a safetensors file: get it again", path.display())]
    HeaderSize {
        /// The file.
        path: PathBuf,
        /// The stated header length in bytes.
        header: u64,
        /// The file's length in bytes.
        file: u64,
    },
    /// A safetensors header or a shard index is not what the format says.
    #[error("{} is corrupt: {problem}; get it again", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The index names a shard that is not there.
    #[error("{} names the shard {shard}, which is not in that folder; download the missing file", index.display())]
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
    /// A tensor's shape is not the one that the configuration gives.
    #[error("{}: `{tensor}` has shape {found:?}, and config.json makes it {expected:?}; use the config.json that came with these weights", path.display())]
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
    #[error("{}: `{tensor}` is stored as {found}; weights must be F32, F16 or BF16 (a quantised model has to be dequantised first)", path.display())]
    DataType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The stored type.
        found: String,
    },
    /// A weight is NaN or infinite.
    #[error("{}: `{tensor}` holds {value} at {index:?}; the checkpoint is damaged, use another copy", path.display())]
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
    /// The eigenvalues of a weight's Gram matrix do not converge.
    #[error("{}: `{tensor}` has no spectrum: its eigenvalues do not converge; is the checkpoint damaged?", folder.display())]
    Spectrum {
        /// The model's folder.
        folder: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}{}", path.display(), write_help(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Hidden states do not fit in memory, and the scratch file that they go to instead cannot be used.
    #[error("activations do not fit in memory, and a scratch file for them in {} cannot be used: {source}; free some space there, set TMPDIR to a folder with more, allow more with `--memory`, or take fewer samples", folder.display())]
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
    #[error(
        "a sequence of {length} tokens is longer than the model's context of {longest}; use windows of at most {longest} tokens"
    )]
    Length {
        /// The sequence's length in tokens.
        length: usize,
        /// The longest length that the model can take.
        longest: usize,
    },
    /// A window is too short to predict anything.
    #[error("a window of {length} tokens predicts nothing; use a length of at least 2")]
    Window {
        /// The window's length in tokens.
        length: usize,
    },
    /// The tokenizer cannot be used with this model.
    #[error("{}: {problem}", path.display())]
    Tokenizer {
        /// The tokenizer's file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A processor was asked to compute in a type that it does not compute in.
    #[error(
        "a processor computes in f32 only; use --device cuda for --precision bf16, or leave --precision out"
    )]
    Precision,
    /// A device could not do its work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A tensor operation failed, as when a device has no memory left.
    #[error("{place}: {source}{}", room_help(source))]
    Compute {
        /// Where in the model: a block, the embedding, the head.
        place: String,
        /// What candle says.
        source: candle_core::Error,
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
}

/// Says what to do when a device's memory is full.
fn room_help(source: &candle_core::Error) -> &'static str {
    match source.to_string().contains("OUT_OF_MEMORY") {
        true => {
            "\n  = help: the GPU's memory is full; --memory BYTES streams the model block by block where a command has it, \
             --precision bf16 halves what it takes, and shorter or fewer windows take less beside it"
        }
        false => "",
    }
}

fn not_cached_help(id: &str) -> String {
    match cfg!(feature = "hub") {
        true => format!("unset HF_HUB_OFFLINE to download it, run `hf download {id}`, or give a folder"),
        false => format!(
            "run `hf download {id}`, or give a folder (this allot was built without the feature `hub`)"
        ),
    }
}

fn write_help(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, nothing was left behind"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder that you may write to"
        }
        io::ErrorKind::NotFound => "; make the folder first",
        _ => "; nothing was left behind",
    }
}

fn read_help(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "; check the path",
        io::ErrorKind::PermissionDenied => "; check its permissions",
        _ => "",
    }
}
