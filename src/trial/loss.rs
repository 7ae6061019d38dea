//! Losses: the measures, and their mean over a text.

use serde::{Deserialize, Deserializer, Serialize};

use crate::measure::WindowLoss;

/// The losses of some windows at every target, `[targets][windows]`.
pub type Losses = Vec<Vec<WindowLoss>>;

/// Reads a number that JSON may not have been able to represent: the loss of a model that pruning destroyed
/// is not finite.
///
/// # Errors
/// When the value is neither a number nor null.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// How a candidate's damage is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Mean divergence KL(dense || pruned) per position, in nats.
    #[default]
    Kl,
    /// Mean negative log-likelihood per token, in nats; tables show its exponential.
    Perplexity,
    /// Mean loss per task document, in nats: the logistic loss of the right choice's margin.
    Tasks,
}

impl Measure {
    /// Returns its name in `--measure`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kl => "kl",
            Self::Perplexity => "perplexity",
            Self::Tasks => "tasks",
        }
    }

    /// Returns the loss of a window by this measure, in nats. For tasks, a window of the report text counts
    /// by its negative log-likelihood.
    pub const fn of(self, window: &WindowLoss) -> f64 {
        match self {
            Self::Kl => window.kl,
            Self::Perplexity | Self::Tasks => window.nll,
        }
    }
}

/// Damage of one allocation on one text at one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Damage {
    /// Mean divergence KL(dense || pruned) per position, in nats.
    #[serde(deserialize_with = "number")]
    pub kl: f64,
    /// Perplexity of the pruned model.
    #[serde(deserialize_with = "number")]
    pub perplexity: f64,
}

impl Damage {
    /// Returns the damage on a text; all windows have equal weight.
    pub fn mean(windows: &[WindowLoss]) -> Self {
        let n = windows.len().max(1) as f64;
        Self {
            kl: windows.iter().map(|it| it.kl).sum::<f64>() / n,
            perplexity: (windows.iter().map(|it| it.nll).sum::<f64>() / n).exp(),
        }
    }
}
