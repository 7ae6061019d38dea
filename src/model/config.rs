//! `config.json`, as transformers 4 and 5 write it, to the numbers that the decoder needs.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::activation::Activation;
use super::architecture::{Architecture, Bias, LLAVA, Positions, Window};
use super::error::ModelError;
use super::keys::Keys;
use super::rotary::{Rotary, Scaling};

/// Everything about a decoder that its weights do not say.
#[derive(Clone, Debug)]
pub struct Config {
    /// The family.
    pub architecture: Architecture,
    /// How many tokens there are.
    pub vocabulary: usize,
    /// The width of the residual stream.
    pub hidden: usize,
    /// The width of the token embedding; another than `hidden` in some OPT models, which then project.
    pub embedding: usize,
    /// The width between an MLP's two layers.
    pub intermediate: usize,
    /// How many blocks there are.
    pub blocks: usize,
    /// How many query heads there are.
    pub heads: usize,
    /// How many key and value heads there are.
    pub key_value_heads: usize,
    /// The width of a head.
    pub head_size: usize,
    /// The longest context, in tokens.
    pub positions: usize,
    /// What norms add to the variance.
    pub epsilon: f64,
    /// The MLP's function.
    pub activation: Activation,
    /// How queries and keys are rotated, if they are.
    pub rotary: Option<Rotary>,
    /// The sliding window in tokens, and which blocks slide.
    pub window: Option<(usize, Vec<bool>)>,
    /// Whether queries, keys and values have biases.
    pub input_bias: bool,
    /// Whether the attention's output has a bias.
    pub output_bias: bool,
    /// Whether the MLP's linears have biases.
    pub mlp_bias: bool,
    /// What scores are multiplied by before the softmax.
    pub query_scale: f64,
    /// The cap c of c * tanh(score / c), if any.
    pub attention_softcap: Option<f64>,
    /// The same on the logits.
    pub logit_softcap: Option<f64>,
    /// What embeddings are multiplied by.
    pub embedding_scale: f64,
    /// Whether the output embedding is the input embedding.
    pub tied: bool,
    /// Whether norms come before attention and MLP (after them in OPT-350m).
    pub norm_first: bool,
}

/// Counts above this are typing errors or attacks, not models.
const LARGEST_COUNT: u64 = 1 << 31;
const MOST_BLOCKS: usize = 10_000;

