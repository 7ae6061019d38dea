//! Folders that hold a model in another form than safetensors with a Hugging Face configuration.

use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// An unsupported form in which models are distributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderForm {
    /// An adapter, such as a LoRA, with the model that it was trained for.
    Adapter(Option<String>),
    /// A LLaVA checkpoint of the original code: one flat configuration mixes the keys of language model and
    /// images.
    FlatLlava,
    /// Meta's or Mistral's own files, `consolidated.*` and `params.json`.
    Consolidated,
    /// GGUF, the files of llama.cpp: quantised, or floats in another layout.
    Gguf,
    /// PyTorch pickles.
    Pickles,
    /// Files of TensorFlow, Flax or ONNX, with their file name extension.
    Framework(String),
    /// safetensors under other names; the first one is kept.
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
                f.write_str("a LLaVA checkpoint of the original code, whose config.json has no text_config")
            }
            Self::Consolidated => f.write_str("the publisher's own files (consolidated.*, params.json)"),
            Self::Gguf => f.write_str("GGUF, the format of llama.cpp"),
            Self::Pickles => f.write_str("PyTorch pickles (*.bin, *.pth)"),
            Self::Framework(ending) => write!(f, "the weights of another framework (*.{ending})"),
            Self::OtherNames(name) => write!(f, "safetensors under other names, such as {name}"),
        }
    }
}

/// Returns the form of a model in a folder without `config.json` or without the usual weights, if one is
/// recognised.
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
    // If the usual weights are there, something else is missing.
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
