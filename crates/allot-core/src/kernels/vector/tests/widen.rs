//! Tests the widening of every f16 and bf16 number.

use std::borrow::Cow;

use half::{bf16, f16};

use super::super::widen;
use super::super::widen::widen_f16_anywhere;
use crate::data::Values;

#[test]
fn every_half_widens_exactly() {
    let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    let mut out = vec![0.0; halves.len()];
    let same = |out: &[f32]| {
        halves
            .iter()
            .zip(out)
            .all(|(half, &wide)| half.is_nan() && wide.is_nan() || half.to_f32().to_bits() == wide.to_bits())
    };
    widen(&Values::F16(Cow::Borrowed(&halves)), 0..halves.len(), &mut out);
    assert!(same(&out));
    out.fill(0.0);
    widen_f16_anywhere(&halves, &mut out);
    assert!(same(&out));
}

#[test]
fn every_brain_float_widens_exactly() {
    let halves: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
    let mut out = vec![0.0; halves.len()];
    widen(&Values::Bf16(Cow::Borrowed(&halves)), 0..halves.len(), &mut out);
    assert!(halves.iter().zip(&out).all(|(half, &wide)| {
        half.is_nan() && wide.is_nan() || half.to_f32().to_bits() == wide.to_bits()
    }));
}

#[test]
fn ranges_are_cut_to_what_there_is() {
    let values: Vec<f16> = (0..40).map(|value| f16::from_f32(value as f32)).collect();
    let values = Values::F16(Cow::Owned(values));
    let mut out = [-1.0; 30];
    widen(&values, 3..22, &mut out);
    assert!(out[..19].iter().zip(3..).all(|(&wide, value)| wide == value as f32));
    assert!(out[19..].iter().all(|&wide| wide == -1.0));
    widen(&values, 35..99, &mut out);
    assert_eq!(&out[..6], &[35.0, 36.0, 37.0, 38.0, 39.0, 8.0]);
    widen(&values, 50..60, &mut out);
    let singles = [1.0, 2.0, 3.0];
    widen(&Values::F32(Cow::Borrowed(&singles)), 0..3, &mut out[..2]);
    assert_eq!(&out[..3], &[1.0, 2.0, 37.0]);
}
