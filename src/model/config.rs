//! Reads `config.json`, as transformers 4 and 5 write it, into the numbers that the decoder needs.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::activation::Activation;
use super::architecture::{Architecture, Bias, Positions, Softcap, Window};
use super::around::{Inside, inside};
use super::error::ModelError;
use super::form::of_folder;
use super::keys::Keys;
use super::known_keys::{Part, unread};
use super::quantised;
use super::rope_keys::{self, FULL, SLIDING};
use super::rotary::Rotary;
use super::warning::ModelWarning;

/// Everything about a decoder that its weights do not show.
#[derive(Clone, Debug)]
pub struct Config {
    /// The family.
    pub architecture: Architecture,
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// The width of the residual stream.
    pub hidden: usize,
    /// The width of the token embedding. It differs from `hidden` in some OPT models, which then project.
    pub embedding: usize,
    /// The width between an MLP's two layers.
    pub intermediate: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads.
    pub key_value_heads: usize,
    /// The width of a head.
    pub head_size: usize,
    /// The longest context, in tokens.
    pub positions: usize,
    /// The number added to the variance in norms.
    pub epsilon: f64,
    /// The MLP's function.
    pub activation: Activation,
    /// How queries and keys are rotated, if at all.
    pub rotary: Option<Rotary>,
    /// How they are rotated in sliding blocks, if that differs.
    pub sliding_rotary: Option<Rotary>,
    /// The sliding window in tokens, and which blocks slide.
    pub window: Option<(usize, Vec<bool>)>,
    /// Whether queries, keys and values have biases.
    pub input_bias: bool,
    /// Whether the attention's output has a bias.
    pub output_bias: bool,
    /// Whether the MLP's linears have biases.
    pub mlp_bias: bool,
    /// The factor that multiplies scores before the softmax.
    pub query_scale: f64,
    /// The cap c of c * tanh(score / c), if any.
    pub attention_softcap: Option<f64>,
    /// The cap of the logits, if any.
    pub logit_softcap: Option<f64>,
    /// The factor that multiplies embeddings.
    pub embedding_scale: f64,
    /// Whether input and output embedding are tied, unless the files hold a separate output embedding.
    pub tied: bool,
    /// Whether config.json itself says whether they are tied.
    pub(super) tie_is_said: bool,
    /// Whether norms come before attention and MLP (after them in OPT-350m).
    pub norm_first: bool,
    /// Whether a norm comes before the head.
    pub final_norm: bool,
    /// Whether norms have weights (and biases, if the family's norms have them).
    pub norm_weights: bool,
    /// Whether the language model is part of a larger model, whose other tensors lie beside its own.
    pub inside: bool,
    /// Warnings about the configuration.
    pub warnings: Vec<ModelWarning>,
}

/// Larger counts are typing errors or attacks, not models.
const LARGEST_COUNT: u64 = 1 << 31;
const MOST_BLOCKS: usize = 10_000;

impl Config {
    /// Reads a model folder's `config.json`.
    ///
    /// # Errors
    /// When the file is missing or not JSON, the architecture is not in the table, or a value cannot be used.
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
        // A folder that cannot be searched must not be reported as one without a config.
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => {
                let folder = folder.to_owned();
                return Err(match of_folder(&folder) {
                    Some(form) => ModelError::Form { folder, form },
                    None => ModelError::NoConfig { folder },
                });
            }
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

    /// Returns the length up to which a sequence may be cut into pieces. Longer ones have different angles
    /// from their first token on, because some models stretch positions by the total length.
    pub fn longest_shared(&self) -> usize {
        let rotations = [&self.rotary, &self.sliding_rotary];
        rotations.into_iter().flatten().map(Rotary::steady_length).min().unwrap_or(usize::MAX)
    }

