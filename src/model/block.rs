//! One block of a decoder: attention and MLP, with a tap at every linear's input.

use candle_core::{Device, Tensor};
use candle_nn::ops;
use candle_nn::rotary_emb::{rope_slow, rope_thd};

use super::activation::Activation;
use super::architecture::{Norm as NormKind, Role};
use super::attention::Attention;
use super::checkpoint::Checkpoint;
use super::error::ModelError;
use super::gradient_tap::GradientTap;
use super::layout::{Linear, Site};
use super::rotary::Rotary;
use super::steps;
use crate::data::ProjectionKind;
use crate::device::Engine;

/// A function that observes the inputs of linears: it is called once for each site of a block, with
/// `[samples, length, columns]`.
pub type Tap<'a> = dyn FnMut(Site, &Tensor) -> Result<(), ModelError> + 'a;

/// A function that mixes values: it is called once for each block, with the block's attention and its
/// queries, keys and values `[samples, length, heads, head_size]`, and returns
/// `[samples, length, heads * head_size]`.
pub(super) type Mixing<'a> = dyn FnMut(&Attention, [Tensor; 3]) -> Result<Tensor, ModelError> + 'a;

/// Returns a tap that ignores its inputs.
pub fn no_tap() -> impl FnMut(Site, &Tensor) -> Result<(), ModelError> {
    |_, _| Ok(())
}

/// A norm's weights.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    engine: Engine,
    weight: Tensor,
    bias: Option<Tensor>,
    epsilon: f32,
}

impl Norm {
    pub(super) fn load(checkpoint: &Checkpoint, name: &str, device: &Device) -> Result<Self, ModelError> {
        let kind = checkpoint.config().architecture.norm;
        if !checkpoint.config().norm_weights {
            return Ok(Self::bare(checkpoint, device)?);
        }
        let weight = checkpoint.tensor(&format!("{name}.weight"), device)?;
        Ok(Self {
            engine: checkpoint.engine().clone(),
            weight: match kind {
                NormKind::RootMeanSquarePlusOne => (weight + 1.0)?,
                NormKind::RootMeanSquare | NormKind::Layer => weight,
            },
            bias: match kind {
                NormKind::Layer => Some(checkpoint.tensor(&format!("{name}.bias"), device)?),
                _ => None,
            },
            epsilon: checkpoint.config().epsilon as f32,
        })
    }

    /// Returns a norm over the width without stored weights: weights are 1 and biases 0.
    fn bare(checkpoint: &Checkpoint, device: &Device) -> candle_core::Result<Self> {
        let config = checkpoint.config();
        let full = |value| checkpoint.working(vec![value; config.hidden], config.hidden, device);
        Ok(Self {
            engine: checkpoint.engine().clone(),
            weight: full(1.0)?,
            bias: (config.architecture.norm == NormKind::Layer).then(|| full(0.0)).transpose()?,
            epsilon: config.epsilon as f32,
        })
    }

    pub(super) fn run(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        let (weight, epsilon) = (&self.weight, self.epsilon);
        // The fused kernels have no gradient.
        match (&self.bias, input.track_op()) {
            (Some(bias), false) => Ok(ops::layer_norm(input, weight, bias, epsilon)?),
            (Some(bias), true) => Ok(ops::layer_norm_slow(input, weight, bias, epsilon)?),
            (None, tracked) => {
                steps::root_mean_square(&self.engine, input, weight, epsilon, || match tracked {
                    true => ops::rms_norm_slow(input, weight, epsilon),
                    false => ops::rms_norm(input, weight, epsilon),
                })
            }
        }
    }
}

/// A block linear with its weights on a device.
#[derive(Clone, Debug)]
pub struct LoadedLinear {
    /// Its description.
    pub linear: Linear,
    weight: Tensor,
    bias: Option<Tensor>,
    tap: Option<GradientTap>,
}

impl LoadedLinear {
    fn load(checkpoint: &Checkpoint, linear: &Linear, device: &Device) -> Result<Self, ModelError> {
        Ok(Self {
            weight: checkpoint.tensor(&linear.weight, device)?,
            bias: match &linear.bias {
                Some(name) => Some(checkpoint.tensor(name, device)?),
                None => None,
            },
            linear: linear.clone(),
            tap: None,
        })
    }

