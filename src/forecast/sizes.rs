//! The size of a model, from its configuration.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::model::{Config, ModelError, Site, linear_shapes};

/// The properties of a model that determine the work.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sizes {
    /// Number of blocks.
    pub blocks: usize,
    /// Number of weights in the linears of a block.
    pub block_weights: u64,
    /// Number of weights in the output embedding.
    pub head_weights: u64,
    /// Number of weights in the model: linears and embeddings, without norms and biases.
    pub weights: u64,
    /// Bytes of a weight in the files.
    pub stored_bytes: u64,
    /// Number of values in the hidden state of a token.
    pub hidden: u64,
    /// Number of tokens in the vocabulary.
    pub vocabulary: u64,
    /// The longest text that the model was trained on, in tokens.
    pub positions: usize,
    /// Width of the queries of all heads together.
    #[serde(skip)]
    pub(super) queries: u64,
    /// Width of the keys of all heads together; that of the values is the same.
    #[serde(skip)]
    pub(super) keys: u64,
    #[serde(skip)]
    pub(super) intermediate: u64,
    /// Site, rows and columns of each linear of a block.
    #[serde(skip)]
    pub(super) linears: Vec<(Site, u64, u64)>,
    /// For each block, the maximum number of tokens that a query attends to.
    #[serde(skip)]
    pub(super) windows: Vec<Option<u64>>,
}

impl Sizes {
    /// Reads them from the `config.json` of a folder, which needs no other file.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let config = Config::read(folder)?;
        let linears: Vec<_> = linear_shapes(&config)
            .into_iter()
            .map(|(site, rows, columns)| (site, rows as u64, columns as u64))
            .collect();
        let block_weights: u64 = linears.iter().map(|(_, rows, columns)| rows * columns).sum();
        let head_weights = (config.vocabulary * config.embedding) as u64;
        let embeddings = if config.tied { head_weights } else { 2 * head_weights };
        Ok(Self {
            blocks: config.blocks,
            block_weights,
            head_weights,
            weights: config.blocks as u64 * block_weights + embeddings,
            stored_bytes: stored_bytes(folder)?,
            hidden: config.hidden as u64,
            vocabulary: config.vocabulary as u64,
            positions: config.positions,
            queries: (config.heads * config.head_size) as u64,
            keys: (config.key_value_heads * config.head_size) as u64,
            intermediate: config.intermediate as u64,
            windows: (0..config.blocks).map(|block| config.window_of(block).map(|it| it as u64)).collect(),
            linears,
        })
    }

    /// Returns the number of weights in the linears of all blocks.
    pub fn linear_weights(&self) -> u64 {
        self.blocks as u64 * self.block_weights
    }

    /// Returns the size of the files in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.stored_bytes * self.weights
    }

    /// Returns the columns of each site of a block.
    pub(super) fn sites(&self) -> Vec<u64> {
        let mut sites: Vec<(Site, u64)> =
            self.linears.iter().map(|(site, _, columns)| (*site, *columns)).collect();
        sites.sort_unstable();
        sites.dedup();
        sites.into_iter().map(|(_, columns)| columns).collect()
    }
}

/// Returns the bytes of a weight according to `dtype` or `torch_dtype` in the configuration: four if it has
/// neither, as in transformers.
fn stored_bytes(folder: &Path) -> Result<u64, ModelError> {
    let path = folder.join("config.json");
    let bytes = fs::read(&path).map_err(|source| ModelError::Read { path, source })?;
    let config: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let said = [&config, &config["text_config"]]
        .into_iter()
        .find_map(|object| ["dtype", "torch_dtype"].into_iter().find_map(|key| object[key].as_str()));
    Ok(match said {
        Some("float16" | "bfloat16") => 2,
        _ => 4,
    })
}
