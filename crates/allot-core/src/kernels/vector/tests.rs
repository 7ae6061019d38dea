//! Compares the vector layer with double precision and the standard library.

mod accumulate;
mod elementwise;
mod select;
mod widen;

/// Returns numbers of every sign and size: special values, then a sweep over all bit patterns.
fn sweep() -> Vec<f32> {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        0.625,
        20.0,
        20.5,
        88.72,
        88.73,
        -87.4,
        -103.9,
        -104.1,
        1e6,
        1e7,
        std::f32::consts::PI,
        std::f32::consts::FRAC_PI_2,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        -f32::NAN,
    ];
    // An odd step through all patterns, and a finer one where functions bend.
    let patterns = (0..=u32::MAX).step_by(52_639).map(f32::from_bits);
    let bend = (0..60_000).map(|index| (index as f32 - 30_000.0) * 1.234_567e-3);
    let middle = (0..30_000).map(|index| (index as f32 - 15_000.0) * 7.891_23e-5);
    special.into_iter().chain(patterns).chain(bend).chain(middle).collect()
}

/// Returns a stream of reproducible numbers in [0, 1).
fn noise(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some((state >> 40) as f32 / 16_777_216.0)
    })
}

/// Returns how far `value` is from `exact`, in units in the last place of the f32 nearest to it.
fn units(value: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if value.is_nan() && exact.is_nan() || value == rounded {
        return 0.0;
    }
    if !value.is_finite() || !rounded.is_finite() {
        // Infinity is one unit away from the largest number.
        let near = f64::from(f32::MAX) * (1.0 - 1e-6);
        return if value.abs() > f32::MAX && exact.abs() > near
            || exact.abs() > near && f64::from(value.abs()) > near
        {
            1.0
        } else {
            f64::INFINITY
        };
    }
    let size = rounded.abs().max(f32::MIN_POSITIVE);
    let unit = f64::from(f32::from_bits(size.to_bits() + 1)) - f64::from(size);
    (f64::from(value) - exact).abs() / unit
}
