//! The settings of a descent.

use serde::{Deserialize, Serialize};

use super::error::Refusal;
use super::rule::Rule;
use crate::lang::types::{Group, UnitKind};
use crate::trial::band::Band;

/// The settings of a descent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DescentSettings {
    /// Allocation unit, which gets one ratio.
    pub unit: UnitKind,
    /// Update rule, which turns marginals into a step.
    pub rule: Rule,
    /// Maximum number of steps at each sparsity.
    pub steps: usize,
    /// Number of fresh windows of the fitness text that each step reads.
    pub windows: usize,
    /// Change of a unit's ratio in a step if its marginal exceeds the median by the median size of the marginals
    /// in every step so far. The first steps are smaller because the momentum starts from rest, and the size falls
    /// to zero after the last step.
    pub step_size: f64,
    /// Share of a step's direction that the next one keeps.
    pub momentum: f64,
    /// How rows move relative to their projections, if each row gets a ratio.
    pub rows: RowSettings,
    /// Width of the band of weights around a threshold.
    pub band: Band,
    /// Whether marginals are shrunk towards their mean by their noise.
    pub shrinks: bool,
    /// Number of steps between two measurements on the selection text.
    pub check: usize,
    /// Number of checks without a gain after which the descent stops.
    pub patience: usize,
    /// Seed that draws the windows of each step.
    pub seed: u64,
}

/// How rows move relative to their projections.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RowSettings {
    /// Change of a row's ratio in a step if its marginal exceeds its projection's by the median size of the
    /// projections' marginals in every step so far; smaller at first and at the end, as for units.
    pub step_size: f64,
    /// Share of a step's direction that the next one keeps.
    pub momentum: f64,
    /// Maximum ratio of a row; a value below 1 lets rows recover.
    pub cap: f64,
}

impl Default for RowSettings {
    fn default() -> Self {
        Self { step_size: 0.025, momentum: 0.8, cap: 1.0 }
    }
}

impl Default for DescentSettings {
    fn default() -> Self {
        Self {
            unit: UnitKind::Projection,
            rule: Rule::default(),
            steps: 40,
            windows: 16,
            step_size: 0.05,
            momentum: 0.5,
            rows: RowSettings::default(),
            band: Band::default(),
            shrinks: true,
            check: 4,
            patience: 3,
            seed: 0,
        }
    }
}

/// Band on each side of the thresholds of rows, as a share of all ranks. Rows have few weights, so their
/// marginals are noisier than those of projections.
const ROW_BAND: f64 = 0.1;

impl DescentSettings {
    /// Returns the default settings for a unit; rows have a wider band.
    pub fn of(unit: UnitKind) -> Self {
        let default = Self { unit, ..Self::default() };
        match unit {
            UnitKind::Block | UnitKind::Projection => default,
            UnitKind::Row => Self { band: Band { share: ROW_BAND, ..Band::default() }, ..default },
        }
    }

    /// Checks that rows have their own thresholds and can lose enough.
    ///
    /// # Errors
    /// When each row gets a ratio, and the metric compares weights over whole matrices or the target is above
    /// the cap.
    pub fn check_rows(&self, per: Group, target: f64) -> Result<(), Refusal> {
        match (self.unit, per) {
            (UnitKind::Block | UnitKind::Projection, _) => Ok(()),
            (UnitKind::Row, Group::Matrix) => Err(Refusal::Rows),
            (UnitKind::Row, Group::Row) if target > self.rows.cap => {
                Err(Refusal::Cap { cap: self.rows.cap, target })
            }
            (UnitKind::Row, Group::Row) => Ok(()),
        }
    }

    /// Checks that the numbers are within their ranges.
    ///
    /// # Errors
    /// When there is no step, or a number is outside its range.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.steps == 0 || self.windows == 0 || self.check == 0 {
            return Err(Refusal::NoSteps);
        }
        if self.unit == UnitKind::Row && matches!(self.rule, Rule::Multipliers | Rule::Secant) {
            return Err(Refusal::RowRule(self.rule));
        }
        let ranges = [
            ("the step size", self.step_size, 0.0..f64::INFINITY),
            ("the momentum", self.momentum, 0.0..1.0),
            ("the step size of rows", self.rows.step_size, 0.0..f64::INFINITY),
            ("the momentum of rows", self.rows.momentum, 0.0..1.0),
            ("the band", self.band.share, 0.0..0.5),
        ];
        let outside = ranges.into_iter().find(|(_, value, range)| !range.contains(value));
        if !(0.0..=1.0).contains(&self.rows.cap) {
            return Err(Refusal::Number("the cap of rows", self.rows.cap));
        }
        outside.map_or(Ok(()), |(name, value, _)| Err(Refusal::Number(name, value)))
    }
}
