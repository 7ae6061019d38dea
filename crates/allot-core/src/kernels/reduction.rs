//! The kinds of reductions, and their results.

/// A kind of reduction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
    /// The sum divided by n.
    Mean,
    /// The sum.
    Sum,
    /// The variance with n.
    Variance,
    /// The square root of [`Variance`](Self::Variance).
    StandardDeviation,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The value at a share of the sorted values, interpolated.
    Quantile(f64),
    /// The lower median.
    Median,
    /// The sum of absolute values.
    L1,
    /// The square root of the sum of squares.
    L2,
    /// The geometric mean, with the protected logarithm.
    GeometricMean,
    /// The sum of -x ln x.
    Entropy,
    /// The fourth standardised moment.
    Kurtosis,
    /// The Gini coefficient of absolute values.
    Gini,
    /// The variance with n - 1.
    SampleVariance,
    /// The square root of [`SampleVariance`](Self::SampleVariance).
    SampleDeviation,
    /// The same for `dsa::normalize`: 0 for a single value, so that the quotient is 0 as well.
    NormalisingDeviation,
    /// The sum of the values that are not negative.
    SumNotNegative,
    /// The sum over p >= 0 of -p times the logarithm of p clamped to [2^-23, 1 - 2^-23]; NaN if there are none.
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
    /// For products, the value if rounding changes the parity of signs or whether the product is in range.
    pub alternative: Option<f64>,
}
