//! An opened and checked model folder: its configuration, its tensors, its block linears.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use candle_core::Device;

use super::config::Config;
use super::error::ModelError;
use super::files::TensorFiles;
use super::fingerprint::{Examined, examine};
use super::layout::{Layout, Linear};
use super::memory::free_memory;
use super::numbers::first_not_finite;
use super::precision::Precision;
use super::quantised;
use super::tokenizer_warnings;
use super::warning::ModelWarning;
use crate::data::{LinearData, ModelData, Values};
use crate::device::Engine;

/// A model folder, memory-mapped; cloning shares the map.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    shared: Arc<Shared>,
    engine: Engine,
    precision: Precision,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    files: TensorFiles,
    layout: Layout,
    warnings: Vec<ModelWarning>,
    /// Results of the single pass over all tensors, once it has run.
    examined: OnceLock<Examined>,
}

impl Checkpoint {
    /// Opens a Hugging Face folder: `config.json` and safetensors, one file or shards.
    ///
    /// All tensors that the architecture needs are looked up and their shapes checked; no weight is read yet.
    ///
    /// # Errors
    /// When the folder, a file, the configuration or a tensor is invalid.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, ModelError> {
        let folder = folder.as_ref();
        let config = Config::read(folder)?;
        quantised::check_folder(folder)?;
        let files = TensorFiles::open_folder(folder)?;
        quantised::check_tensors(&files)?;
        let layout = Layout::find(&config, &files)?;
        let warnings = warnings(&config, &files, &layout);
        Ok(Self {
            shared: Arc::new(Shared { config, files, layout, warnings, examined: OnceLock::new() }),
            engine: Engine::Cpu,
            precision: Precision::F32,
        })
    }

    /// Returns the same checkpoint with an engine that runs its decoders and evaluates its scripts.
    ///
    /// # Errors
    /// When a CPU is asked to compute in another type than f32.
    pub fn on(mut self, engine: Engine, precision: Precision) -> Result<Self, ModelError> {
        if engine.device().is_cpu() && precision != Precision::F32 {
            return Err(ModelError::Precision);
        }
        (self.engine, self.precision) = (engine, precision);
        Ok(self)
    }

    /// Returns the engine that runs decoders and evaluates scripts.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the device that tensors are loaded to.
    pub fn device(&self) -> Device {
        self.engine.device()
    }

    /// Returns the compute precision of decoders.
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

    /// Returns warnings about the folder, which opened nevertheless.
    pub fn warnings(&self) -> &[ModelWarning] {
        &self.shared.warnings
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
    /// When `linear` belongs to another model.
    pub fn weight(&self, linear: &Linear) -> Result<Values<'_>, ModelError> {
        self.files().values(&linear.weight)
    }

    /// Returns the interpreter's input for one linear, without statistics.
    ///
    /// # Errors
    /// When `linear` belongs to another model.
    pub fn linear_data(&self, linear: &Linear) -> Result<LinearData<'_>, ModelError> {
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
            input_kurtosis: None,
            block_change: None,
            damages: Vec::new(),
            marginals: Vec::new(),
        })
    }

    /// Returns the interpreter's input, without statistics; `Statistics::attach` adds those.
    ///
    /// # Errors
    /// Never for a checkpoint that opened; the type leaves room for other stores.
    pub fn data(&self) -> Result<ModelData<'_>, ModelError> {
        let linears = self.linears().iter().map(|linear| self.linear_data(linear));
        let linears = linears.collect::<Result<_, ModelError>>()?;
        Ok(ModelData { blocks: self.config().blocks, linears })
    }

    /// Checks the language model's tensors, and reports the first number that is NaN or infinite.
    ///
    /// Reads every tensor, once for this and the [fingerprint](Self::fingerprint), as fast as memory or the
    /// disk allows.
    ///
    /// # Errors
    /// When there is such a number, with its file, tensor and position.
    pub fn check_finite(&self) -> Result<(), ModelError> {
        let layout = self.layout();
        let read = |name: &&String| name.starts_with(&layout.prefix) || **name == layout.head;
        let Some(name) = self.examined().not_finite.iter().find(read) else { return Ok(()) };
        let tensor = self.files().tensor(name)?;
        // The decoder reads only 16- and 32-bit floats, as opening has checked; other tensors are not used.
        let Some(values) = tensor.values() else { return Ok(()) };
        let Some(at) = first_not_finite(&values) else { return Ok(()) };
        Err(ModelError::NotFinite {
            path: tensor.path.to_owned(),
            tensor: name.clone(),
            index: position(at, tensor.shape),
            value: values.get(at),
        })
    }

    /// Returns an identifier of the weights, which depends on every tensor's name, type, shape and bytes.
    ///
    /// Reads every tensor, once for this and the [check](Self::check_finite). The result is cached with the
    /// checkpoint: weights that another process changes while a command runs are not detected.
    pub fn fingerprint(&self) -> String {
        self.examined().fingerprint.clone()
    }

    /// Returns the fingerprint if a pass over the weights has already been made.
    pub fn known_fingerprint(&self) -> Option<String> {
        self.shared.examined.get().map(|it| it.fingerprint.clone())
    }

    fn examined(&self) -> &Examined {
        self.shared.examined.get_or_init(|| examine(&self.shared.files))
    }

    /// Returns the free bytes of the engine's memory, if the system reports them. Of a GPU's memory, an
    /// eighth is reserved for the blocks' intermediate results.
    pub fn free_memory(&self) -> Option<u64> {
        match self.engine.memory() {
            Some((free, _)) => Some(free - free / 8),
            None => free_memory(),
        }
    }

    /// Returns the size in bytes of a number in a decoder.
    fn number_bytes(&self) -> u64 {
        self.precision.dtype().size_in_bytes() as u64
    }

    /// Returns the size in bytes of the decoder's weights in its precision.
    pub fn resident_bytes(&self) -> u64 {
        let numbers: usize = self.linears().iter().map(|it| it.rows * it.columns).sum();
        self.number_bytes() * numbers as u64 + self.head_bytes() + self.embedding_bytes()
    }

    /// Returns the size in bytes of the largest block's linears in that precision, which is what streaming
    /// holds at a time.
    pub fn block_bytes(&self) -> u64 {
        let block =
            |index| self.block_linears(index).iter().map(|it| (it.rows * it.columns) as u64).sum::<u64>();
        self.number_bytes() * (0..self.config().blocks).map(block).max().unwrap_or(0)
    }

    /// Returns the size in bytes of the token embedding on a GPU in addition to the head: 0 if both are one
    /// tensor, or on the CPU, where the embedding stays on the disk.
    fn embedding_bytes(&self) -> u64 {
        let layout = self.layout();
        if self.device().is_cpu() || layout.embedding == layout.head {
            return 0;
        }
        let table = self.files().tensor(&layout.embedding);
        table.map_or(0, |table| self.number_bytes() * table.shape.iter().product::<usize>() as u64)
    }

    /// Returns the size in bytes of the output embedding in that precision. The CPU leaves the token
    /// embedding on the disk, tied or not.
    pub fn head_bytes(&self) -> u64 {
        let head = self.files().tensor(&self.layout().head);
        head.map_or(0, |head| self.number_bytes() * head.shape.iter().product::<usize>() as u64)
    }
}

/// Returns the warnings about a folder's configuration, files and tensors.
fn warnings(config: &Config, files: &TensorFiles, layout: &Layout) -> Vec<ModelWarning> {
    let adapter = files.folder().join("adapter_config.json");
    let stale = files.stale_index().map(|index| ModelWarning::StaleIndex { index });
    let beside = adapter.is_file().then_some(ModelWarning::AdapterBeside { path: adapter });
    let folder = config.warnings.iter().cloned().chain(stale).chain(beside);
    let tokens = tokenizer_warnings::warnings(files.folder());
    folder.chain(layout.warnings(config, files)).chain(tokens).collect()
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
