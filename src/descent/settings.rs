//! How a descent goes.

use serde::{Deserialize, Serialize};

use super::error::Refusal;
use super::rule::Rule;
use crate::lang::types::{Group, UnitKind};
use crate::trial::band::Band;

/// How a descent goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DescentSettings {
    /// What gets one ratio.
    pub unit: UnitKind,
    /// How marginals become a step.
    pub rule: Rule,
    /// The most steps at each sparsity.
    pub steps: usize,
    /// How many fresh windows of the fitness text each step reads.
    pub windows: usize,
    /// How far the first step moves a unit whose marginal stands one scale above the median; later steps move less, down to
    /// nothing at the last one.
    pub step_size: f64,
    /// How much of a step's direction the next one keeps.
    pub momentum: f64,
    /// How rows move beside their projections, where they get a ratio each.
    pub rows: RowSettings,
    /// Which weights stand at a threshold.
    pub band: Band,
    /// Whether marginals are drawn together as far as they are noise.
    pub shrinks: bool,
    /// After how many steps the selection text is read again.
    pub check: usize,
    /// After how many checks without a gain it stops.
    pub patience: usize,
    /// What the windows of each step are drawn by.
    pub seed: u64,
}

/// How rows move beside their projections.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RowSettings {
    /// How far the first step moves a row whose marginal stands one scale above its projection's; the scale is that of projections.
    pub step_size: f64,
    /// How much of a step's direction the next one keeps.
    pub momentum: f64,
    /// The highest ratio that a row gets, so that it can return.
    pub cap: f64,
}

impl Default for RowSettings {
    fn default() -> Self {
        Self { step_size: 0.05, momentum: 0.8, cap: 1.0 }
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

/// On each side of a threshold, as a share of all ranks, what stands at the thresholds of rows: rows have few weights, and their
/// marginals are noisier than those of projections.
const ROW_BAND: f64 = 0.1;

impl DescentSettings {
    /// Returns the default settings of a unit: rows have a wider band.
    pub fn of(unit: UnitKind) -> Self {
        let default = Self { unit, ..Self::default() };
        match unit {
            UnitKind::Block | UnitKind::Projection => default,
            UnitKind::Row => Self { band: Band { share: ROW_BAND, ..Band::default() }, ..default },
        }
    }

    /// Refuses rows where they have no thresholds of their own, or cannot lose enough.
    ///
    /// # Errors
    /// When rows get a ratio each, and the metric compares weights over whole matrices or the target is above their cap.
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

    /// Refuses numbers that mean nothing.
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