    /// Reads a configuration that has already been parsed; `path` is used in error messages.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(path: &Path, object: &Map<String, Value>) -> Result<Self, ModelError> {
        let outer = Keys::new(path, object);
        quantised::check_config(&outer)?;
        let empty = Map::new();
        let Some(inside) = inside(&outer, &empty)? else {
            let architecture = find(path, outer.text("model_type")?, outer.first_text("architectures"))?;
            let mut warnings = check_class(&outer, &architecture)?;
            let tied = outer.flag("tie_word_embeddings", architecture.defaults.tied)?;
            let mut config = Self::with(architecture, &outer)?;
            config.tied = tied;
            config.tie_is_said = outer.has("tie_word_embeddings");
            warnings.append(&mut config.warnings);
            warnings.extend(unread(&outer, Part::Decoder(config.blocks))?);
            return Ok(Self { warnings, ..config });
        };
        let inner = Keys::below(path, inside.text, "text_config.");
        Self::of_inside(&outer, &inner, &inside)
    }

    /// Reads the language model inside another model.
    fn of_inside(outer: &Keys<'_>, inner: &Keys<'_>, inside: &Inside<'_>) -> Result<Self, ModelError> {
        quantised::check_config(inner)?;
        let mut architecture = find(outer.path(), Some(inside.model_type), None)?;
        architecture.prefix = inside.prefix;
        inner.decided(&["model_type"]);
        let mut warnings = check_class(inner, &architecture)?;
        if let (Some(model_type), path) = (&inside.unknown, outer.path().to_owned()) {
            warnings.push(ModelWarning::UnknownAround { path, model_type: model_type.clone() });
        }
        // Either object may say so: transformers 5 writes it to the outer one, older files to the inner one.
        let said = |keys: &Keys<'_>| -> Result<Option<bool>, ModelError> {
            Ok(if keys.has("tie_word_embeddings") {
                Some(keys.flag("tie_word_embeddings", false)?)
            } else {
                None
            })
        };
        let (around, within) = (said(outer)?, said(inner)?);
        let mut config = Self::with(architecture, inner)?;
        // The class around a language model has an output embedding of its own, and caps nothing.
        if let (Some(class), Some(value)) = (inside.class, config.logit_softcap) {
            config.logit_softcap = None;
            let (path, key) = (outer.path().to_owned(), inner.name("final_logit_softcapping"));
            config.warnings.push(ModelWarning::NotApplied { path, key, value, class });
        }
        config.tied = match (around, within) {
            (None, None) => inside.tied || config.architecture.defaults.tied,
            (around, within) => around == Some(true) || within == Some(true),
        };
        config.tie_is_said = around.is_some() || within.is_some();
        config.inside = true;
        warnings.append(&mut config.warnings);
        warnings.extend(unread(inner, Part::Decoder(config.blocks))?);
        if outer.has("auto_map") && inside.unknown.is_none() {
            let class = config.architecture.class.to_owned();
            warnings.push(ModelWarning::OwnCode { path: outer.path().to_owned(), class });
        }
        warnings.extend(unread(outer, Part::Around)?);
        Ok(Self { warnings, ..config })
    }

    fn with(architecture: Architecture, keys: &Keys<'_>) -> Result<Self, ModelError> {
        let defaults = &architecture.defaults;
        let count = |names: &[&str], default| keys.count(names, default, LARGEST_COUNT);
        let hidden = count(&["hidden_size"], defaults.hidden)?;
        let learned = matches!(architecture.positions, Positions::Learned { .. });
        let (heads, key_value_heads) = read_heads(keys, &architecture)?;
        let head_size = match learned {
            true => hidden / heads,
            false => count(&["head_dim"], defaults.head_size.unwrap_or(hidden / heads))?,
        };
        let blocks = read_blocks(keys, defaults.blocks)?;
        let positions = count(&["max_position_embeddings"], defaults.positions)?;
        let rotations = match learned {
            true => None,
            false => Some(rope_keys::read(keys, &architecture, head_size, positions)?),
        };
        let positions = rotations.as_ref().map_or(positions, |it| it.positions);
        let query_scalar = match architecture.query_scalar {
            Some(default) => keys.number("query_pre_attn_scalar")?.unwrap_or(default),
            None => head_size as f64,
        };
        let mut warnings = Vec::new();
        let activation = read_activation(keys, &architecture, &mut warnings)?;
        let mut softcap = |key, softcap| read_softcap(keys, key, softcap, &architecture, &mut warnings);
        let attention_softcap = softcap("attn_logit_softcapping", architecture.attention_softcap)?;
        let logit_softcap = softcap("final_logit_softcapping", architecture.logit_softcap)?;
        let window = read_window(keys, &architecture, blocks, &mut warnings)?;
        let (rotary, sliding_rotary) = match rotations {
            Some(rotations) => {
                warnings.extend(rotations.warnings);
                (Some(rotations.full), rotations.sliding)
            }
            None => (None, None),
        };
        let norm_first = if learned { keys.flag("do_layer_norm_before", true)? } else { true };
        // Without norms before the parts there is no final norm that this key could remove.
        let removed = learned && keys.flag("_remove_final_layer_norm", false)?;
        Ok(Self {
            vocabulary: count(&["vocab_size"], defaults.vocabulary)?,
            hidden,
            embedding: if learned { count(&["word_embed_proj_dim"], hidden)? } else { hidden },
            intermediate: count(
                &[if learned { "ffn_dim" } else { "intermediate_size" }],
                defaults.intermediate,
            )?,
            blocks,
            heads,
            key_value_heads,
            head_size,
            positions,
            epsilon: if learned { None } else { keys.number("rms_norm_eps")? }.unwrap_or(defaults.epsilon),
            activation,
            rotary,
            sliding_rotary,
            window,
            input_bias: read_bias(keys, architecture.input_bias)?,
            output_bias: read_bias(keys, architecture.output_bias)?,
            mlp_bias: read_bias(keys, architecture.mlp_bias)?,
            query_scale: query_scalar.powf(-0.5),
            attention_softcap,
            logit_softcap,
            embedding_scale: if architecture.scaled_embedding { (hidden as f64).sqrt() } else { 1.0 },
            tied: defaults.tied,
            tie_is_said: false,
            norm_first,
            final_norm: norm_first && !removed,
            norm_weights: !learned || keys.flag("layer_norm_elementwise_affine", true)?,
            inside: false,
            warnings,
            architecture,
        })
    }

    /// Returns how many tokens block `block` attends to, itself included, if it is a sliding block.
    pub fn window_of(&self, block: usize) -> Option<usize> {
        let (window, slides) = self.window.as_ref()?;
        slides.get(block).is_some_and(|&it| it).then_some(*window)
    }
}

