//! What a reduction collects, and what it gives.

/// What a reduction collects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
    /// The sum over n.
    Mean,
    /// The sum.
    Sum,
    /// The variance with n.
    Variance,
    /// Its root.
    StandardDeviation,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// The value at a share of the sorted values, interpolated.
    Quantile(f64),
    /// The lower median.
    Median,
    /// The sum of absolute values.
    L1,
    /// The root of the sum of squares.
    L2,
    /// The geometric mean through the protected logarithm.
    GeometricMean,
    /// The sum of -x ln x.
    Entropy,
    /// The fourth standardised moment.
    Kurtosis,
    /// The Gini coefficient of absolute values.
    Gini,
    /// The variance with n - 1.
    SampleVariance,
    /// Its root.
    SampleDeviation,
    /// Its root for `dsa::normalize`: 0 for a single value, so that the quotient is 0 as well.
    NormalisingDeviation,
    /// The sum of what is not negative.
    SumNotNegative,
    /// The sum of -p ln of p clamped to [2^-23, 1 - 2^-23], over p >= 0; NaN without any.
    ClampedEntropy,
    /// The n-th root of the product, in the range of f32.
    Product,
}

/// A reduction's value, and the scale of its rounding errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reduced {
    /// The value.
    pub value: f64,
    /// The mean magnitude of the terms, on the scale of the value.
    pub magnitude: f64,
    /// What the value is when the arithmetic's range or the parity of signs falls out otherwise, for products.
    pub alternative: Option<f64>,
}