impl Config {
    /// Reads a model folder's `config.json`.
    ///
    /// # Errors
    /// When there is none, it is not JSON, the architecture is not in the table, or a value cannot be used.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        if !folder.is_dir() {
            return Err(ModelError::Read {
                path: folder.to_owned(),
                source: match fs::metadata(folder) {
                    Ok(_) => std::io::ErrorKind::NotADirectory.into(),
                    Err(source) => source,
                },
            });
        }
        // A folder that may not be searched is no folder without a config.
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(ModelError::NoConfig { folder: folder.to_owned() }),
            Err(source) => return Err(ModelError::Read { path, source }),
        }
        let text = fs::read(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        let object: Map<String, Value> =
            serde_json::from_slice(&text).map_err(|error| ModelError::Config {
                path: path.clone(),
                key: "$".to_owned(),
                problem: format!("is not a JSON object: {error}"),
            })?;
        Self::parse(&path, &object)
    }

    /// Reads a configuration that has been parsed already; `path` serves error messages.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(path: &Path, object: &Map<String, Value>) -> Result<Self, ModelError> {
        let outer = Keys::new(path, object);
        let outer_type = outer.text("model_type")?;
        let outer_class = outer.first_text("architectures");
        if outer_type == Some("llava") || outer_class == Some("LlavaForConditionalGeneration") {
            let empty = Map::new();
            let inner = Keys::new(path, outer.object("text_config")?.unwrap_or(&empty));
            let inner_type = inner.text("model_type")?.unwrap_or("llama");
            let mut architecture = find(path, Some(inner_type), None)?;
            // The layers' names below the prefix are the language model's own; only what is around them changes.
            (architecture.prefix, architecture.file_prefixes, architecture.heads) = LLAVA;
            return Self::with(architecture, &inner);
        }
        let architecture = find(path, outer_type, outer_class)?;
        Self::with(architecture, &outer)
    }

    fn with(architecture: Architecture, keys: &Keys<'_>) -> Result<Self, ModelError> {
        let defaults = &architecture.defaults;
        let count = |names: &[&str], default| keys.count(names, default, LARGEST_COUNT);
        let hidden = count(&["hidden_size"], defaults.hidden)?;
        let (heads, key_value_heads) = read_heads(keys, &architecture)?;
        let head_size = count(&["head_dim"], defaults.head_size.unwrap_or(hidden / heads))?;
        let blocks = read_blocks(keys, defaults.blocks)?;
        let positions = count(&["max_position_embeddings"], defaults.positions)?;
        let epsilon = keys
            .number("rms_norm_eps")?
            .filter(|_| architecture.positions == Positions::Rotary)
            .unwrap_or(defaults.epsilon);
        let rotary = match architecture.positions {
            Positions::Rotary => Some(read_rotary(keys, head_size, positions)?),
            Positions::Learned { .. } => None,
        };
        let query_scalar = match architecture.query_scalar {
            Some(default) => keys.number("query_pre_attn_scalar")?.unwrap_or(default),
            None => head_size as f64,
        };
        let softcap = |name, default: fn((f64, f64)) -> f64| -> Result<Option<f64>, ModelError> {
            // A cap that is written as null is switched off; one that is left out has the family's default.
            match architecture.softcaps {
                Some(_) if keys.is_null(name) => Ok(None),
                Some(pair) => Ok(Some(keys.number(name)?.unwrap_or(default(pair)))),
                None => Ok(None),
            }
        };
        Ok(Self {
            vocabulary: count(&["vocab_size"], defaults.vocabulary)?,
            hidden,
            embedding: match architecture.positions {
                Positions::Learned { .. } => count(&["word_embed_proj_dim"], hidden)?,
                Positions::Rotary => hidden,
            },
            intermediate: count(&["intermediate_size", "ffn_dim"], defaults.intermediate)?,
            blocks,
            heads,
            key_value_heads,
            head_size,
            positions,
            epsilon,
            activation: read_activation(keys, defaults.activation)?,
            rotary,
            window: read_window(keys, &architecture, blocks)?,
            input_bias: read_bias(keys, architecture.input_bias)?,
            output_bias: read_bias(keys, architecture.output_bias)?,
            mlp_bias: read_bias(keys, architecture.mlp_bias)?,
            query_scale: query_scalar.powf(-0.5),
            attention_softcap: softcap("attn_logit_softcapping", |pair| pair.0)?,
            logit_softcap: softcap("final_logit_softcapping", |pair| pair.1)?,
            embedding_scale: if architecture.scaled_embedding { (hidden as f64).sqrt() } else { 1.0 },
            tied: keys.flag("tie_word_embeddings", defaults.tied)?,
            norm_first: keys.flag("do_layer_norm_before", true)?,
            architecture,
        })
    }

    /// Returns how many tokens back block `block` attends, itself included, when it slides.
    pub fn window_of(&self, block: usize) -> Option<usize> {
        let (window, slides) = self.window.as_ref()?;
        slides.get(block).is_some_and(|&it| it).then_some(*window)
    }

    /// Returns whether a norm comes before the head.
    pub fn has_final_norm(&self) -> bool {
        self.norm_first
    }
}

fn find(path: &Path, model_type: Option<&str>, class: Option<&str>) -> Result<Architecture, ModelError> {
    Architecture::find(model_type, class).ok_or_else(|| ModelError::Architecture {
        path: path.to_owned(),
        found: model_type.or(class).unwrap_or("(none named)").to_owned(),
        supported: Architecture::supported(),
    })
}

/// Returns how many query heads there are, and how many key and value heads.
fn read_heads(keys: &Keys<'_>, architecture: &Architecture) -> Result<(usize, usize), ModelError> {
    let defaults = &architecture.defaults;
    let heads = keys.count(&["num_attention_heads"], defaults.heads, LARGEST_COUNT)?;
    let default = defaults.key_value_heads.unwrap_or(heads);
    let key_value_heads = keys.count(&["num_key_value_heads"], default, LARGEST_COUNT)?;
    match heads.is_multiple_of(key_value_heads) {
        true => Ok((heads, key_value_heads)),
        false => Err(keys.wrong(
            "num_key_value_heads",
            format!("is {key_value_heads}, which does not divide the {heads} attention heads"),
        )),
    }
}

fn read_blocks(keys: &Keys<'_>, default: usize) -> Result<usize, ModelError> {
    match keys.count(&["num_hidden_layers"], default, LARGEST_COUNT)? {
        blocks if blocks > MOST_BLOCKS => Err(keys
            .wrong("num_hidden_layers", format!("is {blocks}; no model has more than {MOST_BLOCKS} blocks"))),
        blocks => Ok(blocks),
    }
}

fn read_bias(keys: &Keys<'_>, bias: Bias) -> Result<bool, ModelError> {
    match bias {
        Bias::Never => Ok(false),
        Bias::Always => Ok(true),
        Bias::Setting(key, default) => keys.flag(key, default),
    }
}

