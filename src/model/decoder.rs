//! The whole decoder: embedding, blocks, head. Each part can also be loaded alone, for streaming.

use candle_core::{DType, Device, Tensor, Var};

use super::Site;
use super::block::{Angles, Block, Norm};
use super::checkpoint::Checkpoint;
use super::error::ModelError;
use super::in_place::softcap;
use crate::device::Engine;

/// A function that observes the inputs of linears: it is called with the block, the site and
/// `[samples, length, columns]`.
pub type DecoderTap<'a> = dyn FnMut(usize, Site, &Tensor) -> Result<(), ModelError> + 'a;

/// Turns token ids into the first hidden states; rows are read from the mapped file when they are needed.
#[derive(Clone, Debug)]
pub struct Embedding {
    checkpoint: Checkpoint,
    device: Device,
    /// All rows, if the decoder is held on a GPU.
    table: Option<Tensor>,
    project: Option<Tensor>,
}

impl Embedding {
    /// Prepares the embedding of a checkpoint; loads only a small projection, if the model has one.
    ///
    /// # Errors
    /// When a tensor cannot be read, or the device runs out of memory.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<Self, ModelError> {
        let project = match &checkpoint.layout().project {
            Some((input, _)) => Some(checkpoint.tensor(input, device)?),
            None => None,
        };
        Ok(Self { checkpoint: checkpoint.clone(), device: device.clone(), table: None, project })
    }

    /// Returns the hidden states `[samples, length, hidden]` of `ids`, which hold consecutive samples of
    /// `length` tokens.
    ///
    /// # Errors
    /// When an id is outside the vocabulary, or a sample is longer than the model's context.
    pub fn run(&self, ids: &[u32], length: usize) -> Result<Tensor, ModelError> {
        let places: Vec<u32> = (0..length as u32).collect();
        self.embed(ids, &places).map_err(|error| error.inside("embedding"))
    }

    /// Returns the hidden states `[1, tokens, hidden]` of tokens at the given positions of their sequences.
    pub(super) fn run_at(&self, ids: &[u32], places: &[u32]) -> Result<Tensor, ModelError> {
        self.embed(ids, places).map_err(|error| error.inside("embedding"))
    }

    /// Looks rows up in the table, which holds the stored numbers in the compute precision.
    fn looked_up(&self, table: &Tensor, ids: &[u32]) -> Result<Tensor, ModelError> {
        let rows = table.index_select(&Tensor::new(ids, &self.device)?, 0)?;
        let scale = self.checkpoint.config().embedding_scale;
        if scale == 1.0 {
            return Ok(rows);
        }
        Ok((rows.to_dtype(DType::F32)? * scale)?.to_dtype(self.checkpoint.precision().dtype())?)
    }

    fn embed(&self, ids: &[u32], places: &[u32]) -> Result<Tensor, ModelError> {
        let config = self.checkpoint.config();
        let layout = self.checkpoint.layout();
        let length = places.len();
        let longest = places.iter().max().map_or(0, |last| *last as usize + 1);
        if longest > config.positions {
            return Err(ModelError::Length { length: longest, longest: config.positions });
        }
        let samples = ids.len().checked_div(length).unwrap_or(0);
        let shape = (samples, length, config.embedding);
        let mut hidden = match &self.table {
            Some(table) if known(table, ids) => self.looked_up(table, ids)?.reshape(shape)?,
            _ => {
                let mut rows = self.checkpoint.rows(&layout.embedding, ids)?;
                if config.embedding_scale != 1.0 {
                    let scale = config.embedding_scale as f32;
                    rows.iter_mut().for_each(|value| *value *= scale);
                }
                self.checkpoint.working(rows, shape, &self.device)?
            }
        };
        if let Some(project) = &self.project {
            hidden = hidden.broadcast_matmul(&project.t()?)?;
        }
        if let Some((name, offset)) = &layout.positions {
            let places: Vec<u32> = places.iter().map(|place| place + *offset as u32).collect();
            let table = self.checkpoint.rows(name, &places)?;
            let table = self.checkpoint.working(table, (length, config.hidden), &self.device)?;
            hidden = hidden.broadcast_add(&table)?;
        }
        Ok(hidden)
    }
}

