//! Tests every function of one and of two arguments, in both compilations.

use proptest::prelude::*;

use super::super::arithmetic::binary_on;
use super::super::dispatch::Plain;
use super::super::elementwise::unary_on;
use super::super::*;
use super::{noise, sweep, units};
use crate::lang::scalar::choose;

/// Returns the worst error in units in the last place, with its argument.
fn worst(op: Unary, x: &[f32], out: &[f32]) -> (f64, f32) {
    let mut worst = (0.0, 0.0);
    for (&x, &out) in x.iter().zip(out) {
        // The published logarithm adds in single precision.
        let exact = match op {
            Unary::DsaLog if x <= 0.0 => f64::from(1.0_f32 + 1e-6).ln(),
            Unary::DsaLog => f64::from(x + 1e-6).ln(),
            _ => op.apply(f64::from(x)),
        };
        let error = units(out, exact);
        if error > worst.0 {
            worst = (error, x);
        }
    }
    worst
}

#[test]
fn functions_are_within_about_two_units_in_the_last_place() {
    let x = sweep();
    let mut out = vec![0.0; x.len()];
    for op in Unary::ALL.iter().copied() {
        unary(op, &x, &mut out);
        let (error, at) = worst(op, &x, &out);
        println!("{op:?}: {error:.3} at {at:e}");
        assert!(error <= 2.3, "{op:?} of {at:e} is off by {error} units");
        unary_on::<Plain>(op, &x, &mut out);
        let (error, at) = worst(op, &x, &out);
        println!("{op:?}, on any processor: {error:.3} at {at:e}");
        assert!(error <= 2.3, "{op:?} of {at:e} is off by {error} units on any processor");
    }
}

#[test]
fn functions_let_not_a_number_through() {
    for op in Unary::ALL.iter().copied().filter(|op| *op != Unary::Sanitize) {
        let mut values = [f32::NAN; 11];
        unary_in_place(op, &mut values);
        assert!(values.iter().all(|value| value.is_nan()), "{op:?}");
        assert!(sum_unary(op, &[1.0, 0.5, f32::NAN, 0.25]).is_nan(), "{op:?}");
    }
}

