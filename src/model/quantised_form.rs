//! Methods to store weights in fewer bits.

use std::fmt;

/// A method to store weights other than as plain floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantisedForm {
    /// GPTQ: packed integers with scales, zeros and an order.
    Gptq,
    /// AWQ: packed integers with scales and zeros.
    Awq,
    /// compressed-tensors, with its format.
    CompressedTensors(String),
    /// bitsandbytes in 4 or 8 bits.
    Bitsandbytes,
    /// BitNet's ternary values.
    BitNet,
    /// 8-bit floats with scales.
    Fp8,
    /// 4-bit floats with a scale for each block.
    Mxfp4,
    /// 4-bit floats with scales of blocks and of the whole weight.
    Nvfp4,
    /// HQQ: packed integers with scales and zeros.
    Hqq,
    /// AQLM: sums of codebook entries.
    Aqlm,
    /// quanto, the quantiser of optimum.
    Quanto,
    /// torchao.
    Torchao,
    /// MLX: packed integers with scales and biases.
    Mlx,
    /// GGUF, the format of llama.cpp.
    Gguf,
    /// 8-bit integers.
    Int8,
    /// Another method, by its own name.
    Other(String),
}

impl fmt::Display for QuantisedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gptq => f.write_str("GPTQ"),
            Self::Awq => f.write_str("AWQ"),
            Self::CompressedTensors(format) => write!(f, "compressed-tensors, {format}"),
            Self::Bitsandbytes => f.write_str("bitsandbytes"),
            Self::BitNet => f.write_str("BitNet"),
            Self::Fp8 => f.write_str("FP8"),
            Self::Mxfp4 => f.write_str("MXFP4"),
            Self::Nvfp4 => f.write_str("NVFP4"),
            Self::Hqq => f.write_str("HQQ"),
            Self::Aqlm => f.write_str("AQLM"),
            Self::Quanto => f.write_str("quanto"),
            Self::Torchao => f.write_str("torchao"),
            Self::Mlx => f.write_str("MLX"),
            Self::Gguf => f.write_str("GGUF"),
            Self::Int8 => f.write_str("8-bit integers"),
            Self::Other(name) => f.write_str(name),
        }
    }
}
