//! Update rules: how marginals become a step, and in which coordinate ratios move.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The update rule of a descent, which turns marginals into a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Moves ratios by the difference of the marginal from the median, in units of the median size, then
    /// shifts and clamps them onto the budget.
    #[default]
    Shift,
    /// Moves ratios by the logarithm of the marginal divided by the mean, then shifts and clamps them.
    LogShift,
    /// Mirror descent on logits: moves logits as `shift` moves ratios; a common addend puts them onto the
    /// budget.
    Logits,
    /// Multiplies each unit's scores by a factor and compares them across units; the logarithm of the factor
    /// moves by the logarithm of the marginal.
    Multipliers,
    /// Moves each unit by the difference of its marginal from the mean, divided by the observed rise of the
    /// marginal with the ratio.
    Secant,
}

/// The error for a name without a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` is not a rule; the rules are {}", Rule::ALL.map(Rule::name).join(", "))]
pub struct UnknownRule {
    name: String,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 5] = [Self::Shift, Self::LogShift, Self::Logits, Self::Multipliers, Self::Secant];

    /// Returns the rule's name in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shift => "shift",
            Self::LogShift => "log-shift",
            Self::Logits => "logits",
            Self::Multipliers => "multipliers",
            Self::Secant => "secant",
        }
    }

    /// Returns the direction in which the units' coordinates move, `[units]`: positive where the marginal is
    /// above the median.
    ///
    /// A difference is measured in units of the median size of marginals, and limited to 3 of them.
    pub fn direction(self, marginals: &[f64]) -> Vec<f64> {
        let middle = median(marginals.to_vec());
        let scale = scale(marginals);
        match self {
            Self::Shift | Self::Logits | Self::Secant => {
                marginals.iter().map(|it| clamped((it - middle) / scale)).collect()
            }
            Self::LogShift | Self::Multipliers => {
                let least = FLOOR * scale;
                let logs: Vec<f64> = marginals.iter().map(|it| it.max(least).ln()).collect();
                let centre = median(logs.clone());
                logs.iter().map(|it| clamped(it - centre)).collect()
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        Self::ALL
            .into_iter()
            .find(|it| it.name() == name)
            .ok_or_else(|| UnknownRule { name: name.to_owned() })
    }
}

/// The maximum move of a unit's coordinate in one step, in step sizes.
pub(super) const MOST: f64 = 3.0;

/// The minimum marginal whose logarithm is taken, as a share of the median size.
const FLOOR: f64 = 0.01;

/// Returns the scale of marginals: their median size.
pub(super) fn scale(marginals: &[f64]) -> f64 {
    median(marginals.iter().map(|it| it.abs()).collect())
}

/// Returns the interquartile range of values divided by a scale.
pub(super) fn unevenness(values: &[f64], scale: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        sorted.get(((sorted.len().saturating_sub(1)) as f64 * share).round() as usize).copied().unwrap_or(0.0)
    };
    (at(0.75) - at(0.25)) / scale
}

/// Returns a difference of marginals, clamped to the maximum; 0 / 0 counts as 0.
pub(super) fn clamped(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-MOST, MOST) }
}

/// Returns the median (the mean of the two middle values for an even count); 0 for an empty list.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match (values.len() % 2, values.get(half)) {
        (_, None) => 0.0,
        (1, Some(middle)) => *middle,
        (_, Some(above)) => 0.5 * (values[half - 1] + above),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_do_not_depend_on_the_scale_and_are_clamped() {
        let marginals = [0.5, 1.0, 1.5, 40.0, -2.0];
        let scaled: Vec<f64> = marginals.iter().map(|it| it * 1024.0).collect();
        for rule in Rule::ALL {
            let found = rule.direction(&marginals);
            let far =
                found.iter().zip(rule.direction(&scaled)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-12, "{rule}: {far}");
            assert!(found[0] < 0.0 && found[1] == 0.0 && found[2] > 0.0 && found[3] == MOST, "{found:?}");
            assert!(found[4] < found[0] && found[4] >= -5.0, "{found:?}");
            assert_eq!(rule.name().parse(), Ok(rule));
        }
        assert_eq!(Rule::Shift.direction(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
