//! Rank correlation: how similarly two allocations order their parts.

use crate::kernels::reduce::ranks;

/// Returns Spearman's rank correlation of two lists of equal length: 1 for the same order, -1 for the reverse. Ties share the mean of
/// their ranks.
///
/// Returns `None` when the lengths differ, there are fewer than two values, a value is NaN, or a list is constant and so has no order.
pub fn rank_correlation(first: &[f64], second: &[f64]) -> Option<f64> {
    if first.len() != second.len() || first.len() < 2 {
        return None;
    }
    let (first, second) = (ranks(first), ranks(second));
    // Ranks run from 0 to 1 around one half, whatever the ties.
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - 0.5) * (b - 0.5)).sum::<f64>();
    let scale = (product(&first, &first) * product(&second, &second)).sqrt();
    (scale > 0.0).then(|| product(&first, &second) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_spearmans() {
        assert_eq!(rank_correlation(&[1.0, 2.0, 5.0], &[0.1, 0.2, 0.9]), Some(1.0));
        assert_eq!(rank_correlation(&[1.0, 2.0, 5.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        // 1 - 6 * 2 / (4 * 15), without ties.
        let swapped = rank_correlation(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0]).unwrap_or(f64::NAN);
        assert!((swapped - 0.8).abs() < 1e-12);
        // With ties it is Pearson's correlation of the shared ranks: (1.5, 1.5, 3) and (1, 2, 3).
        let tied = rank_correlation(&[0.0, 0.0, 1.0], &[1.0, 2.0, 3.0]).unwrap_or(f64::NAN);
        assert!((tied - 1.5 / (1.5_f64 * 2.0).sqrt()).abs() < 1e-12);
        assert_eq!(rank_correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(rank_correlation(&[1.0], &[1.0]), None);
        assert_eq!(rank_correlation(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    }
}
