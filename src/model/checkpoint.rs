//! A model folder that has been opened and checked: its configuration, its tensors, its block linears.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::config::Config;
use super::error::ModelError;
use super::files::TensorFiles;
use super::layout::{Layout, Linear};
use super::memory::free_memory;
use crate::interpret::data::{Home, LinearData, ModelData, Values};
use crate::interpret::engine::Engine;

/// A model folder, memory-mapped; cloning shares the map.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    shared: Arc<Shared>,
    engine: Engine,
    precision: Precision,
}

/// The type in which a decoder computes. Statistics, scores and losses are f32 or wider in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats, whatever type the weights are stored in.
    #[default]
    F32,
    /// Brain floats, which a GPU multiplies several times as fast; a processor does not compute in them.
    Bf16,
}

impl Precision {
    /// Returns candle's name of the type.
    pub const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

#[derive(Debug)]
struct Shared {
    config: Config,
    files: TensorFiles,
    layout: Layout,
}

/// What `allot inspect` shows about a model.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The family's name for people.
    pub architecture: String,
    /// `model_type` of the language model's configuration.
    pub model_type: String,
    /// How many blocks there are.
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
    /// How many tokens there are.
    pub vocabulary: usize,
    /// The longest context in tokens.
    pub positions: usize,
    /// Whether the output embedding is the input embedding.
    pub tied: bool,
    /// Parameters in all files.
    pub parameters: u64,
    /// Parameters in block linears: those that can be pruned.
    pub block_parameters: u64,
    /// Weights of block linears that are zero already.
    pub zeros: u64,
    /// Bytes on disk by stored type, such as `F16`.
    pub bytes_by_type: BTreeMap<String, u64>,
    /// Bytes of all tensors on disk.
    pub bytes: u64,
    /// Bytes in memory when all weights are held as f32.
    pub resident_bytes: u64,
    /// Bytes of the largest block's linears as f32, what streaming holds at a time.
    pub block_bytes: u64,
    /// How many files hold the weights.
    pub files: usize,
    /// The fingerprint that statistics files are checked against.
    pub fingerprint: String,
    /// The block linears, in `named_modules()` order.
    pub linears: Vec<LinearSummary>,
}

