//! The function between an MLP's two layers.

use candle_core::{Result, Tensor};
use serde::Serialize;

/// The function between an MLP's two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x * sigmoid(x).
    Silu,
    /// x * Phi(x), with the normal distribution function Phi.
    Gelu,
    /// Tanh approximation of x * Phi(x).
    GeluTanh,
    /// max(x, 0).
    Relu,
}

impl Activation {
    /// Returns the activation that transformers calls `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "silu" | "swish" => Some(Self::Silu),
            "gelu" => Some(Self::Gelu),
            "gelu_pytorch_tanh" | "gelu_new" | "gelu_fast" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }

    /// Returns the activation of a tensor.
    pub(super) fn run(self, input: &Tensor) -> Result<Tensor> {
        match self {
            Self::Silu => input.silu(),
            Self::Gelu => input.gelu_erf(),
            Self::GeluTanh => input.gelu(),
            Self::Relu => input.relu(),
        }
    }
}
