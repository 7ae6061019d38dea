//! The compute precision of a decoder.

use candle_core::DType;
use serde::Serialize;

/// The type in which a decoder computes. Statistics, scores and losses are always f32 or wider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats, whatever type the weights are stored in.
    #[default]
    F32,
    /// bfloat16, which a GPU multiplies several times as fast; not supported on the CPU.
    Bf16,
}

impl Precision {
    /// Returns candle's name for the type.
    pub const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}
