//! Converts stored numbers to f32 exactly.

use std::ops::Range;

use half::{bf16, f16};

#[cfg(target_arch = "x86_64")]
use super::dispatch::is_wide;
use super::dispatch::{Machine, dispatched};
use crate::data::Values;

/// Copies a range of stored numbers into `out` as f32, exactly.
///
/// If the range is longer than `out`, or extends beyond the last number, only the common part is copied.
pub fn widen(values: &Values<'_>, range: Range<usize>, out: &mut [f32]) {
    let end = range.end.min(values.len());
    let range = range.start.min(end)..end;
    let count = range.len().min(out.len());
    let range = range.start..range.start + count;
    let out = &mut out[..count];
    match values {
        Values::F32(values) => out.copy_from_slice(&values[range]),
        Values::F16(values) => widen_f16(&values[range], out),
        Values::Bf16(values) => widen_bf16(&values[range], out),
    }
}

fn widen_f16(values: &[f16], out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_wide() {
        // SAFETY: the processor has every feature that the function is compiled for, as checked above.
        return unsafe { widen_f16_wide(values, out) };
    }
    widen_f16_anywhere(values, out);
}

/// Widens with F16C's instruction, eight at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn widen_f16_wide(values: &[f16], out: &mut [f32]) {
    use std::arch::x86_64::{__m128i, _mm256_cvtph_ps};
    let (groups, rest) = values.as_chunks::<8>();
    let (wide, wide_rest) = out.as_chunks_mut::<8>();
    for (group, wide) in groups.iter().zip(wide) {
        let packed: __m128i = bytemuck::cast(*group);
        *wide = bytemuck::cast(_mm256_cvtph_ps(packed));
    }
    widen_f16_anywhere(rest, wide_rest);
}

/// Widens with shifts and one product, which the compiler vectorises for any processor.
#[inline(always)]
pub(super) fn widen_f16_anywhere(values: &[f16], out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        let bits = u32::from(value.to_bits());
        // Read as an f32, the bits are 2^-112 times the number, including subnormal ones.
        let size = f32::from_bits((bits & 0x7fff) << 13) * 5.192_297e33;
        // Beyond the range of f16 are its infinities and NaN.
        let special = if size >= 65_536.0 { 0x7f80_0000 } else { 0 };
        *out = f32::from_bits(size.to_bits() | special | ((bits & 0x8000) << 16));
    }
}

dispatched! {
    fn widen_bf16(values: &[bf16], out: &mut [f32]) = widen_bf16_on
}

#[inline(always)]
fn widen_bf16_on<M: Machine>(values: &[bf16], out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = f32::from_bits(u32::from(value.to_bits()) << 16);
    }
}