fn find(path: &Path, model_type: Option<&str>, class: Option<&str>) -> Result<Architecture, ModelError> {
    Architecture::find(model_type, class).ok_or_else(|| ModelError::Architecture {
        path: path.to_owned(),
        found: model_type.or(class).unwrap_or("(none named)").to_owned(),
        supported: Architecture::supported(),
    })
}

/// Refuses a class that computes something other than the family's class. Warns of the folder's own code.
fn check_class(keys: &Keys<'_>, architecture: &Architecture) -> Result<Vec<ModelWarning>, ModelError> {
    let other = |key: &str, found: &str| ModelError::Class {
        path: keys.path().to_owned(),
        key: keys.name(key),
        found: found.to_owned(),
        model_type: architecture.model_type,
        class: architecture.class,
    };
    if let Some(class) = keys.first_text("architectures").filter(|class| !architecture.is_class(class)) {
        return Err(other("architectures", class));
    }
    let Some(own) = keys.object("auto_map")?.filter(|it| !it.is_empty()) else { return Ok(Vec::new()) };
    let decoder = own.get("AutoModelForCausalLM").and_then(Value::as_str);
    // The name has the form `module.Class` or `owner/name--module.Class`.
    if let Some(class) = decoder.and_then(|it| it.rsplit('.').next()).filter(|it| !architecture.is_class(it))
    {
        return Err(other("auto_map", class));
    }
    Ok(vec![ModelWarning::OwnCode { path: keys.path().to_owned(), class: architecture.class.to_owned() }])
}

/// Returns the number of query heads, and of key and value heads.
fn read_heads(keys: &Keys<'_>, architecture: &Architecture) -> Result<(usize, usize), ModelError> {
    let defaults = &architecture.defaults;
    let heads = keys.count(&["num_attention_heads"], defaults.heads, LARGEST_COUNT)?;
    if architecture.positions != Positions::Rotary {
        return Ok((heads, heads));
    }
    // The classes have a default for an absent key, and replace null by the number of query heads.
    let default = match keys.is_null("num_key_value_heads") {
        true => heads,
        false => defaults.key_value_heads.unwrap_or(heads),
    };
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
        Bias::Always => {
            // Some configurations state what the class does anyway.
            keys.decided(&["attention_bias", "qkv_bias"]);
            Ok(true)
        }
        Bias::Setting(key, default) => keys.flag(key, default),
    }
}

/// Reads the cap of scores or of logits. A cap written as null is switched off.
fn read_softcap(
    keys: &Keys<'_>,
    key: &str,
    softcap: Softcap,
    architecture: &Architecture,
    warnings: &mut Vec<ModelWarning>,
) -> Result<Option<f64>, ModelError> {
    match softcap {
        Softcap::Unknown => Ok(None),
        Softcap::Unused => {
            if let Some(cap) = keys.number(key)? {
                warnings.push(ModelWarning::NotApplied {
                    path: keys.path().to_owned(),
                    key: keys.name(key),
                    value: cap,
                    class: architecture.class,
                });
            }
            Ok(None)
        }
        Softcap::Applied(_) if keys.is_null(key) => Ok(None),
        Softcap::Applied(default) => Ok(keys.number(key)?.or(default)),
    }
}

