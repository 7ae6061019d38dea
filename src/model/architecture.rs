//! The table of supported architectures: each row holds everything that distinguishes a family.
//!
//! To add a family:
//! 1. Copy the most similar row of [`ARCHITECTURES`] and change what differs. Its linears follow the order of
//!    `named_modules()`. `print(model)` in Python shows names and order; the family's configuration class
//!    shows the defaults.
//! 2. Run it. If the files lack a tensor that the row names, or have it in another shape, an error says so.
//! 3. Compare logits with transformers to 1e-4 of their standard deviation: add a case to
//!    `tests/reference/make.py`. Most mistakes shift the logits a thousand times further.
//!
//! Only what a row cannot express yet, such as a new kind of norm, needs code: `config.rs` reads it,
//! `block.rs` runs it.

use crate::data::ProjectionKind;

/// How a block normalises its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// x / rms(x) * weight.
    RootMeanSquare,
    /// x / rms(x) * (1 + weight), as Gemma stores it.
    RootMeanSquarePlusOne,
    /// (x - mean) / std * weight + bias.
    Layer,
}

/// How a model encodes positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// Queries and keys are rotated.
    Rotary,
    /// A learned embedding is added to the token embedding; its first `offset` rows are not positions.
    Learned {
        /// The module's name, below the prefix.
        module: &'static str,
        /// Number of rows before position 0.
        offset: usize,
    },
}

/// Which linears of a block have biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// They never exist.
    Never,
    /// They always exist.
    Always,
    /// As this key of config.json says; the second value applies if the key is absent.
    Setting(&'static str, bool),
}

/// Which layers use sliding-window attention if the configuration does not list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// No layer.
    Never,
    /// Every layer, if `sliding_window` is set.
    All,
    /// Every second layer, starting with the first.
    Alternate,
    /// Layers from `max_window_layers` on, if `use_sliding_window` is set.
    Late,
    /// All but every `sliding_window_pattern`-th layer; the number is the default for an absent key.
    AllButEvery(usize),
}

/// What a family's class does with a key that caps scores or logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Softcap {
    /// It does not have the key.
    Unknown,
    /// It has the key, and computes without a cap.
    Unused,
    /// It applies the cap; the value is the default for an absent key.
    Applied(Option<f64>),
}

/// The bases of a family's rotations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bases {
    /// One for all blocks.
    One,
    /// One for blocks with full attention and one for sliding blocks; the numbers are the defaults for absent
    /// keys.
    ByAttention {
        /// The base of blocks with full attention.
        full: f64,
        /// The base of sliding blocks.
        sliding: f64,
    },
}

/// What a linear computes; fused projections hold several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One projection.
    One(ProjectionKind),
    /// Queries, keys and values stacked by rows.
    QueryKeyValue,
    /// Gate and up stacked by rows.
    GateUp,
}

/// One linear of a block.
#[derive(Clone, Copy, Debug)]
pub struct LinearRow {
    /// The module's name below the block.
    pub module: &'static str,
    /// What it computes.
    pub role: Role,
}

/// The names of a block's norms, below the block.
#[derive(Clone, Copy, Debug)]
pub struct NormNames {
    /// The norm before attention (after it, in a post-norm OPT).
    pub attention: &'static str,
    /// The norm on the attention's output, before the residual sum.
    pub after_attention: Option<&'static str>,
    /// The norm before the MLP.
    pub mlp: &'static str,
    /// The norm on the MLP's output, before the residual sum.
    pub after_mlp: Option<&'static str>,
    /// The norms of each head's queries and keys.
    pub query_key: Option<(&'static str, &'static str)>,
}

