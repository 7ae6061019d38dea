//! The tensors that a configuration requires: their names in memory and in the files, and their shapes.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::architecture::{Norm, Positions, Role};
use super::config::Config;
use super::error::ModelError;
use super::files::TensorFiles;
use super::warning::ModelWarning;
use crate::data::ProjectionKind;

/// The four places in a block where linears read their inputs; linears that share an input share a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// The input of the query, key and value projections.
    AttentionInput,
    /// The input of the attention's output projection.
    AttentionOutput,
    /// The input of the gate and up projections.
    MlpInput,
    /// The input of the down projection.
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
    /// The role of the linear.
    pub role: Role,
    /// The site of its input.
    pub site: Site,
    /// The share of its parameters in each kind, in the order of [`ProjectionKind::ALL`].
    pub kinds: [f64; 7],
    /// Output channels.
    pub rows: usize,
    /// Input channels.
    pub columns: usize,
}

/// The names and shapes of all tensors that a decoder needs.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Prefix of the names of all tensors of the language model except the head.
    pub(super) prefix: String,
    /// The token embedding, `[vocabulary, embedding]`.
    pub embedding: String,
    /// The output embedding, `[vocabulary, embedding]`; the token embedding's name when tied.
    pub head: String,
    /// The learned positions, `[offset + positions, hidden]`.
    pub positions: Option<(String, usize)>,
    /// The projections between the embedding's width and the blocks' width, if they differ.
    pub project: Option<(String, String)>,
    /// The norm before the head, without `.weight`.
    pub final_norm: String,
    /// Every linear of every block, in `named_modules()` order.
    pub linears: Vec<Linear>,
}

