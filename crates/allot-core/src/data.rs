//! The data that a script is evaluated on: weights as they are stored, and per-channel statistics.

use std::borrow::Cow;

use half::{bf16, f16};

/// Numbers in the type they are stored in, row-major.
#[derive(Clone, Debug)]
pub enum Values<'a> {
    /// 32-bit floats.
    F32(Cow<'a, [f32]>),
    /// IEEE half precision.
    F16(Cow<'a, [f16]>),
    /// Brain floats: the upper half of an f32.
    Bf16(Cow<'a, [bf16]>),
}

impl Values<'_> {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// Returns whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many bytes one number takes.
    pub fn bytes_per_value(&self) -> usize {
        match self {
            Self::F32(_) => 4,
            Self::F16(_) | Self::Bf16(_) => 2,
        }
    }

    /// Returns the number at `index`, widened exactly.
    ///
    /// # Panics
    /// Panics when `index` is out of bounds, as indexing a slice does.
    pub fn get(&self, index: usize) -> f32 {
        match self {
            Self::F32(values) => values[index],
            Self::F16(values) => values[index].to_f32(),
            Self::Bf16(values) => values[index].to_f32(),
        }
    }
}

/// The seven kinds of projection that terminals such as `query` distinguish, in `named_modules()` order of a LLaMA block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProjectionKind {
    /// Attention queries.
    Query,
    /// Attention keys.
    Key,
    /// Attention values.
    Value,
    /// The attention's output projection.
    Out,
    /// The gate of a gated MLP.
    Gate,
    /// The MLP's widening projection (OPT: `fc1`).
    Up,
    /// The MLP's narrowing projection (OPT: `fc2`).
    Down,
}

impl ProjectionKind {
    /// Every kind, in order.
    pub const ALL: [Self; 7] =
        [Self::Query, Self::Key, Self::Value, Self::Out, Self::Gate, Self::Up, Self::Down];
}

/// One linear layer of a block, with its collected statistics.
#[derive(Clone, Debug)]
pub struct LinearData<'a> {
    /// The module's name, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// The block it belongs to, from 0.
    pub block: usize,
    /// The share of its parameters of each kind, in the order of [`ProjectionKind::ALL`]; a fused projection has several kinds.
    pub kinds: [f64; 7],
    /// Output channels.
    pub rows: usize,
    /// Input channels.
    pub columns: usize,
    /// The weight, `[rows, columns]`.
    pub weight: Values<'a>,
    /// For each input channel, the mean over samples of the sum over tokens of x squared, `[columns]`.
    pub second_moment: Option<Cow<'a, [f32]>>,
    /// The diagonal of the Hessian of the layer's output error, `[columns]`.
    pub hessian_diagonal: Option<Cow<'a, [f32]>>,
    /// The square root of the summed squared gradients, `[rows, columns]`.
    pub gradient: Option<Values<'a>>,
    /// The smallest error of a linear reconstruction when half of each row is removed (LSA).
    pub reconstruction_error: Option<f64>,
    /// The kurtosis of the layer's input, over all tokens and channels.
    pub input_kurtosis: Option<f64>,
    /// How its block changes the residual stream.
    pub block_change: Option<BlockChange>,
    /// The loss when only the layer, or only its block, is pruned.
    pub damages: Vec<Damage<'a>>,
    /// The rise of the loss for each further weight that is pruned, at uniformly pruned models.
    pub marginals: Vec<Marginal<'a>>,
}

/// How a block changes the residual stream, as means over tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BlockChange {
    /// The cosine similarity of the block's input and output.
    pub similarity: f64,
    /// The norm of the difference between output and input, divided by the norm of the input.
    pub relative: f64,
}

/// The divergence from the dense model when only the layer's allocation unit is pruned.
#[derive(Clone, Debug)]
pub struct Damage<'a> {
    /// The unit's sparsity.
    pub sparsity: f64,
    /// The metric whose scores chose the pruned weights, as [`metric_name`](crate::interpret::measured::metric_name) writes it.
    pub metric: Cow<'a, str>,
    /// Whether the layer's whole block was pruned, or only the layer.
    pub of_block: bool,
    /// The divergence on each window of the text, `[windows]`, in nats.
    pub windows: Cow<'a, [f64]>,
}

/// The rise of the loss, to first order, for each further weight of a linear that is pruned, at a uniformly pruned model.
#[derive(Clone, Debug)]
pub struct Marginal<'a> {
    /// The model's sparsity.
    pub sparsity: f64,
    /// The metric whose scores chose the pruned weights, as [`metric_name`](crate::interpret::measured::metric_name) writes it.
    pub metric: Cow<'a, str>,
    /// The marginal on each window of the text, `[windows]`, in nats for each weight.
    pub windows: Cow<'a, [f64]>,
    /// A higher sparsity, and the marginals there.
    pub beyond: Option<(f64, Cow<'a, [f64]>)>,
}

/// A model's block linears in `named_modules()` order.
#[derive(Clone, Debug)]
pub struct ModelData<'a> {
    /// How many blocks the model has.
    pub blocks: usize,
    /// Every linear of every block, block by block.
    pub linears: Vec<LinearData<'a>>,
}
