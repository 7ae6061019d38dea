//! The facts about a model that `allot inspect` shows.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::checkpoint::Checkpoint;
use super::error::ModelError;
use super::layout::Linear;
use super::numbers::count_zeros;
use super::tokenizer::{SpecialTokens, Tokenizer};
use super::warning::ModelWarning;

/// A model's facts as `allot inspect` shows them.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModelSummary {
    /// The family's name as shown to people.
    pub architecture: String,
    /// `model_type` of the language model's configuration.
    pub model_type: String,
    /// Number of blocks.
    pub blocks: usize,
    /// The width of the residual stream.
    pub hidden: usize,
    /// The width between an MLP's two layers.
    pub intermediate: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub key_value_heads: usize,
    /// The width of a head.
    pub head_size: usize,
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// The longest context in tokens.
    pub positions: usize,
    /// Whether the output embedding is the input embedding.
    pub tied: bool,
    /// Parameters in all files.
    pub parameters: u64,
    /// Parameters in block linears: those that can be pruned.
    pub block_parameters: u64,
    /// Weights of block linears that are already zero.
    pub zeros: u64,
    /// Bytes on disk by stored type, such as `F16`.
    pub bytes_by_type: BTreeMap<String, u64>,
    /// Bytes of all tensors on disk.
    pub bytes: u64,
    /// Bytes in memory if all weights are held as f32.
    pub resident_bytes: u64,
    /// Bytes of the largest block's linears as f32, which streaming holds at a time.
    pub block_bytes: u64,
    /// Number of files that hold the weights.
    pub files: usize,
    /// The fingerprint that statistics files are checked against.
    pub fingerprint: String,
    /// The special tokens that the tokenizer adds around each text, if the model has a usable tokenizer.
    pub special_tokens: Option<SpecialTokens>,
    /// Why there is no usable tokenizer, if there is none.
    pub tokenizer_problem: Option<String>,
    /// Warnings about the folder.
    pub warnings: Vec<WarningSummary>,
    /// The block linears, in `named_modules()` order.
    pub linears: Vec<LinearSummary>,
}

/// Something unusual about a model's folder, as `allot inspect` shows it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WarningSummary {
    /// The message.
    pub message: String,
    /// Every key or tensor that the message concerns.
    pub names: Vec<String>,
}

/// One block linear, as `allot inspect` shows it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinearSummary {
    /// The module's name.
    pub module: String,
    /// The block it belongs to, from 0.
    pub block: usize,
    /// Output channels.
    pub rows: usize,
    /// Input channels.
    pub columns: usize,
    /// The stored type, such as `F16`.
    pub dtype: String,
    /// Whether it has a bias.
    pub bias: bool,
}

impl Checkpoint {
    /// Returns the facts that `allot inspect` shows; reads every block linear once, to count zeros.
    ///
    /// # Errors
    /// Never for a checkpoint that opened.
    pub fn summary(&self) -> Result<ModelSummary, ModelError> {
        let config = self.config();
        let mut bytes_by_type = BTreeMap::new();
        let mut parameters = 0;
        for name in self.files().names() {
            let tensor = self.files().tensor(name)?;
            *bytes_by_type.entry(format!("{:?}", tensor.dtype)).or_insert(0) += tensor.bytes.len() as u64;
            parameters += tensor.shape.iter().product::<usize>() as u64;
        }
        let linears: Vec<LinearSummary> = self
            .linears()
            .iter()
            .map(|linear| {
                Ok(LinearSummary {
                    module: linear.module.clone(),
                    block: linear.block,
                    rows: linear.rows,
                    columns: linear.columns,
                    dtype: format!("{:?}", self.files().tensor(&linear.weight)?.dtype),
                    bias: linear.bias.is_some(),
                })
            })
            .collect::<Result<_, ModelError>>()?;
        let zeros = self
            .linears()
            .par_iter()
            .map(|linear| self.weight(linear).map(|values| count_zeros(&values)))
            .sum::<Result<u64, ModelError>>()?;
        let (special_tokens, tokenizer_problem) = match Tokenizer::open(self) {
            Ok(tokenizer) => (Some(tokenizer.special_tokens().clone()), None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        let warning = |it: &ModelWarning| WarningSummary { message: it.to_string(), names: it.names() };
        let size = |linear: &Linear| (linear.rows * linear.columns) as u64;
        Ok(ModelSummary {
            architecture: config.architecture.title.to_owned(),
            model_type: config.architecture.model_type.to_owned(),
            blocks: config.blocks,
            hidden: config.hidden,
            intermediate: config.intermediate,
            heads: config.heads,
            key_value_heads: config.key_value_heads,
            head_size: config.head_size,
            vocabulary: config.vocabulary,
            positions: config.positions,
            tied: config.tied,
            parameters,
            block_parameters: self.linears().iter().map(size).sum(),
            zeros,
            bytes: bytes_by_type.values().sum(),
            bytes_by_type,
            resident_bytes: self.resident_bytes(),
            block_bytes: self.block_bytes(),
            files: self.files().paths().count(),
            fingerprint: self.fingerprint(),
            special_tokens,
            tokenizer_problem,
            warnings: self.warnings().iter().map(warning).collect(),
            linears,
        })
    }
}
