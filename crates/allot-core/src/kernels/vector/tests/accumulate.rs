//! Compares sums with plain ones in double precision.

use proptest::prelude::*;

use super::super::*;
use super::noise;

/// Returns how far `value` is from the sum of `terms`, relative to the sum of their sizes.
fn error(value: f64, terms: impl Iterator<Item = f64>) -> f64 {
    let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
    if size == 0.0 { value.abs() } else { (value - sum).abs() / size }
}

fn sample(count: usize) -> Vec<f32> {
    noise(count as u64 + 1).take(count).map(|x| (x - 0.3) * 3.0).collect()
}

#[test]
fn sums_are_those_of_double_precision() {
    for count in [0, 1, 7, 15, 16, 17, 63, 64, 65, 1000, 1024, 4096] {
        let x = sample(count);
        let terms = || x.iter().map(|&x| f64::from(x));
        assert!(error(sum(&x), terms()) < 1e-13);
        assert!(error(sum_abs(&x), terms().map(f64::abs)) < 1e-13);
        assert!(error(sum_squares(&x), terms().map(|x| x * x)) < 1e-13);
        let (first, second) = moments2(&x, 0.25);
        assert!(error(first, terms().map(|x| x - 0.25)) < 1e-13);
        assert!(error(second, terms().map(|x| (x - 0.25).powi(2))) < 1e-13);
        let moments = moments4(&x, -0.5);
        assert!(error(moments.first, terms().map(|x| x + 0.5)) < 1e-13);
        assert!(error(moments.second, terms().map(|x| (x + 0.5).powi(2))) < 1e-13);
        assert!(error(moments.third, terms().map(|x| (x + 0.5).powi(3))) < 1e-13);
        assert!(error(moments.fourth, terms().map(|x| (x + 0.5).powi(4))) < 1e-13);
        let entropy = terms().map(|x| if x <= 0.0 { 0.0 } else { x * x.ln() });
        assert!(error(sum_x_log_x(&x), entropy) < 1e-7);
        for op in [Unary::Log, Unary::AbsLog] {
            assert!(error(sum_log(op, &x), terms().map(|x| op.apply(x))) < 1e-13, "{op:?} of {count}");
        }
        let positive: Vec<f32> = x.iter().map(|x| x.abs() + 1e-3).collect();
        let exact = positive.iter().map(|&x| f64::from(x).ln());
        assert!(error(sum_log(Unary::RawLog, &positive), exact) < 1e-13);
    }
}

#[test]
fn logarithms_of_extremes_do_not_overflow() {
    for value in [f32::from_bits(1), f32::MIN_POSITIVE, f32::MAX, 1e-30, 1e30] {
        let x = [value; 1000];
        let exact = 1000.0 * f64::from(value).ln();
        assert!((sum_log(Unary::Log, &x) - exact).abs() <= 1e-13 * exact.abs());
    }
    let mut x = [2.0; 200];
    x[77] = f32::INFINITY;
    assert_eq!(sum_log(Unary::Log, &x), f64::INFINITY);
    x[78] = f32::NAN;
    assert!(sum_log(Unary::Log, &x).is_nan());
    x[77] = 0.0;
    x[78] = 1.0;
    assert_eq!(sum_log(Unary::RawLog, &x), f64::NEG_INFINITY);
    assert!((sum_log(Unary::Log, &x) - 198.0 * std::f64::consts::LN_2).abs() < 1e-12);
    x[78] = -1.0;
    assert!(sum_log(Unary::RawLog, &x).is_nan());
}

#[test]
fn sums_report_not_a_number_and_infinity() {
    let mut x = [1.0; 100];
    x[93] = f32::NAN;
    let (least, greatest) = min_max(&x);
    assert!(least.is_nan() && greatest.is_nan());
    for value in [sum(&x), sum_abs(&x), sum_squares(&x), sum_x_log_x(&x), moments4(&x, 0.0).fourth] {
        assert!(value.is_nan());
    }
    x[93] = f32::NEG_INFINITY;
    assert_eq!(sum(&x), f64::NEG_INFINITY);
    assert_eq!(sum_x_log_x(&x), 0.0);
    assert_eq!(min_max(&x), (f32::NEG_INFINITY, 1.0));
    assert_eq!(min_max(&[]), (f32::INFINITY, f32::NEG_INFINITY));
}

proptest! {
    #[test]
    fn sums_do_not_depend_on_who_computes_them(x in prop::collection::vec(-1e3_f32..1e3, 0..200)) {
        // The order of additions is fixed: sixteen lanes, then halves.
        let mut lanes = [0.0; 16];
        for (index, &x) in x.iter().enumerate() {
            lanes[index % 16] += f64::from(x);
        }
        for width in [8, 4, 2, 1] {
            for index in 0..width {
                lanes[index] += lanes[index + width];
            }
        }
        prop_assert_eq!(sum(&x).to_bits(), lanes[0].to_bits());
    }
}
