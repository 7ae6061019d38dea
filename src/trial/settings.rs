//! The settings of a trial: models, texts, how weights are pruned, and to which sparsities.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::loss::Measure;
use super::ranking::Ranking;
use super::target::Target;
use crate::lang::ops::Op;
use crate::lang::types::UnitKind;
use crate::prune::Pattern;
use crate::stats::{Source, WINDOW_LENGTH};
use crate::tasks::TaskPlan;

/// The settings of a trial; enough to prepare it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrialSettings {
    /// Folders of the models.
    pub models: Vec<PathBuf>,
    /// Models and sparsities at which candidates are measured.
    pub targets: Vec<Target>,
    /// How weights are ranked.
    #[serde(flatten)]
    pub ranking: Ranking,
    /// Sparsity pattern.
    pub pattern: Pattern,
    /// Loss that candidates are measured by.
    pub measure: Measure,
    /// Texts that the models read.
    pub texts: TextSettings,
    /// Tasks whose documents replace the fitness and selection texts when the measure is `tasks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TaskPlan>,
}

/// The texts of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TextSettings {
    /// Calibration text; null if a statistics file replaces it.
    pub calibration: Option<Source>,
    /// Statistics file of the first model.
    pub statistics: Option<PathBuf>,
    /// Whether squared gradients are also collected on the calibration text.
    pub gradients: bool,
    /// Whether each linear's reconstruction error is collected on the calibration text (LSA).
    #[serde(default)]
    pub reconstruction: bool,
    /// Whether the kurtosis of each linear's input is collected on the calibration text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub input_kurtosis: bool,
    /// Whether it is collected on the calibration text how each block changes the residual stream.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub block_changes: bool,
    /// The units whose damage is measured on the calibration text, each pruned alone to each target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damages: Vec<UnitKind>,
    /// Whether marginals are measured on the calibration text, on the uniformly pruned model of each target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marginals: bool,
    /// Whether the slopes of the marginals are measured too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marginal_slopes: bool,
    /// Additional sparsities of the first model at which marginals and damages are measured, besides those of
    /// the targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marginals_at: Vec<f64>,
    /// Number of windows drawn from the calibration text.
    pub samples: usize,
    /// Seed that draws the calibration windows.
    pub seed: u64,
    /// Number of tokens per window of a text; token id files have their own length.
    // `session::TrialOptions::settings` sets it.
    pub length: usize,
    /// Text on which candidates are measured.
    pub fitness: Source,
    /// Text on which the best candidates are ranked again; without it, the fitness text decides.
    pub selection: Option<Source>,
    /// Text that is measured once, after all decisions.
    pub report: Option<Source>,
    /// Maximum number of windows of the fitness text, and of the selection text unless it has its own.
    pub windows: usize,
    /// Maximum number of windows of the selection text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection_windows: Option<usize>,
    /// Maximum number of windows of the report text.
    pub report_windows: Option<usize>,
}

impl TextSettings {
    /// Returns the field's usual defaults for a calibration and a fitness text: 128 calibration windows, 16
    /// fitness windows, and no statistics beyond those of the linears' inputs. Without a selection text, the
    /// fitness text decides.
    pub const fn of(calibration: Source, fitness: Source) -> Self {
        Self {
            calibration: Some(calibration),
            statistics: None,
            gradients: false,
            reconstruction: false,
            input_kurtosis: false,
            block_changes: false,
            damages: Vec::new(),
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

    /// Returns the first terminal that is measured on pruned models, if there is one.
    pub fn measured(&self) -> Option<Op> {
        let wanted = [
            (Op::Damage, !self.damages.is_empty()),
            (Op::Marginal, self.marginals),
            (Op::MarginalSlope, self.marginal_slopes),
        ];
        wanted.into_iter().find(|(_, wanted)| *wanted).map(|(op, _)| op)
    }
}
