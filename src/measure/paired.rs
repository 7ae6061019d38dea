//! Tests on paired losses: is one model better than another on the same windows?

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Up to this number of differences the distribution is counted exactly, beyond it approximated by a normal
/// one.
const EXACT: usize = 25;

/// The outcome of Wilcoxon's signed-rank test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignedRank {
    /// The probability, without any true difference, of ranks that favour positive differences at least as
    /// much as these.
    pub greater: f64,
    /// The probability of ranks at least as far from balance as these, on either side.
    pub two_sided: f64,
}

/// Tests whether paired differences lie to one side of 0.
///
/// Differences of 0 are dropped; equal magnitudes share their mean rank. Without any difference, both
/// probabilities are 1. Up to 25 differences are counted exactly; for more, the normal approximation is used,
/// with its corrections for ties and continuity.
///
/// # Source
/// Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945).
pub fn signed_rank(differences: &[f64]) -> SignedRank {
    let mut sorted: Vec<f64> = differences.iter().copied().filter(|it| *it != 0.0 && !it.is_nan()).collect();
    sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = sorted.len();
    if n == 0 {
        return SignedRank { greater: 1.0, two_sided: 1.0 };
    }
    // Ranks are doubled, so that shared ranks are whole numbers.
    let mut ranks = Vec::with_capacity(n);
    let mut ties = 0.0;
    for group in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
        let first = ranks.len() + 1;
        ranks.extend(std::iter::repeat_n(2 * first + group.len() - 1, group.len()));
        let size = group.len() as f64;
        ties += size * size * size - size;
    }
    let positive: usize = ranks.iter().zip(&sorted).filter(|(_, it)| **it > 0.0).map(|(rank, _)| rank).sum();
    let total: usize = ranks.iter().sum();
    let (greater, less) = match n <= EXACT {
        true => (at_least(&ranks, positive), at_least(&ranks, total - positive)),
        false => {
            let count = n as f64;
            let variance = count * (count + 1.0) * (2.0 * count + 1.0) / 24.0 - ties / 48.0;
            let tail = |sum: usize| {
                let above = (sum as f64 - total as f64 / 2.0) / 2.0 - 0.5;
                normal_tail(above / variance.sqrt())
            };
            (tail(positive), tail(total - positive))
        }
    };
    SignedRank { greater, two_sided: (2.0 * greater.min(less)).min(1.0) }
}

/// Returns the share of all sign combinations whose positive ranks sum to at least `sum`.
fn at_least(ranks: &[usize], sum: usize) -> f64 {
    let total: usize = ranks.iter().sum();
    let mut ways = vec![0.0_f64; total + 1];
    ways[0] = 1.0;
    for rank in ranks {
        for place in (*rank..=total).rev() {
            ways[place] += ways[place - rank];
        }
    }
    ways[sum..].iter().sum::<f64>() / 2f64.powi(ranks.len() as i32)
}

/// Returns the probability that a standard normal variable exceeds `z`.
///
/// Abramowitz and Stegun 7.1.26, whose error is below 1.5e-7.
fn normal_tail(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = t
        * (0.254_829_592
            + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let tail = 0.5 * series * (-x * x).exp();
    if z >= 0.0 { tail } else { 1.0 - tail }
}

/// Returns the 95 % bootstrap interval of the mean difference over groups (seeds) and their pairs (windows):
/// both are resampled with replacement, 10 000 times.
///
/// All groups have the same pairs. Returns NaN if there are no groups or pairs.
pub fn bootstrap_interval(groups: &[Vec<f64>], seed: u64) -> (f64, f64) {
    const DRAWS: usize = 10_000;
    let pairs = groups.iter().map(Vec::len).min().unwrap_or(0);
    if pairs == 0 {
        return (f64::NAN, f64::NAN);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |below: usize| random.random_range(0..below as u64) as usize;
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|_| {
            // The same windows for all groups, because texts differ more than seeds do.
            let windows: Vec<usize> = (0..pairs).map(|_| draw(pairs)).collect();
            let sum: f64 = (0..groups.len())
                .map(|_| {
                    let group = &groups[draw(groups.len())];
                    windows.iter().map(|window| group[*window]).sum::<f64>()
                })
                .sum();
            sum / (groups.len() * pairs) as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    (means[DRAWS / 40], means[DRAWS - 1 - DRAWS / 40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_differences_are_counted_exactly() {
        // If all of n differences are positive, only one sign combination in 2^n reaches the sum.
        for n in 1..=12 {
            let all: Vec<f64> = (1..=n).map(f64::from).collect();
            let test = signed_rank(&all);
            assert!((test.greater - 0.5f64.powi(n)).abs() < 1e-15);
        }
        // scipy.stats.wilcoxon([1, -2, 3, 4, 5], alternative="greater"): statistic 13, p 0.09375.
        let test = signed_rank(&[1.0, -2.0, 3.0, 4.0, 5.0]);
        assert!((test.greater - 0.09375).abs() < 1e-12, "{test:?}");
        assert!((test.two_sided - 0.1875).abs() < 1e-12, "{test:?}");
    }

    #[test]
    fn the_approximation_joins_the_exact_count() {
        let differences: Vec<f64> =
            (1..=25).map(|i| if i % 4 == 0 { -f64::from(i) } else { f64::from(i) }).collect();
        let exact = signed_rank(&differences).greater;
        let more: Vec<f64> =
            (1..=26).map(|i| if i % 4 == 0 { -f64::from(i) } else { f64::from(i) }).collect();
        let approximate = signed_rank(&more).greater;
        assert!(exact < 0.02 && approximate < exact && approximate > exact / 3.0, "{exact} {approximate}");
    }

    #[test]
    fn nothing_to_compare_proves_nothing() {
        assert_eq!(signed_rank(&[0.0, 0.0]).greater, 1.0);
        assert!(bootstrap_interval(&[], 0).0.is_nan());
    }

    #[test]
    fn the_interval_holds_the_mean_and_narrows() {
        let wide: Vec<f64> = (0..10).map(|i| f64::from(i % 5) - 1.0).collect();
        let narrow: Vec<f64> = (0..1000).map(|i| f64::from(i % 5) - 1.0).collect();
        let (low, high) = bootstrap_interval(&[wide], 1);
        assert!(low < 1.0 && 1.0 < high);
        let (tight_low, tight_high) = bootstrap_interval(&[narrow], 1);
        assert!(low < tight_low && tight_low < 1.0 && 1.0 < tight_high && tight_high < high);
    }
}
