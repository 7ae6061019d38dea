//! Exact order statistics of many numbers by counting, in two passes, without storing them.

/// How many bits one pass distinguishes.
const DIGIT: u32 = 16;
/// How many values these bits have.
const DIGITS: usize = 1 << DIGIT;

/// Returns bits whose order as an integer is the order of the numbers, with -0 before 0.
///
/// A NaN comes before all numbers if its sign is set, and after them otherwise.
#[inline(always)]
pub fn ordered_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    // All bits of negative numbers are flipped, and only the sign of the others.
    let flipped = ((bits as i32) >> 31) as u32 | 0x8000_0000;
    bits ^ flipped
}

/// Returns the number whose [`ordered_bits`] these are.
#[inline(always)]
pub fn from_ordered_bits(ordered: u32) -> f32 {
    let flipped = !((ordered as i32) >> 31) as u32 | 0x8000_0000;
    f32::from_bits(ordered ^ flipped)
}

/// Counts of numbers by the upper half of their ordered bits, or of those with a given upper half by the lower half.
///
/// Two of them find the exact k-th smallest number of any set, in two passes over it: [`coarse`](Self::coarse) finds its upper
/// half, [`fine`](Self::fine) the lower one. Threads count separately and [`merge`](Self::merge).
///
/// ```
/// use allot_core::kernels::vector::Histogram;
///
/// let values = [3.0, -1.0, 2.0, 0.5];
/// let mut coarse = Histogram::coarse();
/// coarse.add(&values);
/// let (upper, rank) = coarse.locate(2).expect("four values have a third");
/// let mut fine = Histogram::fine(upper);
/// fine.add(&values);
/// assert_eq!(fine.value(rank), Some(2.0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    prefix: Option<u16>,
    counts: Vec<u64>,
}

impl Histogram {
    /// Makes an empty histogram of upper halves; allocates half a megabyte.
    pub fn coarse() -> Self {
        Self { prefix: None, counts: vec![0; DIGITS] }
    }

    /// Makes an empty histogram of the lower halves of those numbers whose upper half is `prefix`.
    pub fn fine(prefix: u16) -> Self {
        Self { prefix: Some(prefix), counts: vec![0; DIGITS] }
    }

    /// Counts a chunk.
    pub fn add(&mut self, values: &[f32]) {
        match self.prefix {
            None => {
                for &value in values {
                    self.counts[(ordered_bits(value) >> DIGIT) as usize] += 1;
                }
            }
            Some(prefix) => {
                for &value in values {
                    let ordered = ordered_bits(value);
                    if ordered >> DIGIT == u32::from(prefix) {
                        self.counts[ordered as usize % DIGITS] += 1;
                    }
                }
            }
        }
    }

    /// Adds counts from another device, by digit.
    pub fn add_counts(&mut self, counts: &[u32]) {
        for (total, count) in self.counts.iter_mut().zip(counts) {
            *total += u64::from(*count);
        }
    }

    /// Adds the counts of another histogram of the same kind.
    pub fn merge(&mut self, other: &Self) {
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += other;
        }
    }

    /// Returns the half of the `rank`-th smallest number, from 0, and its rank among the numbers with this half.
    ///
    /// Returns `None` if fewer numbers were counted.
    pub fn locate(&self, rank: u64) -> Option<(u16, u64)> {
        let mut rank = rank;
        for (digit, &count) in (0..=u16::MAX).zip(&self.counts) {
            if rank < count {
                return Some((digit, rank));
            }
            rank -= count;
        }
        None
    }

    /// Returns the `rank`-th smallest number, from 0.
    ///
    /// It is exact in a [`fine`](Self::fine) histogram, where the rank is that among its own numbers; a coarse one returns the
    /// smallest number with the same upper half. Returns `None` if fewer numbers were counted.
    pub fn value(&self, rank: u64) -> Option<f32> {
        let (digit, _) = self.locate(rank)?;
        Some(from_ordered_bits(match self.prefix {
            None => u32::from(digit) << DIGIT,
            Some(prefix) => (u32::from(prefix) << DIGIT) | u32::from(digit),
        }))
    }

    /// Returns how many numbers were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}
