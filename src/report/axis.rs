//! Axes: round numbers that cover a range, and the position of a value between them.

/// An axis from one round number to another, in equal steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) least: f64,
    pub(super) most: f64,
    /// The labelled values, from `least` to `most`.
    pub(super) ticks: Vec<f64>,
    /// The number of decimals needed to tell labels apart.
    decimals: usize,
}

impl Axis {
    /// Returns the smallest axis of round numbers over `low..=high` with about `wanted` steps; needs `low <
    /// high`, both finite.
    pub(super) fn over(low: f64, high: f64, wanted: usize) -> Self {
        let rough = (high - low) / wanted.max(1) as f64;
        let magnitude = rough.log10().floor();
        let power = 10.0_f64.powf(magnitude);
        // Steps of 2.5 are left out, because their labels need one more decimal than the others.
        let factor =
            [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9)).unwrap_or(10.0);
        let step = factor * power;
        let decimals = -step.log10().floor().min(0.0);
        // A range that passes a round number by an invisible amount does not need another step.
        let first = (low / step + 1e-3).floor();
        let last = (high / step - 1e-3).ceil().max(first + 1.0);
        let count = (last - first) as usize;
        Self {
            least: first * step,
            most: last * step,
            ticks: (0..=count).map(|index| (first + index as f64) * step).collect(),
            decimals: decimals as usize,
        }
    }

    /// Returns an axis in percent around shares of 1, at least a few points wide so that rounding does not
    /// look large; `None` if no share is finite.
    pub(super) fn percent(shares: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let shares = shares.filter(|share| share.is_finite()).map(|share| 100.0 * share);
        let (low, high) = (shares.clone().reduce(f64::min)?, shares.reduce(f64::max)?);
        let margin = (0.05 * (high - low)).max((4.0 - (high - low)) / 2.0);
        Some(Self::over((low - margin).max(0.0), (high + margin).min(100.0), 5))
    }

    /// Returns the position of a value, from 0 at the lower end to 1 at the upper end.
    pub(super) fn position(&self, value: f64) -> f64 {
        ((value - self.least) / (self.most - self.least)).clamp(0.0, 1.0)
    }

    /// Returns the label of a tick.
    pub(super) fn label(&self, tick: f64) -> String {
        let decimals = self.decimals;
        // With steps of 0.1, zero can be a tiny negative number.
        let tick = if tick.abs() < (self.most - self.least) * 1e-9 { 0.0 } else { tick };
        format!("{tick:.decimals$}").replace('-', "−")
    }
}

/// Returns the stride of labels so that at most `most` of `units` are labelled: 1, 2, 4, 5, 8, 10, 20, ...
pub(super) fn label_stride(units: usize, most: usize) -> usize {
    let fits = |stride: &usize| units.div_ceil(*stride) <= most.max(1);
    let strides = (0..).flat_map(|power| {
        let ten = 10_usize.saturating_pow(power);
        [1, 2, 4, 5, 8].map(|factor| ten.saturating_mul(factor))
    });
    strides.into_iter().find(fits).unwrap_or(units)
}

/// A logarithmic axis over exactly a range of positive numbers, with round ticks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LogAxis {
    pub(super) least: f64,
    pub(super) most: f64,
    /// The labelled values, within the range.
    pub(super) ticks: Vec<f64>,
    /// The number of decimals needed to tell labels apart, if it is the same for all.
    decimals: Option<usize>,
}

impl LogAxis {
    /// Returns the axis over `low..=high`; needs `0 < low < high`, both finite.
    pub(super) fn over(low: f64, high: f64) -> Self {
        let within = |tick: &f64| (low * 0.9999..=high * 1.0001).contains(tick);
        // Over less than a decade, equal steps give more and rounder labels.
        if high < 5.0 * low {
            let steps = Axis::over(low, high, 5);
            let ticks = steps.ticks.into_iter().filter(within).collect();
            return Self { least: low, most: high, ticks, decimals: Some(steps.decimals) };
        }
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let count = decades.clone().count();
        let factors: &[f64] = if count > 5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let ticks =
            decades.flat_map(|decade| factors.iter().map(move |factor| factor * 10.0_f64.powi(decade)));
        Self { least: low, most: high, ticks: ticks.filter(within).collect(), decimals: None }
    }

    /// Returns the position of a value, from 0 at the lower end to 1 at the upper end.
    pub(super) fn position(&self, value: f64) -> f64 {
        ((value / self.least).ln() / (self.most / self.least).ln()).clamp(0.0, 1.0)
    }

    /// Returns the label of a tick.
    pub(super) fn label(&self, tick: f64) -> String {
        match self.decimals {
            Some(decimals) => format!("{tick:.decimals$}"),
            None if tick >= 1.0 => format!("{tick:.0}"),
            None => {
                let decimals = (-tick.log10().floor()) as usize;
                format!("{tick:.decimals$}")
            }
        }
    }
}