#[test]
fn in_place_is_the_same_as_out_of_place() {
    let x: Vec<f32> = noise(1).take(1500).map(|x| 4.0 * x - 2.0).collect();
    for op in Unary::ALL.iter().copied() {
        let mut out = vec![0.0; x.len()];
        unary(op, &x, &mut out);
        let mut twin = x.clone();
        unary_in_place(op, &mut twin);
        assert_eq!(bits(&out), bits(&twin), "{op:?}");
    }
    for op in Binary::ALL.iter().copied() {
        let b: Vec<f32> = noise(2).take(x.len()).map(|x| 4.0 * x - 2.0).collect();
        for b in [Operand::Slice(&b), Operand::Scalar(0.5)] {
            let mut out = vec![0.0; x.len()];
            binary(op, Operand::Slice(&x), b, &mut out);
            let mut twin = x.clone();
            binary_in_place(op, &mut twin, b);
            assert_eq!(bits(&out), bits(&twin), "{op:?}");
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_sum_of_a_function_is_the_sum_of_its_values() {
    let x: Vec<f32> = noise(3).take(2777).map(|x| 6.0 * x - 3.0).collect();
    for op in Unary::ALL.iter().copied() {
        if matches!(op, Unary::RawLog | Unary::RawAsin | Unary::RawAcos) {
            assert!(sum_unary(op, &x).is_nan(), "{op:?}");
            continue;
        }
        let exact: f64 = x.iter().map(|&x| op.apply(f64::from(x))).sum();
        let size: f64 = x.iter().map(|&x| op.apply(f64::from(x)).abs()).sum();
        let error = (sum_unary(op, &x) - exact).abs() / size;
        assert!(error < 1e-7, "{op:?} is off by {error:e}");
    }
}

/// Returns pairs of numbers that exercise every rule of two arguments.
fn pairs() -> (Vec<f32>, Vec<f32>) {
    let mut sides = vec![
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        3.0,
        -3.0,
        0.5,
        -0.5,
        1.5,
        1e-40,
        1e38,
        -1e38,
        16_777_215.0,
        -16_777_215.0,
        33_554_432.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    sides.extend(noise(4).take(130).map(|x| 20.0 * x - 10.0));
    sides.extend(noise(5).take(30).map(|x| (20.0 * x - 10.0).round()));
    let each = |side: &Vec<f32>| side.iter().flat_map(|&x| sides.iter().map(move |&y| (x, y))).unzip();
    each(&sides)
}

#[test]
fn arithmetic_follows_its_definition() {
    let (a, b) = pairs();
    let mut out = vec![0.0; a.len()];
    let mut plain = vec![0.0; a.len()];
    for op in Binary::ALL.iter().copied() {
        binary(op, Operand::Slice(&a), Operand::Slice(&b), &mut out);
        binary_on::<Plain>(op, Operand::Slice(&a), Operand::Slice(&b), &mut plain);
        for (((&a, &b), &out), &plain) in a.iter().zip(&b).zip(&out).zip(&plain) {
            let exact = op.apply(f64::from(a), f64::from(b));
            assert!(units(out, exact) <= 1.0, "{a} {op:?} {b} is {out}, not {exact}");
            assert!(units(plain, exact) <= 1.0, "{a} {op:?} {b} is {plain}, not {exact}, on any processor");
        }
    }
}

#[test]
fn one_number_stands_for_all() {
    let x: Vec<f32> = sweep().into_iter().step_by(37).collect();
    let mut out = vec![0.0; x.len()];
    for op in Binary::ALL.iter().copied() {
        for scalar in [0.0, 0.5, 1.0, -1.0, 2.0, 3.0, -2.5, f32::INFINITY, f32::NAN] {
            binary(op, Operand::Slice(&x), Operand::Scalar(scalar), &mut out);
            for (&x, &out) in x.iter().zip(&out) {
                let exact = op.apply(f64::from(x), f64::from(scalar));
                assert!(units(out, exact) <= 1.0, "{x:e} {op:?} {scalar} is {out:e}, not {exact:e}");
            }
            binary(op, Operand::Scalar(scalar), Operand::Slice(&x), &mut out);
            for (&x, &out) in x.iter().zip(&out) {
                let exact = op.apply(f64::from(scalar), f64::from(x));
                assert!(units(out, exact) <= 1.0, "{scalar} {op:?} {x:e} is {out:e}, not {exact:e}");
            }
            let mut two = [0.0; 3];
            binary(op, Operand::Scalar(scalar), Operand::Scalar(2.0), &mut two);
            let exact = op.apply(f64::from(scalar), 2.0);
            assert!(two.iter().all(|&out| units(out, exact) <= 1.0), "{scalar} {op:?} 2");
        }
    }
}

#[test]
fn a_choice_takes_either_side_or_nothing() {
    let condition = [0.0, -0.0, 1.0, -3.0, f32::NAN];
    let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0], [-1.0, -2.0, -3.0, -4.0, -5.0]);
    let sides = |values, scalar| [Operand::Slice(values), Operand::Scalar(scalar)];
    for a in sides(&a, 9.0) {
        for b in sides(&b, -9.0) {
            let value = |side, index: usize| match side {
                Operand::Slice(values) => values[index],
                Operand::Scalar(value) => value,
            };
            let mut out = [0.0; 5];
            select(Operand::Slice(&condition), a, b, &mut out);
            for index in 0..5 {
                let exact = choose(
                    f64::from(condition[index]),
                    f64::from(value(a, index)),
                    f64::from(value(b, index)),
                );
                assert_eq!(units(out[index], exact), 0.0);
            }
            for scalar in condition {
                select(Operand::Scalar(scalar), a, b, &mut out);
                let exact = choose(f64::from(scalar), f64::from(value(a, 1)), f64::from(value(b, 1)));
                assert_eq!(units(out[1], exact), 0.0);
            }
        }
    }
}

proptest! {
    #[test]
    fn functions_treat_every_place_alike(x in prop::collection::vec(any::<f32>(), 0..100), op in prop::sample::select(Unary::ALL)) {
        let mut out = vec![0.0; x.len()];
        unary(op, &x, &mut out);
        for (&x, &whole) in x.iter().zip(&out) {
            let mut alone = [x];
            unary_in_place(op, &mut alone);
            prop_assert!(alone[0] == whole || alone[0].is_nan() && whole.is_nan() || units(alone[0], f64::from(whole)) <= 1.0);
        }
    }

    #[test]
    fn logarithm_undoes_exponential(x in -80.0_f32..80.0) {
        let mut values = [x];
        unary_in_place(Unary::Exp, &mut values);
        unary_in_place(Unary::Log, &mut values);
        prop_assert!((values[0] - x).abs() <= 1e-6 * x.abs().max(1.0));
    }
}
