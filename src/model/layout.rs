//! Which tensors a configuration calls for: their names, in memory and in the files, and their shapes.

use super::architecture::{Positions, Role};
use super::config::Config;
use super::error::ModelError;
use super::files::TensorFiles;
use crate::data::ProjectionKind;

/// The four places in a block where linears read; those that share an input share a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// The input of queries, keys and values.
    AttentionInput,
    /// The input of the attention's output projection.
    AttentionOutput,
    /// The input of gate and up.
    MlpInput,
    /// The input of down.
    MlpMiddle,
}

impl Site {
    /// Every site, in the order in which a block reaches them.
    pub const ALL: [Self; 4] = [Self::AttentionInput, Self::AttentionOutput, Self::MlpInput, Self::MlpMiddle];

    /// Returns the site that a linear of this role reads from.
    pub fn of(role: Role) -> Self {
        match role {
            Role::QueryKeyValue
            | Role::One(ProjectionKind::Query | ProjectionKind::Key | ProjectionKind::Value) => {
                Self::AttentionInput
            }
            Role::One(ProjectionKind::Out) => Self::AttentionOutput,
            Role::GateUp | Role::One(ProjectionKind::Gate | ProjectionKind::Up) => Self::MlpInput,
            Role::One(ProjectionKind::Down) => Self::MlpMiddle,
        }
    }
}

/// One linear of one block.
#[derive(Clone, Debug)]
pub struct Linear {
    /// The module's name in `named_modules()`, such as `model.layers.0.self_attn.q_proj`.
    pub module: String,
    /// The weight's name in the files.
    pub weight: String,
    /// The bias's name in the files, if it has one.
    pub bias: Option<String>,
    /// The block it belongs to, from 0.
    pub block: usize,
    /// What it computes.
    pub role: Role,
    /// Where it reads from.
    pub site: Site,
    /// The share of its parameters of each kind, in the order of [`ProjectionKind::ALL`].
    pub kinds: [f64; 7],
    /// Output channels.
    pub rows: usize,
    /// Input channels.
    pub columns: usize,
}

/// The names and shapes of all tensors that a decoder needs.
#[derive(Clone, Debug)]
pub struct Layout {
    /// What the names of the language model's tensors begin with, all but the head's.
    pub(super) prefix: String,
    /// The token embedding, `[vocabulary, embedding]`.
    pub embedding: String,
    /// The output embedding, `[vocabulary, embedding]`; the token embedding's name when tied.
    pub head: String,
    /// The learned positions, `[offset + positions, hidden]`.
    pub positions: Option<(String, usize)>,
    /// The projections between the width of the embedding and that of the blocks, where they differ.
    pub project: Option<(String, String)>,
    /// The norm before the head, without `.weight`.
    pub final_norm: String,
    /// Every linear of every block, in `named_modules()` order.
    pub linears: Vec<Linear>,
}

impl Layout {
    /// Finds every tensor that `config` calls for in `files`, and checks its shape.
    ///
    /// # Errors
    /// When one is missing, or has another shape or a type that is not a float of 16 or 32 bits.
    pub fn find(config: &Config, files: &TensorFiles) -> Result<Self, ModelError> {
        let architecture = &config.architecture;
        let prefix = architecture
            .file_prefixes
            .iter()
            .find(|prefix| files.contains(&format!("{prefix}embed_tokens.weight")))
            .or(architecture.file_prefixes.first())
            .copied()
            .unwrap_or_default()
            .to_owned();
        let embedding = format!("{prefix}embed_tokens.weight");
        let head = if config.tied {
            embedding.clone()
        } else {
            let heads = architecture.heads;
            let found = heads.iter().find(|name| files.contains(name));
            found.or(heads.first()).copied().unwrap_or("lm_head.weight").to_owned()
        };
        let layout = Self {
            positions: match architecture.positions {
                Positions::Rotary => None,
                Positions::Learned { module, offset } => Some((format!("{prefix}{module}.weight"), offset)),
            },
            project: (config.embedding != config.hidden)
                .then(|| (format!("{prefix}project_in.weight"), format!("{prefix}project_out.weight"))),
            final_norm: format!("{prefix}{}", architecture.final_norm),
            linears: linears(config, &prefix, files)?,
            embedding,
            head,
            prefix,
        };
        layout.check(config, files)?;
        Ok(layout)
    }

    /// Returns the name in the files of a module below block `block`.
    pub fn in_block(&self, block: usize, module: &str) -> String {
        format!("{}layers.{block}.{module}", self.prefix)
    }

