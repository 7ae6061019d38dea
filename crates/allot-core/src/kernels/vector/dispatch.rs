//! One source, two compilations: the kernels are generic over how a product and a sum are fused.

/// How `a * b + c` is computed.
///
/// `mul_add` is one instruction on a processor that has it, and a slow library call elsewhere, so code for any processor must
/// not use it.
pub(super) trait Machine {
    /// Returns `a * b + c`.
    fn multiply_add(a: f32, b: f32, c: f32) -> f32;
    /// Returns `a * b + c` in double precision.
    fn multiply_add_double(a: f64, b: f64, c: f64) -> f64;
}

/// A processor with fused multiply-add.
#[allow(dead_code, reason = "which of the two is used depends on the target")]
pub(super) struct Fused;

/// Any processor, with a product followed by a sum.
#[allow(dead_code, reason = "which of the two is used depends on the target")]
pub(super) struct Plain;

impl Machine for Fused {
    #[inline(always)]
    fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn multiply_add_double(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
}

impl Machine for Plain {
    #[inline(always)]
    fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
    #[inline(always)]
    fn multiply_add_double(a: f64, b: f64, c: f64) -> f64 {
        a * b + c
    }
}

/// What the compiler may assume of every processor that it builds for.
#[cfg(any(target_arch = "aarch64", target_feature = "fma"))]
pub(super) type Baseline = Fused;
/// What the compiler may assume of every processor that it builds for.
#[cfg(not(any(target_arch = "aarch64", target_feature = "fma")))]
pub(super) type Baseline = Plain;

/// Returns the value of the polynomial with `coefficients`, highest degree first.
///
/// Even and odd powers are computed separately, because one long chain of dependent operations stalls the processor.
#[inline(always)]
pub(super) fn polynomial<M: Machine, const TERMS: usize>(x: f32, coefficients: [f32; TERMS]) -> f32 {
    let square = x * x;
    let (mut other, mut value) = (0.0, 0.0);
    for (index, coefficient) in coefficients.into_iter().enumerate() {
        let next = if index < 2 { coefficient } else { M::multiply_add(other, square, coefficient) };
        (other, value) = (value, next);
    }
    M::multiply_add(other, x, value)
}

/// Returns the value of the polynomial with `coefficients`, highest degree first, in double precision.
///
/// Even and odd powers are computed separately, because one long chain of dependent operations stalls the processor.
#[inline(always)]
pub(super) fn polynomial_double<M: Machine, const TERMS: usize>(x: f64, coefficients: [f64; TERMS]) -> f64 {
    let square = x * x;
    let (mut other, mut value) = (0.0, 0.0);
    for (index, coefficient) in coefficients.into_iter().enumerate() {
        let next = if index < 2 { coefficient } else { M::multiply_add_double(other, square, coefficient) };
        (other, value) = (value, next);
    }
    M::multiply_add_double(other, x, value)
}

/// Returns whether the wide compilation may run; the standard library detects this once and caches it.
#[cfg(target_arch = "x86_64")]
pub(super) fn is_wide() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// Defines a function that runs `body`, generic over [`Machine`], as compiled for the current processor.
macro_rules! dispatched {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:ident
    ) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,f16c")]
                fn wide($($argument: $type),*) $(-> $result)? {
                    $body::<$crate::kernels::vector::dispatch::Fused>($($argument),*)
                }
                if $crate::kernels::vector::dispatch::is_wide() {
                    // SAFETY: the processor has every feature that `wide` is compiled for, as checked above.
                    return unsafe { wide($($argument),*) };
                }
            }
            $body::<$crate::kernels::vector::dispatch::Baseline>($($argument),*)
        }
    };
}
pub(super) use dispatched;
