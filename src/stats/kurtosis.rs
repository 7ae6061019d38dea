//! The kurtosis of linears' inputs, from central moments that are combined in a fixed order.

use std::collections::BTreeMap;

use candle_core::{D, DType, Storage, Tensor};
use rayon::prelude::*;

use crate::model::{ModelError, Site};

/// Number of rows that one thread sums at a time.
const ROWS: usize = 64;

/// Central moments of the input of each site of one block, over all tokens and channels together.
#[derive(Clone, Debug, Default)]
pub(super) struct InputKurtosis {
    sites: BTreeMap<Site, Moments>,
}

impl InputKurtosis {
    /// Adds one batch `[samples, length, columns]` at a site.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(super) fn add(&mut self, site: Site, input: &Tensor) -> Result<(), ModelError> {
        let columns = input.dim(D::Minus1)?;
        let sum = self.sites.entry(site).or_default();
        for part in parts(input, columns)? {
            *sum = sum.and(part);
        }
        Ok(())
    }

    /// Returns the kurtosis at a site; 0 where all values are equal.
    pub(super) fn of(&self, site: Site) -> Option<f64> {
        self.sites.get(&site).map(|moments| moments.kurtosis())
    }
}

/// The number of some values, their mean, and the sums of powers 2 to 4 of their differences from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moments {
    count: f64,
    mean: f64,
    powers: [f64; 3],
}

impl Moments {
    fn of(values: &[f32]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().map(|it| f64::from(*it)).sum::<f64>() / count.max(1.0);
        let mut powers = [0.0; 3];
        for value in values {
            let off = f64::from(*value) - mean;
            let square = off * off;
            powers[0] += square;
            powers[1] += square * off;
            powers[2] += square * square;
        }
        Self { count, mean, powers }
    }

    /// Returns the moments of both sets of values (Pébay 2008, formulas 1.4 to 1.6, for two sets).
    fn and(self, other: Self) -> Self {
        let [a, b] = [self.count, other.count];
        if a == 0.0 {
            return other;
        }
        if b == 0.0 {
            return self;
        }
        let n = a + b;
        let by = other.mean - self.mean;
        let ([a2, a3, a4], [b2, b3, b4]) = (self.powers, other.powers);
        let second = a2 + b2 + by.powi(2) * a * b / n;
        let third = a3 + b3 + by.powi(3) * a * b * (a - b) / n.powi(2) + 3.0 * by * (a * b2 - b * a2) / n;
        let fourth = a4
            + b4
            + by.powi(4) * a * b * (a * a - a * b + b * b) / n.powi(3)
            + 6.0 * by.powi(2) * (a * a * b2 + b * b * a2) / n.powi(2)
            + 4.0 * by * (a * b3 - b * a3) / n;
        Self { count: n, mean: self.mean + by * b / n, powers: [second, third, fourth] }
    }

    fn kurtosis(self) -> f64 {
        let [second, _, fourth] = self.powers;
        if second == 0.0 { 0.0 } else { self.count * fourth / (second * second) }
    }
}

/// Returns the moments of groups of rows, in order.
fn parts(input: &Tensor, columns: usize) -> Result<Vec<Moments>, ModelError> {
    let input = input.contiguous()?;
    let (storage, layout) = input.storage_and_layout();
    if let (Storage::Cpu(cpu), Some((start, end))) = (&*storage, layout.contiguous_offsets()) {
        let values = &cpu.as_slice::<f32>()?[start..end];
        return Ok(values.par_chunks(ROWS * columns.max(1)).map(Moments::of).collect());
    }
    drop(storage);
    // On other devices, each token is summed on the device, and only the sums are copied back.
    let rows = input.flatten_to(D::Minus2)?.to_dtype(DType::F32)?;
    let means = rows.mean_keepdim(D::Minus1)?;
    let off = rows.broadcast_sub(&means)?;
    let square = off.sqr()?;
    let sum = |powers: Tensor| -> Result<Vec<f32>, ModelError> { Ok(powers.sum(D::Minus1)?.to_vec1()?) };
    let [second, third, fourth] = [sum(square.clone())?, sum((&square * &off)?)?, sum(square.sqr()?)?];
    let means: Vec<f32> = means.flatten_all()?.to_vec1()?;
    let of_row = |row: usize| Moments {
        count: columns as f64,
        mean: means[row].into(),
        powers: [second[row].into(), third[row].into(), fourth[row].into()],
    };
    Ok((0..means.len()).map(of_row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_parts_combine_to_those_of_the_whole() {
        // Far from 0, so that sums of plain powers would lose every digit of the differences.
        let values: Vec<f32> =
            (0..1000).map(|at| 4096.0 + ((at * 7919 % 101) as f32).powi(2) / 64.0).collect();
        let whole = Moments::of(&values);
        for cut in [1, 13, 500, 999] {
            let [a, b] = [&values[..cut], &values[cut..]].map(Moments::of);
            let both = a.and(b);
            assert!(
                (both.kurtosis() / whole.kurtosis() - 1.0).abs() < 1e-12,
                "{cut}: {both:?} and {whole:?}"
            );
            for (both, whole) in both.powers.iter().zip(whole.powers) {
                assert!((both / whole - 1.0).abs() < 1e-9, "{cut}");
            }
        }
        assert_eq!(whole.and(Moments::default()), whole);
        assert_eq!(Moments::default().and(whole), whole);
    }

    #[test]
    fn two_values_have_the_smallest_kurtosis_and_equal_values_have_none() {
        assert_eq!(Moments::of(&[1.0, -1.0, 1.0, -1.0]).kurtosis(), 1.0);
        // A share p of ones among zeros has the kurtosis (1 - 3 p (1 - p)) / (p (1 - p)).
        assert!(
            (Moments::of(&[1.0, 0.0, 0.0, 0.0]).kurtosis() - (1.0 - 9.0 / 16.0) / (3.0 / 16.0)).abs() < 1e-12
        );
        assert_eq!(Moments::of(&[2.5; 7]).kurtosis(), 0.0);
    }
}