/// One block linear, as `allot inspect` shows it.
#[derive(Clone, Debug, Serialize)]
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
    /// Opens a Hugging Face folder: `config.json` and safetensors, one file or shards.
    ///
    /// All that the architecture needs is looked up and its shape checked; no weight is read yet.
    ///
    /// # Errors
    /// When the folder, a file, the configuration or a tensor is not as it must be.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        let config = Config::read(folder)?;
        let files = TensorFiles::open_folder(folder)?;
        let layout = Layout::find(&config, &files)?;
        Ok(Self {
            shared: Arc::new(Shared { config, files, layout }),
            engine: Engine::Cpu,
            precision: Precision::F32,
        })
    }

    /// Returns the same checkpoint, whose decoders run and whose scripts are evaluated on an engine.
    ///
    /// # Errors
    /// When a processor is to compute in another type than f32.
    pub fn on(mut self, engine: Engine, precision: Precision) -> Result<Self, ModelError> {
        if engine.device().is_cpu() && precision != Precision::F32 {
            return Err(ModelError::Precision);
        }
        (self.engine, self.precision) = (engine, precision);
        Ok(self)
    }

    /// Returns where decoders run and scripts are evaluated.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns where tensors are loaded to.
    pub fn device(&self) -> Device {
        self.engine.device()
    }

    /// Returns the type in which decoders compute.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Returns the files and all their tensors.
    pub fn files(&self) -> &TensorFiles {
        &self.shared.files
    }

    /// Returns the names of the tensors that the decoder needs.
    pub fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        self.shared.files.folder()
    }

    /// Returns every linear of every block, in `named_modules()` order.
    pub fn linears(&self) -> &[Linear] {
        &self.shared.layout.linears
    }

    /// Returns the linears of block `block`.
    pub fn block_linears(&self, block: usize) -> &[Linear] {
        let each = self.config().architecture.linears.len();
        self.linears().chunks(each).nth(block).unwrap_or_default()
    }

    /// Returns the weight of a block linear in its stored type, borrowed from the map where it is aligned.
    ///
    /// # Errors
    /// When `linear` is another model's.
    pub fn weight(&self, linear: &Linear) -> Result<Values<'_>, ModelError> {
        self.files().values(&linear.weight)
    }

    /// Returns what the interpreter reads, without statistics; `Statistics::attach` adds those.
    ///
    /// # Errors
    /// None for a checkpoint that opened; the type leaves room for other stores.
    pub fn data(&self) -> Result<ModelData<'_>, ModelError> {
        let linears = self.linears().iter().map(|linear| {
            Ok(LinearData {
                name: linear.module.clone(),
                block: linear.block,
                kinds: linear.kinds,
                rows: linear.rows,
                columns: linear.columns,
                weight: self.weight(linear)?,
                second_moment: None,
                hessian_diagonal: None,
                gradient: None,
                reconstruction_error: None,
            })
        });
        Ok(ModelData {
            blocks: self.config().blocks,
            linears: linears.collect::<Result<_, ModelError>>()?,
            home: Home { engine: self.engine.clone(), weights: Vec::new() },
        })
    }

    /// Reads every tensor of the language model and reports the first number that is NaN or infinite.
    ///
    /// # Errors
    /// With the file, the tensor and the position, when there is one.
    pub fn check_finite(&self) -> Result<(), ModelError> {
        let layout = self.layout();
        let names: Vec<&str> = self
            .files()
            .names()
            .filter(|name| name.starts_with(&layout.prefix) || *name == layout.head)
            .collect();
        // One after the other, each on all cores: side by side, a model that streams would be whole in memory.
        let found = names.iter().find_map(|name| {
            let tensor = self.files().tensor(name).ok()?;
            // What the decoder reads are floats, as was checked on opening.
            let values = tensor.values()?;
            let at = first_not_finite(&values);
            let value = at.map(|at| values.get(at));
            drop(values);
            self.files().release(name);
            Some(ModelError::NotFinite {
                path: tensor.path.to_owned(),
                tensor: (*name).to_owned(),
                index: position(at?, tensor.shape),
                value: value?,
            })
        });
        found.map_or(Ok(()), Err)
    }

    /// Returns a name for the weights: SHA-256 of every tensor's name, type and shape, and of 4 KiB at its start, middle and end.
    ///
    /// It tells models apart, and a model from its pruned copy, without reading gigabytes.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for name in self.files().names() {
            let Ok(tensor) = self.files().tensor(name) else {
                continue;
            };
            hash.update(format!("{name}\n{:?}\n{:?}\n", tensor.dtype, tensor.shape));
            let length = tensor.bytes.len();
            let piece = length.min(4096);
            for start in [0, (length - piece) / 2, length - piece] {
                hash.update(&tensor.bytes[start..start + piece]);
            }
        }
        hexadecimal(&hash.finalize())
    }

    /// Returns how many bytes of the engine's memory can be had, where the system says; of a GPU's own, an eighth is left for
    /// what blocks compute on the way.
    pub fn free_memory(&self) -> Option<u64> {
        match self.engine.memory() {
            Some((free, _)) => Some(free - free / 8),
            None => free_memory(),
        }
    }

    /// Returns how many bytes a number of a decoder takes.
    fn number_bytes(&self) -> u64 {
        self.precision.dtype().size_in_bytes() as u64
    }

    /// Returns how many bytes the decoder's weights take in its precision.
    pub fn resident_bytes(&self) -> u64 {
        let numbers: usize = self.linears().iter().map(|it| it.rows * it.columns).sum();
        self.number_bytes() * numbers as u64 + self.head_bytes()
    }

    /// Returns how many bytes the largest block's linears take in that precision, which is what streaming holds at a time.
    pub fn block_bytes(&self) -> u64 {
        let block =
            |index| self.block_linears(index).iter().map(|it| (it.rows * it.columns) as u64).sum::<u64>();
        self.number_bytes() * (0..self.config().blocks).map(block).max().unwrap_or(0)
    }

    /// Returns how many bytes the output embedding takes in that precision; the token embedding stays on the disk, tied or not.
    pub fn head_bytes(&self) -> u64 {
        let head = self.files().tensor(&self.layout().head);
        head.map_or(0, |head| self.number_bytes() * head.shape.iter().product::<usize>() as u64)
    }

    /// Returns the facts that `allot inspect` shows; reads every block linear once, to count zeros.
    ///
    /// # Errors
    /// None for a checkpoint that opened.
    pub fn summary(&self) -> Result<Summary, ModelError> {
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
        let size = |linear: &Linear| (linear.rows * linear.columns) as u64;
        Ok(Summary {
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
            linears,
        })
    }
}

/// Returns a number's position, one index for each dimension.
fn position(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let index = at % size.max(1);
            at /= size.max(1);
            index
        })
        .collect();
    indices.reverse();
    indices
}

/// Returns the index of the first number that is NaN or infinite.
pub fn first_not_finite(values: &Values<'_>) -> Option<usize> {
    match values {
        Values::F32(all) => all.par_iter().position_first(|it| !it.is_finite()),
        Values::F16(all) => all.par_iter().position_first(|it| !it.is_finite()),
        Values::Bf16(all) => all.par_iter().position_first(|it| !it.is_finite()),
    }
}

fn count_zeros(values: &Values<'_>) -> u64 {
    let count = match values {
        Values::F32(all) => all.iter().filter(|it| **it == 0.0).count(),
        Values::F16(all) => all.iter().filter(|it| it.to_bits() << 1 == 0).count(),
        Values::Bf16(all) => all.iter().filter(|it| it.to_bits() << 1 == 0).count(),
    };
    count as u64
}

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