fn read_activation(keys: &Keys<'_>, default: &str) -> Result<Activation, ModelError> {
    for key in ["hidden_activation", "hidden_act", "activation_function"] {
        if let Some(name) = keys.text(key)? {
            return Activation::named(name).ok_or_else(|| {
                keys.wrong(key, format!("is `{name}`; supported are silu, gelu, gelu_pytorch_tanh and relu"))
            });
        }
    }
    Ok(Activation::named(default).unwrap_or(Activation::Silu))
}

fn read_window(
    keys: &Keys<'_>,
    architecture: &Architecture,
    blocks: usize,
) -> Result<Option<(usize, Vec<bool>)>, ModelError> {
    if architecture.window == Window::Never || keys.is_null("sliding_window") {
        return Ok(None);
    }
    if architecture.window == Window::Late && !keys.flag("use_sliding_window", false)? {
        return Ok(None);
    }
    let window = match architecture.defaults.window {
        Some(default) => keys.count(&["sliding_window"], default, LARGEST_COUNT)?,
        None if keys.has("sliding_window") => keys.count(&["sliding_window"], 0, LARGEST_COUNT)?,
        None => return Ok(None),
    };
    if let Some(types) = keys.texts("layer_types")? {
        if types.len() != blocks {
            return Err(keys.wrong("layer_types", format!("has {} entries for {blocks} blocks", types.len())));
        }
        let slides = types.iter().map(|it| *it == "sliding_attention").collect();
        return Ok(Some((window, slides)));
    }
    let first_late = match architecture.window {
        Window::Late => keys.count(&["max_window_layers"], 28, LARGEST_COUNT)?,
        _ => 0,
    };
    let slides = (0..blocks)
        .map(|block| match architecture.window {
            Window::Alternate => block % 2 == 0,
            _ => block >= first_late,
        })
        .collect();
    Ok(Some((window, slides)))
}

/// Reads `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (transformers 4).
fn read_rotary(keys: &Keys<'_>, head_size: usize, positions: usize) -> Result<Rotary, ModelError> {
    let empty = Map::new();
    let nested = match keys.object("rope_parameters")? {
        Some(object) => Some(object),
        None => keys.object("rope_scaling")?,
    };
    let inner = Keys::new(keys.path(), nested.unwrap_or(&empty));
    let either = |name| -> Result<Option<f64>, ModelError> {
        Ok(match inner.number(name)? {
            Some(value) => Some(value),
            None => keys.number(name)?,
        })
    };
    let theta = either("rope_theta")?.unwrap_or(10_000.0);
    let share = either("partial_rotary_factor")?.unwrap_or(1.0);
    let size = (head_size as f64 * share) as usize;
    if size == 0 || size > head_size || !size.is_multiple_of(2) || theta <= 0.0 {
        return Err(keys.wrong(
            "head_dim",
            format!("gives {size} rotated channels of {head_size} with base {theta}; an even number of them and a positive base are needed"),
        ));
    }
    let kind = match inner.text("rope_type")? {
        Some(kind) => kind,
        None => inner.text("type")?.unwrap_or("default"),
    };
    let original = either("original_max_position_embeddings")?.unwrap_or(positions as f64);
    let scaling = match kind {
        "default" => Scaling::None,
        "linear" => Scaling::Linear { factor: inner.positive("factor")? },
        "llama3" => Scaling::Llama3 {
            factor: inner.positive("factor")?,
            low: inner.positive("low_freq_factor")?,
            high: inner.positive("high_freq_factor")?,
            original: inner.positive("original_max_position_embeddings")?,
        },
        "longrope" | "su" => {
            let extended = keys.has("original_max_position_embeddings");
            read_long_scaling(&inner, size, positions, original, extended)?
        }
        other => {
            return Err(keys.wrong(
                "rope_scaling",
                format!("is of type `{other}`; supported are default, linear, llama3 and longrope"),
            ));
        }
    };
    Ok(Rotary { theta, size, scaling })
}

/// Reads the factors of `longrope`, of a model that was trained on `original` positions; `extended` says that the configuration
/// itself says so, and not its rotary part.
fn read_long_scaling(
    inner: &Keys<'_>,
    size: usize,
    positions: usize,
    original: f64,
    extended: bool,
) -> Result<Scaling, ModelError> {
    let factor = match inner.number("factor")? {
        Some(factor) if !extended => factor,
        _ => positions as f64 / original,
    };
    let attention = match inner.number("attention_factor")? {
        Some(attention) => attention,
        None if factor <= 1.0 => 1.0,
        None => (1.0 + factor.ln() / original.ln()).sqrt(),
    };
    Ok(Scaling::Long {
        short: inner.numbers("short_factor", size / 2)?,
        long: inner.numbers("long_factor", size / 2)?,
        original: original as usize,
        attention,
    })
}