/// Defaults of a family's configuration class for keys that a config.json leaves out.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// `vocab_size`.
    pub vocabulary: usize,
    /// `hidden_size`.
    pub hidden: usize,
    /// `intermediate_size` or `ffn_dim`.
    pub intermediate: usize,
    /// `num_hidden_layers`.
    pub blocks: usize,
    /// `num_attention_heads`.
    pub heads: usize,
    /// `num_key_value_heads`; equals the number of heads if `None`.
    pub key_value_heads: Option<usize>,
    /// `head_dim`; the width divided by the number of heads if `None`.
    pub head_size: Option<usize>,
    /// `max_position_embeddings`.
    pub positions: usize,
    /// `rms_norm_eps`.
    pub epsilon: f64,
    /// `tie_word_embeddings`.
    pub tied: bool,
    /// `sliding_window`.
    pub window: Option<usize>,
    /// The activation's name.
    pub activation: &'static str,
}

/// One family of decoders, described by data.
#[derive(Clone, Copy, Debug)]
pub struct Architecture {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// The class in `architectures` of config.json.
    pub class: &'static str,
    /// The name shown to people.
    pub title: &'static str,
    /// The prefix of `layers` in `named_modules()`.
    pub prefix: &'static str,
    /// Possible prefixes of `layers` in the files, most usual first.
    pub file_prefixes: &'static [&'static str],
    /// Possible names of an untied output embedding in the files.
    pub heads: &'static [&'static str],
    /// The block linears, in `named_modules()` order.
    pub linears: &'static [LinearRow],
    /// The kind of every norm.
    pub norm: Norm,
    /// The names of the block's norms.
    pub norms: NormNames,
    /// The name of the norm before the head.
    pub final_norm: &'static str,
    /// How positions are encoded.
    pub positions: Positions,
    /// Biases of queries, keys and values.
    pub input_bias: Bias,
    /// The bias of the attention's output.
    pub output_bias: Bias,
    /// Biases of the MLP.
    pub mlp_bias: Bias,
    /// Which layers use sliding-window attention.
    pub window: Window,
    /// Whether embeddings are multiplied by the square root of the width.
    pub scaled_embedding: bool,
    /// The default of `query_pre_attn_scalar` if the family has that key.
    pub query_scalar: Option<f64>,
    /// What the class does with `attn_logit_softcapping`.
    pub attention_softcap: Softcap,
    /// What the class does with `final_logit_softcapping`.
    pub logit_softcap: Softcap,
    /// The bases of its rotations.
    pub bases: Bases,
    /// Whether a part of each head's channels may stay unrotated.
    pub partial_rotation: bool,
    /// The default of `original_max_position_embeddings` if the family's class has that key. In such a family
    /// `su` and `yarn` are older names of `longrope`.
    pub original_positions: Option<usize>,
    /// The key that names the MLP's function.
    pub activation_key: &'static str,
    /// Defaults of the configuration class.
    pub defaults: Defaults,
}

const fn one(module: &'static str, kind: ProjectionKind) -> LinearRow {
    LinearRow { module, role: Role::One(kind) }
}

const LLAMA_LINEARS: &[LinearRow] = &[
    one("self_attn.q_proj", ProjectionKind::Query),
    one("self_attn.k_proj", ProjectionKind::Key),
    one("self_attn.v_proj", ProjectionKind::Value),
    one("self_attn.o_proj", ProjectionKind::Out),
    one("mlp.gate_proj", ProjectionKind::Gate),
    one("mlp.up_proj", ProjectionKind::Up),
    one("mlp.down_proj", ProjectionKind::Down),
];

const PHI3_LINEARS: &[LinearRow] = &[
    one("self_attn.o_proj", ProjectionKind::Out),
    LinearRow { module: "self_attn.qkv_proj", role: Role::QueryKeyValue },
    LinearRow { module: "mlp.gate_up_proj", role: Role::GateUp },
    one("mlp.down_proj", ProjectionKind::Down),
];

const OPT_LINEARS: &[LinearRow] = &[
    one("self_attn.k_proj", ProjectionKind::Key),
    one("self_attn.v_proj", ProjectionKind::Value),
    one("self_attn.q_proj", ProjectionKind::Query),
    one("self_attn.out_proj", ProjectionKind::Out),
    one("fc1", ProjectionKind::Up),
    one("fc2", ProjectionKind::Down),
];