/// Returns whether a table has a row for each of the ids.
fn known(table: &Tensor, ids: &[u32]) -> bool {
    let rows = table.dims().first().copied().unwrap_or(0);
    ids.iter().all(|id| (*id as usize) < rows)
}

/// Turns the last hidden states into logits.
#[derive(Clone, Debug)]
pub struct Head {
    engine: Engine,
    norm: Option<Norm>,
    project: Option<Tensor>,
    weight: Tensor,
    softcap: Option<f64>,
}

/// Number of logits held at a time, except that at least [`FEWEST`] positions are.
const LOGITS: usize = 1 << 23;
/// The fewest positions whose logits the CPU computes at a time. With a wide vocabulary, a product of fewer
/// rows takes as long to arrange the head's weights as to multiply by them.
const FEWEST: usize = 128;

/// Returns the number of positions whose logits the CPU computes at a time.
pub const fn positions_together(vocabulary: usize) -> usize {
    let fit = LOGITS / if vocabulary == 0 { 1 } else { vocabulary };
    if fit < FEWEST { FEWEST } else { fit }
}

impl Head {
    /// Loads the last norm and the output embedding.
    ///
    /// # Errors
    /// When a tensor cannot be read, or the device runs out of memory.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<Self, ModelError> {
        let layout = checkpoint.layout();
        let weight = checkpoint.tensor(&layout.head, device)?;
        // Immediately, as for a block's linears: the head is a small model's largest tensor.
        checkpoint.files().release(&layout.head);
        Ok(Self {
            engine: checkpoint.engine().clone(),
            norm: match checkpoint.config().final_norm {
                true => Some(Norm::load(checkpoint, &layout.final_norm, device)?),
                false => None,
            },
            project: match &layout.project {
                Some((_, output)) => Some(checkpoint.tensor(output, device)?),
                None => None,
            },
            weight,
            softcap: checkpoint.config().logit_softcap,
        })
    }

    /// Returns the number of logits at each position.
    pub fn vocabulary(&self) -> usize {
        self.weight.dims().first().copied().unwrap_or(0)
    }

    /// Returns the logits, f32 `[positions, vocabulary]`, of hidden states `[positions, hidden]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn run(&self, hidden: &Tensor) -> Result<Tensor, ModelError> {
        self.capped(&self.raw(hidden)?)
    }

    /// Returns logits before their cap, `[positions, vocabulary]`, in the decoder's compute precision.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(crate) fn raw(&self, hidden: &Tensor) -> Result<Tensor, ModelError> {
        let raw = || {
            let hidden = match &self.norm {
                Some(norm) => norm.run(hidden)?,
                None => hidden.clone(),
            };
            let hidden = match &self.project {
                Some(project) => hidden.matmul(&project.t()?)?,
                None => hidden,
            };
            Ok::<_, ModelError>(hidden.matmul(&self.weight.t()?)?)
        };
        raw().map_err(|error| error.inside("head"))
    }

    /// Applies the cap to raw logits; returns f32 `[positions, vocabulary]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(crate) fn capped(&self, raw: &Tensor) -> Result<Tensor, ModelError> {
        let logits = raw.to_dtype(DType::F32)?;
        match self.softcap {
            Some(cap) => Ok(softcap(logits, cap)?),
            None => Ok(logits),
        }
    }

    /// Returns the gradient of a loss with respect to hidden states `[positions, hidden]`, given its gradient
    /// with respect to their logits, f32 `[positions, vocabulary]`, and the logits before their cap.
    ///
    /// Only the norm uses candle's backward pass. On the head it would also compute the gradient of the
    /// output embedding, which takes as long as the logits and is not needed.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(crate) fn back(&self, hidden: &Tensor, raw: &Tensor, slope: Tensor) -> Result<Tensor, ModelError> {
        let back = || {
            let slope = match self.softcap {
                // The derivative of c * tanh(x / c) is 1 - tanh(x / c)^2.
                Some(cap) => {
                    let share = (raw.to_dtype(DType::F32)? / cap)?.tanh()?.sqr()?;
                    (slope * share.affine(-1.0, 1.0)?)?
                }
                None => slope,
            };
            let slope = slope.to_dtype(self.weight.dtype())?.matmul(&self.weight)?;
            let slope = match &self.project {
                Some(project) => slope.matmul(project)?,
                None => slope,
            };
            let Some(norm) = &self.norm else { return Ok(slope) };
            // A backward pass starts from ones.
            let variable = Var::from_tensor(hidden)?;
            let gradients = (norm.run(&variable)? * slope)?.backward()?;
            let slope = gradients.get(&variable).map(Tensor::detach);
            Ok::<_, ModelError>(slope.map_or_else(|| variable.zeros_like(), Ok)?)
        };
        back().map_err(|error| error.inside("head"))
    }

    /// Returns the engine that the decoder computes on.
    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the cap c of logits, c * tanh(x / c).
    pub(crate) const fn softcap(&self) -> Option<f64> {
        self.softcap
    }
}