    /// Returns the weight, `[rows, columns]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Replaces the weight, as pruning does.
    ///
    /// # Errors
    /// When the shape is not `[rows, columns]`.
    pub fn set_weight(&mut self, weight: Tensor) -> Result<(), ModelError> {
        if weight.dims() != self.weight.dims() {
            return Err(ModelError::Compute {
                place: self.linear.module.clone(),
                source: candle_core::Error::UnexpectedShape {
                    msg: "a replaced weight keeps its shape".to_owned(),
                    expected: self.weight.shape().clone(),
                    got: weight.shape().clone(),
                },
            });
        }
        self.weight = weight;
        Ok(())
    }

    /// Returns a tap that the next backward pass through the linear fills, if it needs the gradient of the
    /// input.
    pub fn tap_gradient(&mut self) -> GradientTap {
        self.tap.insert(GradientTap::default()).clone()
    }

    fn run(&self, input: &Tensor) -> candle_core::Result<Tensor> {
        steps::linear(input, &self.weight, self.bias.as_ref(), self.tap.as_ref())
    }
}

/// Cosines and sines of the rotations for one sequence length; empty if positions are learned.
#[derive(Clone, Debug)]
pub struct Angles {
    engine: Engine,
    full: Option<Table>,
    /// The table of sliding blocks, if theirs differs.
    sliding: Option<Table>,
}

/// Cosines and sines, each `[length, size / 2]`.
#[derive(Clone, Debug)]
struct Table {
    cosines: Tensor,
    sines: Tensor,
}

impl Angles {
    /// Returns the angles for sequences of `length` tokens.
    ///
    /// # Errors
    /// When the device runs out of memory.
    pub fn new(checkpoint: &Checkpoint, length: usize, device: &Device) -> Result<Self, ModelError> {
        let table = |rotary: &Rotary| -> Result<Table, ModelError> {
            let (cosines, sines) = rotary.table(length);
            let shape = (length, rotary.size / 2);
            let tensor = |values| checkpoint.working(values, shape, device);
            Ok(Table { cosines: tensor(cosines)?, sines: tensor(sines)? })
        };
        let config = checkpoint.config();
        Ok(Self {
            engine: checkpoint.engine().clone(),
            full: config.rotary.as_ref().map(table).transpose()?,
            sliding: config.sliding_rotary.as_ref().map(table).transpose()?,
        })
    }

    /// Returns the angles for tokens at the given positions of sequences of at most `length` tokens.
    pub(super) fn at(
        checkpoint: &Checkpoint,
        positions: &[u32],
        length: usize,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let all = Self::new(checkpoint, length, device)?;
        let positions = Tensor::new(positions, device)?;
        let chosen = |table: Table| -> Result<Table, ModelError> {
            let of = |all: Tensor| all.index_select(&positions, 0);
            Ok(Table { cosines: of(table.cosines)?, sines: of(table.sines)? })
        };
        Ok(Self {
            engine: all.engine,
            full: all.full.map(chosen).transpose()?,
            sliding: all.sliding.map(chosen).transpose()?,
        })
    }

    /// Rotates `[samples, length, heads, head_size]`; channels beyond the rotated ones pass through.
    fn rotate(&self, input: Tensor, slides: bool) -> Result<Tensor, ModelError> {
        let sliding = self.sliding.as_ref().filter(|_| slides);
        let Some(Table { cosines, sines }) = sliding.or(self.full.as_ref()) else {
            return Ok(input);
        };
        steps::rotated(&self.engine, &input, (cosines, sines), rotated)
    }
}

