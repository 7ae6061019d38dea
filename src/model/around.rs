//! Language models inside larger ones: which object of the configuration is theirs, and how their modules are named.

use serde_json::{Map, Value};

use super::architecture::Architecture;
use super::error::ModelError;
use super::form::FolderForm;
use super::keys::Keys;

/// A model around a language model.
struct Around {
    /// Its `model_type`.
    model_type: &'static str,
    /// The language model's type where `text_config` names none.
    text: &'static str,
    /// Whether the output embedding is the input's where neither object says so.
    tied: bool,
}

const fn around(model_type: &'static str, text: &'static str, tied: bool) -> Around {
    Around { model_type, text, tied }
}

/// Models that read text as their language model alone does.
const KNOWN: &[Around] = &[
    around("llava", "llama", false),
    around("llava_next", "llama", false),
    around("llava_next_video", "llama", false),
    around("llava_onevision", "qwen2", false),
    around("video_llava", "llama", false),
    around("vipllava", "llama", false),
    around("gemma3", "gemma3_text", true),
    around("shieldgemma2", "gemma3_text", true),
    around("mistral3", "mistral", true),
    around("internvl", "qwen2", true),
    around("got_ocr2", "qwen2", true),
    around("ovis2", "qwen2", true),
    around("video_llama_3", "qwen2", false),
    around("idefics3", "llama", false),
    around("smolvlm", "llama", false),
    around("qwen2_audio", "qwen2", false),
    around("voxtral", "llama", false),
];

/// Models whose text does not pass as through their language model alone: the whole prompt is seen at once, or blocks are added.
const REFUSED: &[&str] = &["paligemma", "colpali", "pi0", "idefics", "idefics2", "mllama"];

/// What a configuration around a language model says.
pub(super) struct Inside<'a> {
    /// The language model's object.
    pub(super) text: &'a Map<String, Value>,
    /// The language model's type.
    pub(super) model_type: &'a str,
    /// The outer type, where it is not known.
    pub(super) unknown: Option<String>,
    /// Whether the output embedding is the input's where neither object says so.
    pub(super) tied: bool,
    /// What comes before `layers` in `named_modules()`.
    pub(super) prefix: &'static str,
}

/// Returns the language model inside a model, or `None` when the configuration is a language model's own.
///
/// # Errors
/// When the outer model is known not to be readable, or names no language model.
pub(super) fn inside<'a>(
    outer: &Keys<'a>,
    empty: &'a Map<String, Value>,
) -> Result<Option<Inside<'a>>, ModelError> {
    let (model_type, class) = (outer.text("model_type")?, outer.first_text("architectures"));
    let by_class = class == Some("LlavaForConditionalGeneration");
    let name = model_type.or(by_class.then_some("llava")).unwrap_or_default();
    let known = KNOWN.iter().find(|it| it.model_type == name);
    let text = outer.object("text_config")?;
    if text.is_none() && (name.starts_with("llava") || class.is_some_and(|it| it.starts_with("Llava"))) {
        let flat = ["hidden_size", "mm_vision_tower", "mm_hidden_size"].iter().any(|key| outer.has(key));
        if flat || known.is_none() {
            let folder = outer.path().parent().unwrap_or(outer.path()).to_owned();
            return Err(ModelError::Form { folder, form: FolderForm::FlatLlava });
        }
    }
    let text = match (text, known) {
        (Some(text), _) => text,
        (None, Some(_)) => empty,
        (None, None) => return Ok(None),
    };
    if REFUSED.contains(&name) {
        return Err(ModelError::Architecture {
            path: outer.path().to_owned(),
            found: name.to_owned(),
            supported: Architecture::supported(),
        });
    }
    let named = Keys::below(outer.path(), text, "text_config.").text("model_type")?;
    let Some(inner) = named.or(known.map(|it| it.text)) else {
        return Err(
            outer.wrong("text_config.model_type", "is missing, so the language model's family is not known")
        );
    };
    Ok(Some(Inside {
        text,
        model_type: inner,
        unknown: known.is_none().then(|| if name.is_empty() { "(none named)" } else { name }.to_owned()),
        tied: known.is_some_and(|it| it.tied),
        prefix: match name {
            "idefics3" | "smolvlm" => "model.text_model.",
            _ => "model.language_model.",
        },
    }))
}
