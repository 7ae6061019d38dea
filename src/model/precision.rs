//! The type in which a decoder computes.

use candle_core::DType;
use serde::Serialize;

/// The type in which a decoder computes. Statistics, scores and losses are f32 or wider in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
