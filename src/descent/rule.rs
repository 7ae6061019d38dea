//! How marginals become a step: in which coordinate ratios move, and which way.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How marginals become a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Ratios move by the difference of the marginal from the median, in units of the median size, and are shifted and clamped onto the
    /// budget.
    #[default]
    Shift,
    /// Ratios move by the logarithm of the marginal over the mean, and are shifted and clamped.
    LogShift,
    /// Mirror descent on logits: logits move as ratios do under `shift`, and one addend puts them onto the budget.
    Logits,
    /// Each unit's scores are multiplied by a number of its own and compared with all others; the logarithm of the number moves by the
    /// logarithm of the marginal.
    Multipliers,
    /// Each unit moves by the difference of its marginal from the mean over how fast the marginal was seen to rise with the ratio.
    Secant,
}

/// A name that no rule has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` is not a rule; the rules are {}", Rule::ALL.map(Rule::name).join(", "))]
pub struct UnknownRule {
    name: String,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 5] = [Self::Shift, Self::LogShift, Self::Logits, Self::Multipliers, Self::Secant];

    /// Returns the name that commands take.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shift => "shift",
            Self::LogShift => "log-shift",
            Self::Logits => "logits",
            Self::Multipliers => "multipliers",
            Self::Secant => "secant",
        }
    }

    /// Returns which way the units' coordinates move, `[units]`: above 0 where the marginal is above the middle.
    ///
    /// The scale of a difference is the median size of marginals, and it is at most 3 of them.
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

/// The most that a unit's coordinate moves by in one step, in step sizes.
pub(super) const MOST: f64 = 3.0;

/// The least marginal whose logarithm is taken, as a share of the median size.
const FLOOR: f64 = 0.01;

/// Returns the scale of marginals: their median size.
pub(super) fn scale(marginals: &[f64]) -> f64 {
    median(marginals.iter().map(|it| it.abs()).collect())
}

/// Returns the interquartile range of values over a scale.
pub(super) fn unevenness(values: &[f64], scale: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        sorted.get(((sorted.len().saturating_sub(1)) as f64 * share).round() as usize).copied().unwrap_or(0.0)
    };
    (at(0.75) - at(0.25)) / scale
}

/// Returns a difference of marginals as far as it counts; what is 0 over 0 is nothing.
pub(super) fn clamped(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-MOST, MOST) }
}

/// Returns the median, the mean of the two in the middle; 0 of nothing.
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
