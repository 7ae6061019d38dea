//! Language models inside larger ones: which object of the configuration describes them, and how their
//! modules are named.

use serde_json::{Map, Value};

use super::architecture::Architecture;
use super::error::ModelError;
use super::form::FolderForm;
use super::keys::Keys;

/// A model that contains a language model.
struct Around {
    /// Its `model_type`.
    model_type: &'static str,
    /// Its class, which predicts tokens.
    class: &'static str,
    /// The language model's type if `text_config` names none.
    text: &'static str,
    /// Whether input and output embedding are tied if neither object says so.
    tied: bool,
}

const fn around(model_type: &'static str, class: &'static str, text: &'static str, tied: bool) -> Around {
    Around { model_type, class, text, tied }
}

/// Models that process text exactly as their language model alone does.
const KNOWN: &[Around] = &[
    around("llava", "LlavaForConditionalGeneration", "llama", false),
    around("llava_next", "LlavaNextForConditionalGeneration", "llama", false),
    around("llava_next_video", "LlavaNextVideoForConditionalGeneration", "llama", false),
    around("llava_onevision", "LlavaOnevisionForConditionalGeneration", "qwen2", false),
    around("video_llava", "VideoLlavaForConditionalGeneration", "llama", false),
    around("vipllava", "VipLlavaForConditionalGeneration", "llama", false),
    around("gemma3", "Gemma3ForConditionalGeneration", "gemma3_text", true),
    around("shieldgemma2", "ShieldGemma2ForImageClassification", "gemma3_text", true),
    around("mistral3", "Mistral3ForConditionalGeneration", "mistral", true),
    around("internvl", "InternVLForConditionalGeneration", "qwen2", true),
    around("got_ocr2", "GotOcr2ForConditionalGeneration", "qwen2", true),
    around("ovis2", "Ovis2ForConditionalGeneration", "qwen2", true),
    around("video_llama_3", "VideoLlama3ForConditionalGeneration", "qwen2", false),
    around("idefics3", "Idefics3ForConditionalGeneration", "llama", false),
    around("smolvlm", "SmolVLMForConditionalGeneration", "llama", false),
    around("qwen2_audio", "Qwen2AudioForConditionalGeneration", "qwen2", false),
    around("voxtral", "VoxtralForConditionalGeneration", "llama", false),
];

/// Models that process text differently from their language model alone: they see the whole prompt at once,
/// or add blocks.
const REFUSED: &[&str] = &["paligemma", "colpali", "pi0", "idefics", "idefics2", "mllama"];

/// What the configuration of a containing model says.
pub(super) struct Inside<'a> {
    /// The language model's object.
    pub(super) text: &'a Map<String, Value>,
    /// The language model's type.
    pub(super) model_type: &'a str,
    /// The outer model's class, unless its type is unknown.
    pub(super) class: Option<&'static str>,
    /// The outer model's type if it is unknown.
    pub(super) unknown: Option<String>,
    /// Whether input and output embedding are tied if neither object says so.
    pub(super) tied: bool,
    /// The prefix of `layers` in `named_modules()`.
    pub(super) prefix: &'static str,
}

/// Returns the language model inside a model, or `None` if the configuration describes a language model
/// itself.
///
/// # Errors
/// When the outer model is known to be unsupported, or names no language model.
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
    check_class(outer, class, known)?;
    let named = Keys::below(outer.path(), text, "text_config.").text("model_type")?;
    let Some(inner) = named.or(known.map(|it| it.text)) else {
        return Err(
            outer.wrong("text_config.model_type", "is missing, so the language model's family is unknown")
        );
    };
    Ok(Some(Inside {
        text,
        model_type: inner,
        class: known.map(|it| it.class),
        unknown: known.is_none().then(|| if name.is_empty() { "(none named)" } else { name }.to_owned()),
        tied: known.is_some_and(|it| it.tied),
        prefix: match name {
            "idefics3" | "smolvlm" => "model.text_model.",
            _ => "model.language_model.",
        },
    }))
}

/// Endings of classes that compute something other than the next token.
const OTHER_TASKS: &[&str] = &["Classification", "QuestionAnswering", "RewardModel", "ForRetrieval"];

/// Refuses a class that computes something other than the outer model's class.
fn check_class(outer: &Keys<'_>, found: Option<&str>, known: Option<&Around>) -> Result<(), ModelError> {
    let Some(found) = found else { return Ok(()) };
    let Some(around) = known else {
        return match OTHER_TASKS.iter().any(|it| found.ends_with(it)) {
            true => {
                Err(outer.wrong("architectures", format!("names {found}, which does not predict tokens")))
            }
            false => Ok(()),
        };
    };
    // The bare model has the same weights, and is read with the head in the files.
    let stem = around.class.split("For").next().unwrap_or_default();
    let bare = found.strip_prefix(stem).is_some_and(|it| it == "Model");
    if found == around.class || bare {
        return Ok(());
    }
    Err(ModelError::Class {
        path: outer.path().to_owned(),
        key: outer.name("architectures"),
        found: found.to_owned(),
        model_type: around.model_type,
        class: around.class,
    })
}
