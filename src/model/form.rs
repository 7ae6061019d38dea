//! Folders that hold a model in another form than a Hugging Face folder of safetensors.

use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// A form in which models are handed around, and that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderForm {
    /// An adapter, such as LoRA's, and the model that it was trained for.
    Adapter(Option<String>),
    /// A LLaVA of the original code: one flat configuration, with the language model's keys beside those of images.
    FlatLlava,
    /// Meta's or Mistral's own files, `consolidated.*` and `params.json`.
    Consolidated,
    /// GGUF, the files of llama.cpp: quantised, or floats in another layout.
    Gguf,
    /// PyTorch pickles.
    Pickles,
    /// TensorFlow's, Flax's or ONNX's files, by the ending.
    Framework(String),
    /// safetensors of other names, of which the first is this.
    OtherNames(String),
}

impl fmt::Display for FolderForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adapter(Some(base)) => {
                write!(f, "an adapter for {base} (adapter_config.json), not the weights of a model")
            }
            Self::Adapter(None) => {
                f.write_str("an adapter (adapter_config.json), not the weights of a model")
            }
            Self::FlatLlava => {
                f.write_str("a LLaVA of the original code, whose config.json has no text_config")
            }
            Self::Consolidated => f.write_str("its makers' own files (consolidated.*, params.json)"),
            Self::Gguf => f.write_str("GGUF, the quantised form of llama.cpp"),
            Self::Pickles => f.write_str("PyTorch pickles (*.bin, *.pth)"),
            Self::Framework(ending) => write!(f, "the weights of another framework (*.{ending})"),
            Self::OtherNames(name) => write!(f, "safetensors under other names, such as {name}"),
        }
    }
}

/// Returns in which form a folder without `config.json`, or without the usual weights, holds a model, if in any.
pub(super) fn of_folder(folder: &Path) -> Option<FolderForm> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    let ends = |ending: &str| names.iter().find(|name| name.to_lowercase().ends_with(ending));
    if names.iter().any(|name| name == "adapter_config.json") {
        return Some(FolderForm::Adapter(base_of(&folder.join("adapter_config.json"))));
    }
    if names.iter().any(|name| name.starts_with("consolidated.") || name == "params.json") {
        return Some(FolderForm::Consolidated);
    }
    if ends(".gguf").is_some() {
        return Some(FolderForm::Gguf);
    }
    if names.iter().any(|name| name.starts_with("pytorch_model") && name.ends_with(".bin"))
        || ends(".pth").is_some()
    {
        return Some(FolderForm::Pickles);
    }
    // Where the usual weights are, something else is missing.
    let usual =
        names.iter().any(|name| name == "model.safetensors" || name == "model.safetensors.index.json");
    if usual {
        return None;
    }
    if let Some(name) = ends(".safetensors") {
        return Some(FolderForm::OtherNames(name.clone()));
    }
    let framework = ["h5", "msgpack", "onnx", "ot", "ckpt"].into_iter();
    let mut found = framework.filter(|ending| ends(&format!(".{ending}")).is_some());
    found.next().map(|ending| FolderForm::Framework(ending.to_owned()))
}

/// Returns the model that an adapter was trained for.
fn base_of(path: &Path) -> Option<String> {
    let object: Map<String, Value> = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    object.get("base_model_name_or_path")?.as_str().map(str::to_owned)
}
