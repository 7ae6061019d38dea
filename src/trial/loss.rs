//! Losses: which of them counts, and what they come to on a text.

use serde::{Deserialize, Deserializer, Serialize};

use crate::measure::WindowLoss;

/// The losses of some windows at every target, `[targets][windows]`.
pub type Losses = Vec<Vec<WindowLoss>>;

/// Reads a number that JSON may have had no form for: a model that pruning has destroyed has no finite loss.
///
/// # Errors
/// When there is something other than a number or nothing.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// How a candidate's damage is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// The mean divergence KL(dense || pruned) of a position, in nats.
    #[default]
    Kl,
    /// The mean negative log-likelihood of a token, in nats; tables show its exponential.
    Perplexity,
}

impl Measure {
    /// Returns the name that `--measure` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kl => "kl",
            Self::Perplexity => "perplexity",
        }
    }

    /// Returns the loss that counts of a window, in nats.
    pub const fn of(self, window: &WindowLoss) -> f64 {
        match self {
            Self::Kl => window.kl,
            Self::Perplexity => window.nll,
        }
    }
}

/// The damage of one allocation on one text at one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Damage {
    /// The mean divergence from the dense model, in nats.
    #[serde(deserialize_with = "number")]
    pub kl: f64,
    /// The perplexity.
    #[serde(deserialize_with = "number")]
    pub perplexity: f64,
}

impl Damage {
    /// Returns the damage of a text, whose windows count alike.
    pub fn mean(windows: &[WindowLoss]) -> Self {
        let n = windows.len().max(1) as f64;
        Self {
            kl: windows.iter().map(|it| it.kl).sum::<f64>() / n,
            perplexity: (windows.iter().map(|it| it.nll).sum::<f64>() / n).exp(),
        }
    }
}
