//! Compares order statistics with sorting.

use proptest::prelude::*;

use super::super::*;
use super::sweep;

#[test]
fn ordered_bits_keep_the_order_and_come_back() {
    let mut x: Vec<f32> = sweep().into_iter().filter(|x| !x.is_nan()).collect();
    x.sort_by(f32::total_cmp);
    assert!(x.windows(2).all(|pair| ordered_bits(pair[0]) <= ordered_bits(pair[1])));
    for x in sweep() {
        assert_eq!(from_ordered_bits(ordered_bits(x)).to_bits(), x.to_bits());
    }
}

#[test]
fn quantiles_interpolate_and_medians_take_the_lower() {
    let mut x = [4.0, 1.0, 3.0, 2.0];
    assert_eq!(median(&mut x), 2.0);
    assert_eq!(quantile(&mut x, 0.5), 2.5);
    assert_eq!(quantile(&mut x, 0.0), 1.0);
    assert_eq!(quantile(&mut x, 1.0), 4.0);
    assert_eq!(quantile(&mut x, 7.0), 4.0);
    assert!((quantile(&mut x, 0.9) - 3.7).abs() < 1e-12);
    assert_eq!(median(&mut [5.0, 1.0, 3.0]), 3.0);
    assert_eq!(median(&mut [5.0]), 5.0);
    assert!(median(&mut []).is_nan());
    assert!(quantile(&mut [], 0.5).is_nan());
    assert!(quantile(&mut x, f64::NAN).is_nan());
}

#[test]
fn not_a_number_does_no_harm() {
    let mut x = [f32::NAN, 1.0, -f32::NAN, 2.0, f32::NAN];
    for k in 0..7 {
        select_nth(&mut x, k);
    }
    quantile(&mut x, 0.7);
    x.sort_by(f32::total_cmp);
    assert_eq!(&x[1..3], &[1.0, 2.0]);
}

#[test]
fn a_histogram_knows_when_it_is_out_of_numbers() {
    let mut coarse = Histogram::coarse();
    assert_eq!(coarse.locate(0), None);
    coarse.add(&[1.0, 2.0]);
    assert_eq!(coarse.count(), 2);
    assert_eq!(coarse.value(1), Some(2.0));
    assert_eq!(coarse.locate(2), None);
}

proptest! {
    #[test]
    fn selecting_is_sorting(x in prop::collection::vec(-1e9_f32..1e9, 1..300), place in any::<prop::sample::Index>()) {
        let mut sorted = x.clone();
        sorted.sort_by(f32::total_cmp);
        let k = place.index(x.len());
        let mut values = x.clone();
        prop_assert_eq!(select_nth(&mut values, k), sorted[k]);
        prop_assert!(values[..k].iter().all(|&value| value <= sorted[k]));
        prop_assert!(values[k..].iter().all(|&value| value >= sorted[k]));
        values.sort_by(f32::total_cmp);
        prop_assert_eq!(values, sorted);
    }

    #[test]
    fn counting_is_sorting(x in prop::collection::vec(-2.0_f32..2.0, 1..200), place in any::<prop::sample::Index>()) {
        let mut sorted = x.clone();
        sorted.sort_by(f32::total_cmp);
        let k = place.index(x.len());
        let (left, right) = x.split_at(x.len() / 2);
        let mut coarse = Histogram::coarse();
        coarse.add(left);
        let mut other = Histogram::coarse();
        other.add(right);
        coarse.merge(&other);
        let (upper, rank) = coarse.locate(k as u64).expect("k is within");
        let mut fine = Histogram::fine(upper);
        fine.add(&x);
        prop_assert_eq!(fine.value(rank), Some(sorted[k]));
    }
}
