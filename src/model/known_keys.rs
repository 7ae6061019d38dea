//! Keys of `config.json` that the decoder does not read: the harmless ones, and those that would change what
//! it computes.

use serde_json::Value;

use super::error::ModelError;
use super::keys::Keys;
use super::warning::ModelWarning;

/// Keys that do not affect what a trained decoder computes from token ids.
const HARMLESS: &[&str] = &[
    // The model's origin, and how transformers loads it.
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "attn_implementation",
    "dtype",
    "name_or_path",
    "torch_dtype",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    // Training.
    "activation_dropout",
    "attention_dropout",
    "attn_pdrop",
    "dropout",
    "embd_pdrop",
    "gradient_checkpointing",
    "hidden_dropout",
    "init_std",
    "initializer_range",
    "layerdrop",
    "pretraining_tp",
    "resid_pdrop",
    "use_reentrant",
    // Tokens with a special meaning, and the tokenizer.
    "_pad_token_id",
    "begin_suppress_tokens",
    "bos_token_id",
    "cls_token_id",
    "decoder_start_token_id",
    "eos_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "mask_token_id",
    "model_max_length",
    "pad_token_id",
    "sep_token_id",
    "suppress_tokens",
    "tokenizer_class",
    "unk_token_id",
    // Generation.
    "bad_words_ids",
    "cache_implementation",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "max_sequence_length",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "prefix",
    "remove_invalid_values",
    "repetition_penalty",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    "use_cache",
    // Outputs other than logits, and heads for other tasks.
    "chunk_size_feed_forward",
    "finetuning_task",
    "id2label",
    "is_decoder",
    "label2id",
    "num_labels",
    "num_nextn_predict_layers",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "problem_type",
    "return_dict",
    "return_dict_in_generate",
    "task_specific_params",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "torchscript",
];

/// Keys of a model that contains a language model: they concern images and sounds, which texts do not
/// contain.
const HARMLESS_AROUND: &[&str] = &[
    "audio_config",
    "audio_token_id",
    "audio_token_index",
    "boa_token_id",
    "boi_token_id",
    "boi_token_index",
    "downsample_ratio",
    "encoder_config",
    "eoa_token_id",
    "eoi_token_id",
    "eoi_token_index",
    "hidden_size",
    "ignore_index",
    "image_grid_pinpoints",
    "image_seq_length",
    "image_token_id",
    "image_token_index",
    "mm_tokens_per_image",
    "multimodal_projector_bias",
    "projection_dim",
    "projector_hidden_act",
    "qformer_config",
    "scale_factor",
    "spatial_merge_size",
    "use_image_newline_parameter",
    "video_seq_length",
    "video_token_id",
    "video_token_index",
    "vision_aspect_ratio",
    "vision_config",
    "vision_end_token_id",
    "vision_feature_layer",
    "vision_feature_select_strategy",
    "vision_start_token_id",
    "vision_token_id",
    "vocab_size",
];

/// The value at which a key has no effect.
#[derive(Clone, Copy)]
enum Neutral {
    /// false.
    Off,
    /// true.
    On,
    /// 0, or 1, as a factor or as a number of experts.
    Number(f64),
    /// An empty list or object.
    Empty,
    /// No value.
    None,
}

use Neutral::{Empty, Number, Off, On};

/// Keys that change what other families' decoders compute, with the value at which they have no effect.
const CHANGING: &[(&str, Neutral)] = &[
    ("add_cross_attention", Off),
    ("alibi", Off),
    ("attention_bias", Off),
    ("attention_chunk_size", Neutral::None),
    ("attention_k_eq_v", Off),
    ("attention_multiplier", Neutral::None),
    ("attention_out_bias", Off),
    ("attn_logit_softcapping", Neutral::None),
    ("attn_temperature_tuning", Off),
    ("bidirectional", Off),
    ("clip_qkv", Neutral::None),
    ("dim_model_base", Neutral::None),
    ("embedding_multiplier", Number(1.0)),
    ("expert_layer_offset", Neutral::None),
    ("final_logit_softcapping", Neutral::None),
    ("hidden_size_per_layer_input", Number(0.0)),
    ("input_bits", Neutral::None),
    ("is_causal", On),
    ("is_encoder_decoder", Off),
    ("kv_lora_rank", Neutral::None),
    ("logit_scale", Number(1.0)),
    ("logits_scaling", Number(1.0)),
    ("mlp_bias", Off),
    ("n_routed_experts", Number(0.0)),
    ("no_rope_layer_interval", Number(0.0)),
    ("no_rope_layers", Empty),
    ("num_experts", Number(0.0)),
    ("num_experts_per_tok", Number(0.0)),
    ("num_kv_shared_layers", Number(0.0)),
    ("num_local_experts", Number(0.0)),
    ("parallel_attn", Off),
    ("parallel_attention", Off),
    ("pruned_heads", Empty),
    ("q_lora_rank", Neutral::None),
    ("qk_layernorm", Off),
    ("qk_norm", Off),
    ("qkv_bias", Off),
    ("query_pre_attn_scalar", Neutral::None),
    ("residual_multiplier", Number(1.0)),
    ("rope_interleave", Off),
    ("rotary_dim", Neutral::None),
    ("rotary_pct", Number(1.0)),
    ("scale_depth", Neutral::None),
    ("scale_emb", Number(1.0)),
    ("use_alibi", Off),
    ("use_bidirectional_attention", Off),
    ("use_parallel_residual", Off),
    ("use_qk_norm", Off),
    ("weight_bits", Neutral::None),
];

impl Neutral {
    fn is(self, value: &Value) -> bool {
        match self {
            Self::Off => *value == Value::Bool(false),
            Self::On => *value == Value::Bool(true),
            Self::Number(number) => value.as_f64() == Some(number),
            Self::Empty => {
                value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(|it| it.is_empty())
            }
            Self::None => false,
        }
    }
}

/// The object of a configuration that keys belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The language model's object; the model has this number of blocks.
    Decoder(usize),
    /// The containing model's object.
    Around,
    /// The object of rotary positions.
    Rotary,
}

/// Returns a warning that names the keys that were not read and are not known to be harmless, if any exist.
///
/// # Errors
/// When a key would change what is computed: it belongs to another decoder, or has a value for each block.
pub(super) fn unread(keys: &Keys<'_>, part: Part) -> Result<Option<ModelWarning>, ModelError> {
    let mut unknown = Vec::new();
    for (key, value) in keys.never_asked() {
        let harmless = part != Part::Rotary && HARMLESS.contains(&key)
            || part == Part::Around && HARMLESS_AROUND.contains(&key);
        if harmless {
            continue;
        }
        if let Some((_, neutral)) = CHANGING.iter().find(|(name, _)| *name == key) {
            match neutral.is(value) {
                true => continue,
                false => {
                    return Err(keys.wrong(
                        key,
                        format!(
                            "is {}, which changes what a decoder computes in an unsupported way",
                            short(value)
                        ),
                    ));
                }
            }
        }
        if let (Part::Decoder(blocks), Some(list)) = (part, value.as_array())
            && list.len() == blocks
            && blocks > 1
        {
            return Err(keys.wrong(key, "has a value for each block, which is not supported"));
        }
        unknown.push(keys.name(key));
    }
    let path = keys.path().to_owned();
    Ok((!unknown.is_empty()).then_some(ModelWarning::UnknownKeys { path, keys: unknown }))
}

/// Returns a value as text, shortened if it is long.
fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text,
    }
}