const LLAMA_NORMS: NormNames = NormNames {
    attention: "input_layernorm",
    after_attention: None,
    mlp: "post_attention_layernorm",
    after_mlp: None,
    query_key: None,
};

const LLAMA: Architecture = Architecture {
    model_type: "llama",
    class: "LlamaForCausalLM",
    title: "LLaMA",
    prefix: "model.",
    file_prefixes: &["model.", ""],
    heads: &["lm_head.weight"],
    linears: LLAMA_LINEARS,
    norm: Norm::RootMeanSquare,
    norms: LLAMA_NORMS,
    final_norm: "norm",
    positions: Positions::Rotary,
    input_bias: Bias::Setting("attention_bias", false),
    output_bias: Bias::Setting("attention_bias", false),
    mlp_bias: Bias::Setting("mlp_bias", false),
    window: Window::Never,
    scaled_embedding: false,
    query_scalar: None,
    attention_softcap: Softcap::Unknown,
    logit_softcap: Softcap::Unknown,
    bases: Bases::One,
    partial_rotation: false,
    original_positions: None,
    activation_key: "hidden_act",
    defaults: Defaults {
        vocabulary: 32000,
        hidden: 4096,
        intermediate: 11008,
        blocks: 32,
        heads: 32,
        key_value_heads: None,
        head_size: None,
        positions: 2048,
        epsilon: 1e-6,
        tied: false,
        window: None,
        activation: "silu",
    },
};

const QWEN2: Architecture = Architecture {
    model_type: "qwen2",
    class: "Qwen2ForCausalLM",
    title: "Qwen2",
    input_bias: Bias::Always,
    output_bias: Bias::Never,
    mlp_bias: Bias::Never,
    window: Window::Late,
    defaults: Defaults {
        vocabulary: 151_936,
        intermediate: 22016,
        key_value_heads: Some(32),
        positions: 32768,
        window: Some(4096),
        ..LLAMA.defaults
    },
    ..LLAMA
};

const GEMMA2: Architecture = Architecture {
    model_type: "gemma2",
    class: "Gemma2ForCausalLM",
    title: "Gemma 2",
    norm: Norm::RootMeanSquarePlusOne,
    norms: NormNames {
        attention: "input_layernorm",
        after_attention: Some("post_attention_layernorm"),
        mlp: "pre_feedforward_layernorm",
        after_mlp: Some("post_feedforward_layernorm"),
        query_key: None,
    },
    mlp_bias: Bias::Never,
    window: Window::Alternate,
    scaled_embedding: true,
    query_scalar: Some(256.0),
    attention_softcap: Softcap::Applied(Some(50.0)),
    logit_softcap: Softcap::Applied(Some(30.0)),
    activation_key: "hidden_activation",
    defaults: Defaults {
        vocabulary: 256_000,
        hidden: 2304,
        intermediate: 9216,
        blocks: 26,
        heads: 8,
        key_value_heads: Some(4),
        head_size: Some(256),
        positions: 8192,
        epsilon: 1e-6,
        tied: true,
        window: Some(4096),
        activation: "gelu_pytorch_tanh",
    },
    ..LLAMA
};