/// Rotates `[samples, length, heads, head_size]` with candle's operations.
fn rotated(input: &Tensor, cosines: &Tensor, sines: &Tensor) -> candle_core::Result<Tensor> {
    let size = input.dim(3)?;
    let rotated = 2 * cosines.dim(1)?;
    let rope = |part: &Tensor| {
        if part.track_op() {
            // The fused kernel has no gradient.
            let turned = rope_slow(&part.transpose(1, 2)?, cosines, sines)?;
            return turned.transpose(1, 2);
        }
        rope_thd(&part.contiguous()?, cosines, sines)
    };
    if rotated == size {
        return rope(input);
    }
    let turned = rope(&input.narrow(3, 0, rotated)?)?;
    Tensor::cat(&[turned, input.narrow(3, rotated, size - rotated)?], 3)
}

/// One block with its weights on a device, in its checkpoint's compute precision.
#[derive(Clone, Debug)]
pub struct Block {
    index: usize,
    engine: Engine,
    linears: Vec<LoadedLinear>,
    attention: Attention,
    /// Whether the block uses sliding-window attention, even if its window covers the whole context.
    slides: bool,
    activation: Activation,
    norm_first: bool,
    attention_norm: Norm,
    after_attention: Option<Norm>,
    mlp_norm: Norm,
    after_mlp: Option<Norm>,
    query_key_norms: Option<(Norm, Norm)>,
}

impl Block {
    /// Loads block `index` and releases its mapped pages, so that only the loaded copy stays in memory.
    ///
    /// # Errors
    /// When a tensor cannot be read, or the device runs out of memory.
    pub fn load(checkpoint: &Checkpoint, index: usize, device: &Device) -> Result<Self, ModelError> {
        let config = checkpoint.config();
        let names = &config.architecture.norms;
        let norm = |module: &str| {
            let name = checkpoint.layout().in_block(index, module);
            Norm::load(checkpoint, &name, device)
        };
        Ok(Self {
            index,
            engine: checkpoint.engine().clone(),
            linears: checkpoint
                .block_linears(index)
                .iter()
                .map(|linear| {
                    let loaded = LoadedLinear::load(checkpoint, linear, device);
                    // Immediately, because the block would otherwise be in memory twice.
                    checkpoint.files().release(&linear.weight);
                    loaded
                })
                .collect::<Result<_, _>>()?,
            attention: Attention {
                heads: config.heads,
                key_value_heads: config.key_value_heads,
                head_size: config.head_size,
                scale: config.query_scale,
                softcap: config.attention_softcap,
                window: config.window_of(index),
            },
            slides: config.window_of(index).is_some(),
            activation: config.activation,
            norm_first: config.norm_first,
            attention_norm: norm(names.attention)?,
            after_attention: names.after_attention.map(norm).transpose()?,
            mlp_norm: norm(names.mlp)?,
            after_mlp: names.after_mlp.map(norm).transpose()?,
            query_key_norms: match names.query_key {
                Some((query, key)) => Some((norm(query)?, norm(key)?)),
                None => None,
            },
        })
    }

    /// Returns the block's number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the block's linears, in `named_modules()` order.
    pub fn linears(&self) -> &[LoadedLinear] {
        &self.linears
    }

    /// Returns the block's linears for modification.
    pub fn linears_mut(&mut self) -> &mut [LoadedLinear] {
        &mut self.linears
    }

    /// Runs the block on hidden states `[samples, length, hidden]`, and shows `tap` the input of each site.
    ///
    /// # Errors
    /// When the tap or a tensor operation fails.
    pub fn forward(&self, hidden: &Tensor, angles: &Angles, tap: &mut Tap<'_>) -> Result<Tensor, ModelError> {
        self.forward_mixing(hidden, angles, tap, &mut |attention, [queries, keys, values]| {
            steps::attended(&self.engine, attention, [&queries, &keys, &values])
        })
    }

    /// Runs the block with `mixing` in place of causal attention over each sample.
    pub(super) fn forward_mixing(
        &self,
        hidden: &Tensor,
        angles: &Angles,
        tap: &mut Tap<'_>,
        mixing: &mut Mixing<'_>,
    ) -> Result<Tensor, ModelError> {
        self.run(hidden, angles, tap, mixing).map_err(|error| error.inside(&format!("block {}", self.index)))
    }