/// A decoder held in memory, in its checkpoint's compute precision.
#[derive(Clone, Debug)]
pub struct Decoder {
    checkpoint: Checkpoint,
    device: Device,
    /// The token embedding.
    pub embedding: Embedding,
    /// The blocks in order; pruning changes their weights.
    pub blocks: Vec<Block>,
    /// The last norm and the output embedding.
    pub head: Head,
}

impl Decoder {
    /// Loads a whole checkpoint onto `device`.
    ///
    /// # Errors
    /// When a tensor cannot be read, or the device runs out of memory.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<Self, ModelError> {
        let head = Head::load(checkpoint, device)?;
        let mut embedding = Embedding::load(checkpoint, device)?;
        if !device.is_cpu() {
            let layout = checkpoint.layout();
            embedding.table = Some(match layout.embedding == layout.head {
                true => head.weight.clone(),
                false => checkpoint.tensor(&layout.embedding, device)?,
            });
        }
        Ok(Self {
            embedding,
            blocks: (0..checkpoint.config().blocks)
                .map(|block| Block::load(checkpoint, block, device))
                .collect::<Result<_, _>>()?,
            head,
            checkpoint: checkpoint.clone(),
            device: device.clone(),
        })
    }

    /// Returns the checkpoint that was loaded; its own weights are still the dense ones.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the device that holds the weights.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the angles for samples of `length` tokens.
    ///
    /// # Errors
    /// When the device runs out of memory.
    pub fn angles(&self, length: usize) -> Result<Angles, ModelError> {
        Angles::new(&self.checkpoint, length, &self.device)
    }

    /// Returns the last hidden states `[samples, length, hidden]` of consecutive samples of `length` tokens.
    ///
    /// # Errors
    /// When the model cannot take an id or the length, or a tensor operation fails.
    pub fn hidden(&self, ids: &[u32], length: usize) -> Result<Tensor, ModelError> {
        self.hidden_with(ids, length, &mut |_, _, _| Ok(()))
    }

    /// Does the same, and shows `tap` the block and the input of each of its sites.
    ///
    /// # Errors
    /// As [`Decoder::hidden`], and any error that the tap returns.
    pub fn hidden_with(
        &self,
        ids: &[u32],
        length: usize,
        tap: &mut DecoderTap<'_>,
    ) -> Result<Tensor, ModelError> {
        let angles = self.angles(length)?;
        let mut hidden = self.embedding.run(ids, length)?;
        for block in &self.blocks {
            let mut of_block = |site, input: &Tensor| tap(block.index(), site, input);
            hidden = block.forward(&hidden, &angles, &mut of_block)?;
        }
        Ok(hidden)
    }

    /// Returns the logits `[samples, length, vocabulary]` of every position.
    ///
    /// # Errors
    /// As [`Decoder::hidden`].
    pub fn logits(&self, ids: &[u32], length: usize) -> Result<Tensor, ModelError> {
        let hidden = self.hidden(ids, length)?;
        let (samples, length, width) = hidden.dims3()?;
        let logits = self.head.run(&hidden.reshape((samples * length, width))?)?;
        Ok(logits.reshape((samples, length, self.head.vocabulary()))?)
    }
}