/// Every architecture that can be read and run.
pub const ARCHITECTURES: &[Architecture] = &[
    LLAMA,
    Architecture {
        model_type: "mistral",
        class: "MistralForCausalLM",
        title: "Mistral",
        input_bias: Bias::Never,
        output_bias: Bias::Never,
        mlp_bias: Bias::Never,
        window: Window::All,
        defaults: Defaults {
            intermediate: 14336,
            key_value_heads: Some(8),
            positions: 131_072,
            window: Some(4096),
            ..LLAMA.defaults
        },
        ..LLAMA
    },
    QWEN2,
    Architecture {
        model_type: "qwen3",
        class: "Qwen3ForCausalLM",
        title: "Qwen3",
        norms: NormNames { query_key: Some(("self_attn.q_norm", "self_attn.k_norm")), ..LLAMA_NORMS },
        input_bias: Bias::Setting("attention_bias", false),
        output_bias: Bias::Setting("attention_bias", false),
        defaults: Defaults { head_size: Some(128), ..QWEN2.defaults },
        ..QWEN2
    },
    GEMMA2,
    Architecture {
        model_type: "gemma3_text",
        class: "Gemma3ForCausalLM",
        title: "Gemma 3",
        norms: NormNames { query_key: Some(("self_attn.q_norm", "self_attn.k_norm")), ..GEMMA2.norms },
        window: Window::AllButEvery(6),
        attention_softcap: Softcap::Unused,
        logit_softcap: Softcap::Applied(None),
        bases: Bases::ByAttention { full: 1_000_000.0, sliding: 10_000.0 },
        defaults: Defaults { vocabulary: 262_208, positions: 131_072, ..GEMMA2.defaults },
        ..GEMMA2
    },
    Architecture {
        model_type: "phi3",
        class: "Phi3ForCausalLM",
        title: "Phi-3",
        linears: PHI3_LINEARS,
        input_bias: Bias::Never,
        output_bias: Bias::Never,
        mlp_bias: Bias::Never,
        window: Window::All,
        partial_rotation: true,
        original_positions: Some(4096),
        defaults: Defaults {
            vocabulary: 32064,
            hidden: 3072,
            intermediate: 8192,
            positions: 4096,
            epsilon: 1e-5,
            ..LLAMA.defaults
        },
        ..LLAMA
    },
    Architecture {
        model_type: "opt",
        class: "OPTForCausalLM",
        title: "OPT",
        prefix: "model.decoder.",
        file_prefixes: &["model.decoder.", "decoder.", ""],
        linears: OPT_LINEARS,
        norm: Norm::Layer,
        norms: NormNames {
            attention: "self_attn_layer_norm",
            after_attention: None,
            mlp: "final_layer_norm",
            after_mlp: None,
            query_key: None,
        },
        final_norm: "final_layer_norm",
        positions: Positions::Learned { module: "embed_positions", offset: 2 },
        input_bias: Bias::Setting("enable_bias", true),
        output_bias: Bias::Setting("enable_bias", true),
        mlp_bias: Bias::Setting("enable_bias", true),
        activation_key: "activation_function",
        defaults: Defaults {
            vocabulary: 50272,
            hidden: 768,
            intermediate: 3072,
            blocks: 12,
            heads: 12,
            positions: 2048,
            epsilon: 1e-5,
            tied: true,
            activation: "relu",
            ..LLAMA.defaults
        },
        ..LLAMA
    },
];

impl Architecture {
    /// Returns the row of a model type, or of a class if no model type is given.
    pub fn find(model_type: Option<&str>, class: Option<&str>) -> Option<Self> {
        let mut rows = ARCHITECTURES.iter();
        match (model_type, class) {
            (Some(model_type), _) => rows.find(|row| row.model_type == model_type),
            (None, Some(class)) => rows.find(|row| row.is_class(class)),
            (None, None) => None,
        }
        .copied()
    }

    /// Returns whether a transformers class computes what this row describes, with or without the output
    /// embedding.
    pub fn is_class(&self, class: &str) -> bool {
        let stem = self.class.trim_end_matches("ForCausalLM");
        // Early LLaMA files spell it with different capitals.
        class.eq_ignore_ascii_case(self.class)
            || [format!("{stem}Model"), format!("{stem}TextModel")].iter().any(|it| it == class)
    }

    /// Returns the supported model types as text for messages.
    pub fn supported() -> String {
        let mut names: Vec<&str> = ARCHITECTURES.iter().map(|row| row.model_type).collect();
        names.push("and language models inside a model with a text_config, such as llava or gemma3");
        names.join(", ")
    }
}