    fn run(
        &self,
        hidden: &Tensor,
        angles: &Angles,
        tap: &mut Tap<'_>,
        mixing: &mut Mixing<'_>,
    ) -> Result<Tensor, ModelError> {
        let attended = self.around(hidden, &self.attention_norm, self.after_attention.as_ref(), |input| {
            tap(Site::AttentionInput, input)?;
            let mixed = self.attend(input, angles, mixing)?;
            tap(Site::AttentionOutput, &mixed)?;
            Ok(self.linear(ProjectionKind::Out)?.run(&mixed)?)
        })?;
        self.around(&attended, &self.mlp_norm, self.after_mlp.as_ref(), |input| {
            tap(Site::MlpInput, input)?;
            let middle = self.middle(input)?;
            tap(Site::MlpMiddle, &middle)?;
            Ok(self.linear(ProjectionKind::Down)?.run(&middle)?)
        })
    }

    /// Adds `part`, applied to the normalised residual stream, to the stream.
    fn around(
        &self,
        hidden: &Tensor,
        norm: &Norm,
        after: Option<&Norm>,
        part: impl FnOnce(&Tensor) -> Result<Tensor, ModelError>,
    ) -> Result<Tensor, ModelError> {
        if !self.norm_first {
            return norm.run(&steps::add(&self.engine, part(hidden)?, hidden)?);
        }
        let output = part(&norm.run(hidden)?)?;
        let output = match after {
            Some(after) => after.run(&output)?,
            None => output,
        };
        steps::add(&self.engine, output, hidden)
    }

    /// Returns the mixed values, which the output projection reads.
    fn attend(&self, input: &Tensor, angles: &Angles, mixing: &mut Mixing<'_>) -> Result<Tensor, ModelError> {
        let (samples, length, _) = input.dims3()?;
        let Attention { heads, key_value_heads, head_size, .. } = self.attention;
        let (queries, keys, values) = match self.fused(Role::QueryKeyValue) {
            Some(fused) => {
                let all = fused.run(input)?;
                let (wide, narrow) = (heads * head_size, key_value_heads * head_size);
                (all.narrow(2, 0, wide)?, all.narrow(2, wide, narrow)?, all.narrow(2, wide + narrow, narrow)?)
            }
            None => (
                self.linear(ProjectionKind::Query)?.run(input)?,
                self.linear(ProjectionKind::Key)?.run(input)?,
                self.linear(ProjectionKind::Value)?.run(input)?,
            ),
        };
        let mut queries = queries.reshape((samples, length, heads, head_size))?;
        let mut keys = keys.reshape((samples, length, key_value_heads, head_size))?;
        let values = values.reshape((samples, length, key_value_heads, head_size))?;
        if let Some((query_norm, key_norm)) = &self.query_key_norms {
            queries = query_norm.run(&queries)?;
            keys = key_norm.run(&keys)?;
        }
        let (queries, keys) = (angles.rotate(queries, self.slides)?, angles.rotate(keys, self.slides)?);
        mixing(&self.attention, [queries, keys, values])
    }

    /// Returns the MLP's intermediate activations, which the down projection reads.
    fn middle(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        if let Some(fused) = self.fused(Role::GateUp) {
            let both = fused.run(input)?;
            let width = both.dim(2)? / 2;
            let gate = both.narrow(2, 0, width)?;
            let up = both.narrow(2, width, width)?;
            return steps::gated(&self.engine, self.activation, gate, &up);
        }
        let up = self.linear(ProjectionKind::Up)?.run(input)?;
        match self.fused(Role::One(ProjectionKind::Gate)) {
            Some(gate) => steps::gated(&self.engine, self.activation, gate.run(input)?, &up),
            None => Ok(self.activation.run(&up)?),
        }
    }

    fn fused(&self, role: Role) -> Option<&LoadedLinear> {
        self.linears.iter().find(|it| it.linear.role == role)
    }

    fn linear(&self, kind: ProjectionKind) -> Result<&LoadedLinear, ModelError> {
        self.fused(Role::One(kind)).ok_or_else(|| ModelError::MissingTensor {
            path: format!("block {}", self.index).into(),
            tensor: format!("{kind:?}"),
        })
    }
}
