//! A model folder that has been opened and checked: its configuration, its tensors, its block linears.

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
    /// What the one pass over all tensors showed, once it was needed.
    examined: OnceLock<Examined>,
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

    /// Returns what is odd about the folder, though it opened.
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
    /// When `linear` is another model's.
    pub fn weight(&self, linear: &Linear) -> Result<Values<'_>, ModelError> {
        self.files().values(&linear.weight)
    }

    /// Returns what the interpreter reads of one linear, without statistics.
    ///
    /// # Errors
    /// When `linear` is another model's.
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
        })
    }

    /// Returns what the interpreter reads, without statistics; `Statistics::attach` adds those.
    ///
    /// # Errors
    /// None for a checkpoint that opened; the type leaves room for other stores.
    pub fn data(&self) -> Result<ModelData<'_>, ModelError> {
        let linears = self.linears().iter().map(|linear| self.linear_data(linear));
        let linears = linears.collect::<Result<_, ModelError>>()?;
        Ok(ModelData { blocks: self.config().blocks, linears })
    }

    /// Reports the first number of the language model's tensors that is NaN or infinite.
    ///
    /// Every tensor is read, once for this and the [fingerprint](Self::fingerprint), as fast as memory or the disk gives it.
    ///
    /// # Errors
    /// With the file, the tensor and the position, when there is one.
    pub fn check_finite(&self) -> Result<(), ModelError> {
        let layout = self.layout();
        let read = |name: &&String| name.starts_with(&layout.prefix) || **name == layout.head;
        let Some(name) = self.examined().not_finite.iter().find(read) else { return Ok(()) };
        let tensor = self.files().tensor(name)?;
        // What the decoder reads are floats of 16 or 32 bits, as was checked on opening; others it does not read.
        let Some(values) = tensor.values() else { return Ok(()) };
        let Some(at) = first_not_finite(&values) else { return Ok(()) };
        Err(ModelError::NotFinite {
            path: tensor.path.to_owned(),
            tensor: name.clone(),
            index: position(at, tensor.shape),
            value: values.get(at),
        })
    }

    /// Returns a name for the weights, which depends on every tensor's name, type, shape and bytes.
    ///
    /// Every tensor is read, once for this and the [check](Self::check_finite). It is kept as long as the checkpoint, whose maps would
    /// show what another process writes into the files: weights that change under a command are not looked for.
    pub fn fingerprint(&self) -> String {
        self.examined().fingerprint.clone()
    }

    /// Returns the fingerprint where a pass over the weights was made already.
    pub fn known_fingerprint(&self) -> Option<String> {
        self.shared.examined.get().map(|it| it.fingerprint.clone())
    }

    fn examined(&self) -> &Examined {
        self.shared.examined.get_or_init(|| examine(&self.shared.files))
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
        self.number_bytes() * numbers as u64 + self.head_bytes() + self.embedding_bytes()
    }

    /// Returns how many bytes the largest block's linears take in that precision, which is what streaming holds at a time.
    pub fn block_bytes(&self) -> u64 {
        let block =
            |index| self.block_linears(index).iter().map(|it| (it.rows * it.columns) as u64).sum::<u64>();
        self.number_bytes() * (0..self.config().blocks).map(block).max().unwrap_or(0)
    }

    /// Returns how many bytes the token embedding takes on a GPU beside the head: none where it is the head, or stays on the disk.
    fn embedding_bytes(&self) -> u64 {
        let layout = self.layout();
        if self.device().is_cpu() || layout.embedding == layout.head {
            return 0;
        }
        let table = self.files().tensor(&layout.embedding);
        table.map_or(0, |table| self.number_bytes() * table.shape.iter().product::<usize>() as u64)
    }

    /// Returns how many bytes the output embedding takes in that precision; a processor leaves the token embedding on the disk, tied or
    /// not.
    pub fn head_bytes(&self) -> u64 {
        let head = self.files().tensor(&self.layout().head);
        head.map_or(0, |head| self.number_bytes() * head.shape.iter().product::<usize>() as u64)
    }
}

/// Returns what is odd about a folder's configuration, files and tensors.
fn warnings(config: &Config, files: &TensorFiles, layout: &Layout) -> Vec<ModelWarning> {
    let adapter = files.folder().join("adapter_config.json");
    let stale = files.stale_index().map(|index| ModelWarning::StaleIndex { index });
    let beside = adapter.is_file().then_some(ModelWarning::AdapterBeside { path: adapter });
    config.warnings.iter().cloned().chain(stale).chain(beside).chain(layout.warnings(config, files)).collect()
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
