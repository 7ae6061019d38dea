//! The function between an MLP's two layers, fused with the product of gate and up.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;
use serde::Serialize;

use super::exponential::silu;

/// Numbers that one thread works on at a time.
const CHUNK: usize = 1 << 14;

/// The function between an MLP's two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x * sigmoid(x).
    Silu,
    /// x * Phi(x).
    Gelu,
    /// Gelu by its tanh approximation.
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

    /// Returns the activation of `gate` times `up`; on a CPU in place of `gate`, because an MLP's middle is the largest tensor
    /// of a block.
    pub(super) fn gated(self, gate: Tensor, up: &Tensor) -> Result<Tensor> {
        // The fused kernel has no gradient.
        let tracked = gate.track_op() || up.track_op();
        if self != Self::Silu || !gate.device().is_cpu() || tracked {
            return self.run(&gate)? * up;
        }
        let (gate, up) = (gate.contiguous()?, up.contiguous()?);
        gate.inplace_op2(&up, &GatedSilu)?;
        Ok(gate)
    }
}

struct GatedSilu;

impl InplaceOp2 for GatedSilu {
    fn name(&self) -> &'static str {
        "gated-silu"
    }

    fn cpu_fwd(
        &self,
        gate: &mut CpuStorage,
        gate_layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<()> {
        let (CpuStorage::F32(gate), CpuStorage::F32(up)) = (gate, up) else {
            candle_core::bail!("gated silu works on f32");
        };
        let (Some(gate_range), Some(up_range)) =
            (gate_layout.contiguous_offsets(), up_layout.contiguous_offsets())
        else {
            candle_core::bail!("gated silu needs contiguous tensors");
        };
        let gate = &mut gate[gate_range.0..gate_range.1];
        let up = &up[up_range.0..up_range.1];
        gate.par_chunks_mut(CHUNK).zip(up.par_chunks(CHUNK)).for_each(|(gate, up)| {
            for (gate, up) in gate.iter_mut().zip(up) {
                *gate = silu(*gate) * up;
            }
        });
        Ok(())
    }
}
