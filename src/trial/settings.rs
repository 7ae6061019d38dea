//! What a trial is told, as data: which models and texts, pruned how and to which sparsities.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::loss::Measure;
use super::ranking::Ranking;
use super::target::Target;
use crate::prune::Pattern;
use crate::stats::{Source, WINDOW_LENGTH};
use crate::tasks::TaskPlan;

/// What a trial is told: enough to prepare it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrialSettings {
    /// The models' folders.
    pub models: Vec<PathBuf>,
    /// The models and sparsities that candidates are measured at.
    pub targets: Vec<Target>,
    /// How weights are ranked.
    #[serde(flatten)]
    pub ranking: Ranking,
    /// Where zeros may stand.
    pub pattern: Pattern,
    /// Which loss counts.
    pub measure: Measure,
    /// What the models read.
    pub texts: TextSettings,
    /// The tasks whose documents stand in the place of the fitness and the selection text, where [`Measure::Tasks`] counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TaskPlan>,
}

/// What the models read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TextSettings {
    /// The calibration text, or nothing when a statistics file stands for it.
    pub calibration: Option<Source>,
    /// The statistics file of the first model.
    pub statistics: Option<PathBuf>,
    /// Whether squared gradients are collected on the calibration text as well.
    pub gradients: bool,
    /// Whether each linear's reconstruction error is collected on it (LSA).
    #[serde(default)]
    pub reconstruction: bool,
    /// Whether marginals are measured on it, at the uniformly pruned model of each target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marginals: bool,
    /// Whether their slopes are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marginal_slopes: bool,
    /// At which sparsities of the first model they are measured beside those of the targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marginals_at: Vec<f64>,
    /// How many windows are drawn from the calibration text.
    pub samples: usize,
    /// What they are drawn by.
    pub seed: u64,
    /// How many tokens a window of a text has; ready ids have their own. `session::TrialOptions::settings` sets it.
    pub length: usize,
    /// The text that candidates are measured on.
    pub fitness: Source,
    /// The text that the best candidates are ranked by again; without one the fitness text decides.
    pub selection: Option<Source>,
    /// The text that is measured once, when all is decided.
    pub report: Option<Source>,
    /// The most windows of the fitness text, and of the selection text where it has no number of its own.
    pub windows: usize,
    /// The most windows of the selection text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection_windows: Option<usize>,
    /// The most windows of the report text.
    pub report_windows: Option<usize>,
}

impl TextSettings {
    /// Returns the field's defaults on a calibration and a fitness text: 128 windows to calibrate on, 16 to measure on, and no
    /// statistics beyond the linears' inputs. Without a selection text the fitness text decides.
    pub const fn of(calibration: Source, fitness: Source) -> Self {
        Self {
            calibration: Some(calibration),
            statistics: None,
            gradients: false,
            reconstruction: false,
            marginals: false,
            marginal_slopes: false,
            marginals_at: Vec::new(),
            samples: 128,
            seed: 0,
            length: WINDOW_LENGTH,
            fitness,
            selection: None,
            report: None,
            windows: 16,
            selection_windows: None,
            report_windows: None,
        }
    }
}