fn read_activation(
    keys: &Keys<'_>,
    architecture: &Architecture,
    warnings: &mut Vec<ModelWarning>,
) -> Result<Activation, ModelError> {
    let (key, default) = (architecture.activation_key, architecture.defaults.activation);
    let name = keys.text(key)?.unwrap_or(default);
    let Some(activation) = Activation::named(name) else {
        return Err(
            keys.wrong(key, format!("is `{name}`; supported are silu, gelu, gelu_pytorch_tanh and relu"))
        );
    };
    for other in ["hidden_act", "hidden_activation", "activation_function"].iter().filter(|it| **it != key) {
        let Some(text) = keys.text(other)? else { continue };
        if Activation::named(text) != Some(activation) {
            warnings.push(ModelWarning::OtherKey {
                path: keys.path().to_owned(),
                key: format!("`{}`: `{text}`", keys.name(other)),
                used: format!("`{key}`: `{name}`"),
            });
        }
    }
    Ok(activation)
}

/// Reads the sliding window and which blocks slide: from `layer_types` if the family has that key, else from
/// the family's pattern.
fn read_window(
    keys: &Keys<'_>,
    architecture: &Architecture,
    blocks: usize,
    warnings: &mut Vec<ModelWarning>,
) -> Result<Option<(usize, Vec<bool>)>, ModelError> {
    let listed = read_layer_types(keys, blocks)?;
    let window = read_window_length(keys, architecture)?;
    let first_late = match architecture.window {
        Window::Late => keys.index("max_window_layers", 28, LARGEST_COUNT)?,
        _ => 0,
    };
    let every = match architecture.window {
        Window::AllButEvery(every) => read_pattern(keys, every, listed.is_some(), warnings)?,
        _ => 1,
    };
    let pattern: Vec<bool> = (0..blocks)
        .map(|block| match architecture.window {
            Window::Never => false,
            Window::All => window.is_some(),
            Window::Alternate => block % 2 == 0,
            Window::Late => window.is_some() && block >= first_late,
            Window::AllButEvery(_) => (block + 1) % every != 0,
        })
        .collect();
    let decides = !matches!(architecture.window, Window::Never | Window::All);
    let slides = match listed {
        Some(listed) if decides => listed,
        Some(listed) if listed != pattern => {
            let problem = "lists other sliding blocks than this family's class computes";
            return Err(keys.wrong("layer_types", problem));
        }
        _ => pattern,
    };
    match window {
        None if decides && slides.contains(&true) && keys.has("layer_types") => {
            Err(keys.wrong("layer_types", "lists sliding blocks, but there is no sliding window"))
        }
        None => Ok(None),
        Some(window) => Ok(slides.contains(&true).then_some((window, slides))),
    }
}

/// Reads after how many blocks one has full attention; `every` is the default. transformers writes the number
/// under a private name too, which its class never reads.
fn read_pattern(
    keys: &Keys<'_>,
    every: usize,
    listed: bool,
    warnings: &mut Vec<ModelWarning>,
) -> Result<usize, ModelError> {
    const KEY: &str = "sliding_window_pattern";
    const PRIVATE: &str = "_sliding_window_pattern";
    let found = keys.count(&[KEY], every, LARGEST_COUNT)?;
    let private = keys.count(&[PRIVATE], found, LARGEST_COUNT)?;
    if private != found && !listed {
        warnings.push(ModelWarning::OtherKey {
            path: keys.path().to_owned(),
            key: format!("`{}`: `{private}`", keys.name(PRIVATE)),
            used: format!("`{}`: `{found}`", keys.name(KEY)),
        });
    }
    Ok(found)
}

/// Returns the length of the sliding window in tokens, if the family has one and it is on.
fn read_window_length(keys: &Keys<'_>, architecture: &Architecture) -> Result<Option<usize>, ModelError> {
    if architecture.window == Window::Never {
        return Ok(None);
    }
    if architecture.window == Window::Late && !keys.flag("use_sliding_window", false)? {
        keys.decided(&["sliding_window", "max_window_layers"]);
        return Ok(None);
    }
    match architecture.defaults.window {
        _ if keys.is_null("sliding_window") => Ok(None),
        Some(default) => Ok(Some(keys.count(&["sliding_window"], default, LARGEST_COUNT)?)),
        None if keys.has("sliding_window") => Ok(Some(keys.count(&["sliding_window"], 0, LARGEST_COUNT)?)),
        None => Ok(None),
    }
}

/// Returns which blocks slide, if `layer_types` lists them.
fn read_layer_types(keys: &Keys<'_>, blocks: usize) -> Result<Option<Vec<bool>>, ModelError> {
    let Some(types) = keys.texts("layer_types")? else { return Ok(None) };
    if types.len() != blocks {
        return Err(keys.wrong("layer_types", format!("has {} entries for {blocks} blocks", types.len())));
    }
    let slides = types.iter().map(|it| match *it {
        FULL => Ok(false),
        SLIDING => Ok(true),
        other => {
            Err(keys.wrong("layer_types", format!("names `{other}`; supported are {FULL} and {SLIDING}")))
        }
    });
    slides.collect::<Result<_, _>>().map(Some)
}
