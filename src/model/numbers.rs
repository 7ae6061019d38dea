//! Counts and searches among the numbers of a tensor.

use rayon::prelude::*;
use safetensors::Dtype;

use crate::data::Values;

/// Returns whether no float of these little-endian bytes is NaN or infinite; numbers of other types are
/// always finite.
///
/// A float is finite if the bits of its exponent are not all 1. The loop does not exit early, so that the
/// compiler can vectorise it.
pub(super) fn all_finite(dtype: Dtype, bytes: &[u8]) -> bool {
    match dtype {
        Dtype::F64 => none_of(bytes, 0x7ff0_0000_0000_0000, u64::from_le_bytes),
        Dtype::F32 => none_of(bytes, 0x7f80_0000, u32::from_le_bytes),
        Dtype::F16 => none_of(bytes, 0x7c00, u16::from_le_bytes),
        Dtype::BF16 => none_of(bytes, 0x7f80, u16::from_le_bytes),
        _ => true,
    }
}

/// Returns whether no number has all bits of `exponent` set.
fn none_of<const N: usize, T>(bytes: &[u8], exponent: T, read: impl Fn([u8; N]) -> T) -> bool
where
    T: Copy + PartialEq + std::ops::BitAnd<Output = T>,
{
    let (numbers, _) = bytes.as_chunks::<N>();
    !numbers.iter().fold(false, |found, number| found | (read(*number) & exponent == exponent))
}

/// Number of values that one thread checks at a time.
const CHUNK: usize = 1 << 16;

/// Returns the index of the first number that is NaN or infinite.
pub fn first_not_finite(values: &Values<'_>) -> Option<usize> {
    match values {
        Values::F32(all) => first(all, Dtype::F32, |it| it.is_finite()),
        Values::F16(all) => first(all, Dtype::F16, |it| it.is_finite()),
        Values::Bf16(all) => first(all, Dtype::BF16, |it| it.is_finite()),
    }
}

/// Finds the chunk with loops that do not exit early, and then the number within it.
fn first<T: bytemuck::NoUninit + Sync>(
    all: &[T],
    dtype: Dtype,
    is_finite: impl Fn(&T) -> bool,
) -> Option<usize> {
    let wrong = |chunk: &[T]| !all_finite(dtype, bytemuck::cast_slice(chunk));
    let start = CHUNK * all.par_chunks(CHUNK).position_first(wrong)?;
    all[start..].iter().position(|it| !is_finite(it)).map(|at| start + at)
}

/// Returns the number of zeros, of either sign.
pub(crate) fn count_zeros(values: &Values<'_>) -> u64 {
    let count = match values {
        Values::F32(all) => all.iter().filter(|it| **it == 0.0).count(),
        Values::F16(all) => all.iter().filter(|it| it.to_bits() << 1 == 0).count(),
        Values::Bf16(all) => all.iter().filter(|it| it.to_bits() << 1 == 0).count(),
    };
    count as u64
}