impl Layout {
    /// Finds every tensor that `config` requires in `files`, and checks its shape.
    ///
    /// # Errors
    /// When a tensor is missing, or has another shape or a type that is not a 16- or 32-bit float.
    pub fn find(config: &Config, files: &TensorFiles) -> Result<Self, ModelError> {
        let architecture = &config.architecture;
        let prefix = prefix(config, files)?;
        let (embedding, head) = embeddings(config, files, &prefix)?;
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

    /// Returns the name in the files of a module inside block `block`.
    pub fn in_block(&self, block: usize, module: &str) -> String {
        format!("{}layers.{block}.{module}", self.prefix)
    }

    fn check(&self, config: &Config, files: &TensorFiles) -> Result<(), ModelError> {
        for (name, shape) in self.around_linears(config) {
            files.shaped(&name, &shape)?;
            files.values(&name)?;
        }
        Ok(())
    }

    /// Returns every tensor that a decoder reads apart from the blocks' linears, with its shape.
    fn around_linears(&self, config: &Config) -> Vec<(String, Vec<usize>)> {
        let table = vec![config.vocabulary, config.embedding];
        let mut all = vec![(self.embedding.clone(), table.clone()), (self.head.clone(), table)];
        if let Some((name, offset)) = &self.positions {
            all.push((name.clone(), vec![offset + config.positions, config.hidden]));
        }
        if let Some((input, output)) = &self.project {
            all.push((input.clone(), vec![config.hidden, config.embedding]));
            all.push((output.clone(), vec![config.embedding, config.hidden]));
        }
        if !config.norm_weights {
            return all;
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
        if config.final_norm {
            norms.push((self.final_norm.clone(), config.hidden));
        }
        for (norm, size) in norms {
            all.push((format!("{norm}.weight"), vec![size]));
            if config.architecture.norm == Norm::Layer {
                all.push((format!("{norm}.bias"), vec![size]));
            }
        }
        all
    }

    /// Returns warnings about the files: a separate output embedding, and unused tensors.
    pub(super) fn warnings(&self, config: &Config, files: &TensorFiles) -> Vec<ModelWarning> {
        let mut warnings = Vec::new();
        if config.tied && config.tie_is_said && self.head != self.embedding {
            let (head, embedding) = (self.head.clone(), self.embedding.clone());
            warnings.push(ModelWarning::HeadOfItsOwn { path: files.place(), head, embedding });
        }
        let names = self.unused(config, files);
        if !names.is_empty() {
            warnings.push(ModelWarning::UnusedTensors { path: files.place(), names });
        }
        warnings
    }

    /// Returns whether a larger model's tensor belongs to its language model: it lies below the language
    /// model's module, is a head, or has the name that it would have in a folder of the language model alone.
    fn is_own(&self, config: &Config, name: &str) -> bool {
        let mut end = 0;
        let root = self.prefix.split_inclusive('.').find_map(|part| {
            end += part.len();
            let is_root = part.contains("language_model") || part.contains("text_model");
            is_root.then(|| &self.prefix[..end])
        });
        let below = |prefix: &str, module: &str| {
            name.strip_prefix(prefix)
                .and_then(|it| it.strip_prefix(module))
                .is_some_and(|it| it.starts_with('.'))
        };
        let root = root.unwrap_or(&self.prefix);
        // Older files have the language model's module at the top, newer ones below `model.`.
        name.starts_with(root)
            || name.starts_with(root.strip_prefix("model.").filter(|it| !it.is_empty()).unwrap_or(root))
            || TOPS.iter().any(|top| below("", top))
            || config.architecture.file_prefixes.iter().any(|prefix| {
                ["embed_tokens", "layers", config.architecture.final_norm].iter().any(|it| below(prefix, it))
            })
    }

    /// Returns the language model's tensors that its decoder does not read. Tensors of all blocks share one
    /// entry with their count. If the model is part of a larger one, the larger model's own tensors are not
    /// included.
    fn unused(&self, config: &Config, files: &TensorFiles) -> Vec<(String, usize)> {
        let mut used: BTreeSet<String> = self.around_linears(config).into_iter().map(|it| it.0).collect();
        used.extend(self.linears.iter().flat_map(|it| [Some(it.weight.clone()), it.bias.clone()]).flatten());
        // A head that equals the one in use, such as a tied embedding, is used under the other name.
        let equal = |name: &String| files.contains(name) && same(files, name, &self.head).unwrap_or(false);
        used.extend(heads(config, &self.prefix).into_iter().filter(equal));
        let own = |name: &str| !config.inside || self.is_own(config, name);
        let left = files.names().filter(|name| own(name) && !used.contains(*name) && !is_derived(name));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for name in left {
            *counts.entry(without_numbers(name)).or_default() += 1;
        }
        counts.into_iter().collect()
    }
}

/// Names of modules on top of a decoder, which a larger model's file holds outside the decoder's prefix.
const TOPS: &[&str] = &["lm_head", "score", "classifier", "qa_outputs", "v_head"];

/// Returns whether a tensor only repeats values that follow from the configuration, as in older files.
fn is_derived(name: &str) -> bool {
    name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attn.masked_bias")
}

/// Returns a name with each numeric part replaced by `*`.
fn without_numbers(name: &str) -> String {
    let part = |part: &str| match !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit()) {
        true => "*".to_owned(),
        false => part.to_owned(),
    };
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// Returns the name prefix of the language model's tensors.
fn prefix(config: &Config, files: &TensorFiles) -> Result<String, ModelError> {
    let architecture = &config.architecture;
    let first = architecture.linears.first().map_or("", |row| row.module);
    let probe = format!("layers.0.{first}.weight");
    if !config.inside {
        let prefixes = architecture.file_prefixes;
        let found = prefixes.iter().find(|prefix| files.contains(&format!("{prefix}{probe}")));
        return Ok((*found.or(prefixes.first()).unwrap_or(&"")).to_owned());
    }
    // Towers for images and sounds have blocks too, but neither a token embedding nor the same final norm.
    let holds = |prefix: &str, name: &str| files.contains(&format!("{prefix}{name}.weight"));
    let is_decoder = |prefix: &&str| holds(prefix, "embed_tokens") || holds(prefix, architecture.final_norm);
    let mut found: Vec<&str> =
        files.names().filter_map(|name| name.strip_suffix(&probe)).filter(is_decoder).collect();
    if found.len() > 1 {
        let named: Vec<&str> = found
            .iter()
            .copied()
            .filter(|it| it.contains("language_model") || it.contains("text_model"))
            .collect();
        found = if named.is_empty() { found } else { named };
    }
    match found[..] {
        [first, second, ..] => Err(ModelError::Ambiguous {
            path: files.place(),
            first: first.to_owned(),
            second: second.to_owned(),
        }),
        [only] => Ok(only.to_owned()),
        [] => Ok("language_model.model.".to_owned()),
    }
}

/// Returns the possible names of the output embedding, most usual first.
fn heads(config: &Config, prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = config.architecture.heads.iter().map(|it| (*it).to_owned()).collect();
    if config.inside {
        // The prefix ends in the decoder's own part; the head lies beside the decoder.
        let whole = |above: &&str| above.is_empty() || above.ends_with('.');
        let above =
            config.architecture.file_prefixes.iter().find_map(|it| prefix.strip_suffix(it).filter(whole));
        let beside = above.map(|above| format!("{above}lm_head.weight"));
        let older = "language_model.lm_head.weight".to_owned();
        // Newer files have the head at the top, beside `model.`.
        let at = if prefix.starts_with("model.") { names.len() } else { 0 };
        names.splice(at..at, beside.into_iter().chain([older]));
    }
    names
}

/// Returns the names of the input and the output embedding: one tensor, under either name, if they are tied.
fn embeddings(config: &Config, files: &TensorFiles, prefix: &str) -> Result<(String, String), ModelError> {
    let embedding = format!("{prefix}embed_tokens.weight");
    let names = heads(config, prefix);
    let found = names.iter().find(|name| files.contains(name)).cloned();
    match (config.tied, found) {
        (true, Some(head)) if !files.contains(&embedding) => Ok((head.clone(), head)),
        // The file decides: tensors that differ are not tied, whatever the configuration says.
        (true, Some(head)) if !same(files, &embedding, &head)? => Ok((embedding, head)),
        (true, _) => Ok((embedding.clone(), embedding)),
        (false, Some(head)) => Ok((embedding, head)),
        (false, None) => {
            let tensor = names.into_iter().next().unwrap_or_else(|| "lm_head.weight".to_owned());
            Err(ModelError::NoHead { path: files.place(), tensor })
        }
    }
}

/// Returns whether two tensors hold the same numbers, whatever types they are stored in.
fn same(files: &TensorFiles, left: &str, right: &str) -> Result<bool, ModelError> {
    let (left, right) = (files.tensor(left)?, files.tensor(right)?);
    if left.shape != right.shape || left.dtype == right.dtype {
        return Ok(left.shape == right.shape && left.bytes == right.bytes);
    }
    // Every 16-bit float is an f32.
    let (Some(left), Some(right)) = (left.values(), right.values()) else { return Ok(false) };
    Ok((0..left.len()).into_par_iter().all(|at| left.get(at).to_bits() == right.get(at).to_bits()))
}

fn linears(config: &Config, prefix: &str, files: &TensorFiles) -> Result<Vec<Linear>, ModelError> {
    let mut all = Vec::new();
    for block in 0..config.blocks {
        for row in config.architecture.linears {
            let below = format!("layers.{block}.{}", row.module);
            let (rows, columns) = shape(config, row.role);
            let weight = format!("{prefix}{below}.weight");
            // Each weight is looked up as soon as it is listed, so that an absurd configuration fails at its
            // first block.
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

/// Returns the site, rows and columns of each linear of a block, from the configuration alone.
pub fn linear_shapes(config: &Config) -> Vec<(Site, usize, usize)> {
    let shapes = config.architecture.linears.iter().map(|row| {
        let (rows, columns) = shape(config, row.role);
        (Site::of(row.role), rows, columns)
    });
    shapes.collect()
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