    fn check(&self, config: &Config, files: &TensorFiles) -> Result<(), ModelError> {
        let float = |name: &str, shape: &[usize]| {
            files.shaped(name, shape)?;
            files.values(name).map(|_| ())
        };
        let table = [config.vocabulary, config.embedding];
        float(&self.embedding, &table)?;
        float(&self.head, &table)?;
        if let Some((name, offset)) = &self.positions {
            float(name, &[offset + config.positions, config.hidden])?;
        }
        if let Some((input, output)) = &self.project {
            float(input, &[config.hidden, config.embedding])?;
            float(output, &[config.embedding, config.hidden])?;
        }
        let names = &config.architecture.norms;
        let block_norms = [
            Some((names.attention, config.hidden)),
            names.after_attention.map(|it| (it, config.hidden)),
            Some((names.mlp, config.hidden)),
            names.after_mlp.map(|it| (it, config.hidden)),
            names.query_key.map(|it| (it.0, config.head_size)),
            names.query_key.map(|it| (it.1, config.head_size)),
        ];
        let mut norms: Vec<(String, usize)> = (0..config.blocks)
            .flat_map(|block| {
                block_norms.iter().flatten().map(move |(module, size)| (self.in_block(block, module), *size))
            })
            .collect();
        if config.has_final_norm() {
            norms.push((self.final_norm.clone(), config.hidden));
        }
        for (norm, size) in norms {
            float(&format!("{norm}.weight"), &[size])?;
            if config.architecture.norm == super::architecture::Norm::Layer {
                float(&format!("{norm}.bias"), &[size])?;
            }
        }
        Ok(())
    }
}

fn linears(config: &Config, prefix: &str, files: &TensorFiles) -> Result<Vec<Linear>, ModelError> {
    let mut all = Vec::new();
    for block in 0..config.blocks {
        for row in config.architecture.linears {
            let below = format!("layers.{block}.{}", row.module);
            let (rows, columns) = shape(config, row.role);
            let weight = format!("{prefix}{below}.weight");
            // Each weight is looked up as it is listed, so that an absurd configuration stops at its first block.
            files.shaped(&weight, &[rows, columns])?;
            files.values(&weight)?;
            let biased = match Site::of(row.role) {
                Site::AttentionInput => config.input_bias,
                Site::AttentionOutput => config.output_bias,
                Site::MlpInput | Site::MlpMiddle => config.mlp_bias,
            };
            let bias = biased.then(|| format!("{prefix}{below}.bias"));
            if let Some(bias) = &bias {
                files.shaped(bias, &[rows])?;
                files.values(bias)?;
            }
            all.push(Linear {
                module: format!("{}{below}", config.architecture.prefix),
                weight,
                bias,
                block,
                role: row.role,
                site: Site::of(row.role),
                kinds: kinds(config, row.role),
                rows,
                columns,
            });
        }
    }
    Ok(all)
}

/// Returns the rows and columns of a linear's weight.
pub(super) fn shape(config: &Config, role: Role) -> (usize, usize) {
    let queries = config.heads * config.head_size;
    let keys = config.key_value_heads * config.head_size;
    match role {
        Role::QueryKeyValue => (queries + 2 * keys, config.hidden),
        Role::GateUp => (2 * config.intermediate, config.hidden),
        Role::One(kind) => match kind {
            ProjectionKind::Query => (queries, config.hidden),
            ProjectionKind::Key | ProjectionKind::Value => (keys, config.hidden),
            ProjectionKind::Out => (config.hidden, queries),
            ProjectionKind::Gate | ProjectionKind::Up => (config.intermediate, config.hidden),
            ProjectionKind::Down => (config.hidden, config.intermediate),
        },
    }
}

fn kinds(config: &Config, role: Role) -> [f64; 7] {
    let parts: &[(ProjectionKind, usize)] = match role {
        Role::One(kind) => &[(kind, 1)],
        Role::QueryKeyValue => &[
            (ProjectionKind::Query, config.heads),
            (ProjectionKind::Key, config.key_value_heads),
            (ProjectionKind::Value, config.key_value_heads),
        ],
        Role::GateUp => &[(ProjectionKind::Gate, 1), (ProjectionKind::Up, 1)],
    };
    let whole: usize = parts.iter().map(|part| part.1).sum();
    ProjectionKind::ALL.map(|kind| {
        let share: usize = parts.iter().filter(|part| part.0 == kind).map(|part| part.1).sum();
        share as f64 / whole as f64
    })
}
