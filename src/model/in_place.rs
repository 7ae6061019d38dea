//! Elementwise CPU operations that overwrite their first operand, on rayon's threads.
//!
//! candle's own elementwise operations allocate their result, and distribute the work among threads that
//! busy-wait, which is slow as soon as something else needs the cores.

use candle_core::cpu::erf::erf_f64;
use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;

use super::activation::Activation;
use super::exponential::{gelu_tanh, hyperbolic_tangent, silu};

/// Number of values that one thread works on at a time.
const CHUNK: usize = 1 << 14;

/// The operation that replaces the first operand.
#[derive(Clone, Copy, Debug)]
enum InPlace {
    /// The activation of the first operand, times the second.
    Gated(Activation),
    /// first + second.
    Add,
}

/// Returns whether both tensors are on a CPU and neither tracks gradients, which these operations do not
/// support.
fn runs_in_place(first: &Tensor, second: &Tensor) -> bool {
    first.device().is_cpu() && !first.track_op() && !second.track_op()
}

/// Returns the activation of `gate` times `up`. On a CPU it overwrites `gate`, because the MLP's intermediate
/// activations are a block's largest tensor.
pub(super) fn gated(activation: Activation, gate: Tensor, up: &Tensor) -> Result<Tensor> {
    if !runs_in_place(&gate, up) {
        return activation.run(&gate)? * up;
    }
    let (gate, up) = (gate.contiguous()?, up.contiguous()?);
    gate.inplace_op2(&up, &InPlace::Gated(activation))?;
    Ok(gate)
}

/// Returns the sum of a fresh tensor, which is overwritten if possible, and another of its shape.
pub(super) fn add(fresh: Tensor, other: &Tensor) -> Result<Tensor> {
    if !runs_in_place(&fresh, other) || !fresh.is_contiguous() || !other.is_contiguous() {
        return fresh + other;
    }
    fresh.inplace_op2(other, &InPlace::Add)?;
    Ok(fresh)
}

/// Returns cap * tanh(x / cap) of a fresh tensor, which is overwritten if possible.
pub(super) fn softcap(fresh: Tensor, cap: f64) -> Result<Tensor> {
    if !runs_in_place(&fresh, &fresh) || !fresh.is_contiguous() {
        return (fresh / cap)?.tanh()? * cap;
    }
    fresh.inplace_op1(&Softcap(cap as f32))?;
    Ok(fresh)
}

struct Softcap(f32);

impl InplaceOp1 for Softcap {
    fn name(&self) -> &'static str {
        "softcap"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(all), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            candle_core::bail!("softcap works on contiguous f32");
        };
        all[start..end].par_chunks_mut(CHUNK).for_each(|values| {
            for value in values {
                *value = hyperbolic_tangent(*value / self.0) * self.0;
            }
        });
        Ok(())
    }
}

impl InplaceOp2 for InPlace {
    fn name(&self) -> &'static str {
        match self {
            Self::Gated(_) => "gated-activation",
            Self::Add => "add",
        }
    }

    fn cpu_fwd(
        &self,
        first: &mut CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> Result<()> {
        let (CpuStorage::F32(first), CpuStorage::F32(second)) = (first, second) else {
            candle_core::bail!("{} works on f32", self.name());
        };
        let (Some(from), Some(to)) = (first_layout.contiguous_offsets(), second_layout.contiguous_offsets())
        else {
            candle_core::bail!("{} needs contiguous tensors", self.name());
        };
        let (first, second) = (&mut first[from.0..from.1], &second[to.0..to.1]);
        if first.len() != second.len() {
            candle_core::bail!("{} needs tensors of one shape", self.name());
        }
        first.par_chunks_mut(CHUNK).zip(second.par_chunks(CHUNK)).for_each(|(first, second)| {
            let pairs = first.iter_mut().zip(second);
            match self {
                Self::Gated(Activation::Silu) => {
                    pairs.for_each(|(gate, up)| *gate = silu(*gate) * up);
                }
                Self::Gated(Activation::GeluTanh) => {
                    pairs.for_each(|(gate, up)| *gate = gelu_tanh(*gate) * up);
                }
                Self::Gated(Activation::Relu) => {
                    pairs.for_each(|(gate, up)| *gate = gate.max(0.0) * up);
                }
                Self::Gated(Activation::Gelu) => {
                    let half = std::f64::consts::FRAC_1_SQRT_2;
                    pairs.for_each(|(gate, up)| {
                        let x = f64::from(*gate);
                        *gate = (0.5 * x * (1.0 + erf_f64(x * half))) as f32 * up;
                    });
                }
                Self::Add => pairs.for_each(|(sum, other)| *sum += other),
            }
        });
        Ok(())
    }
}
