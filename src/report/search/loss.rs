//! Losses as people read them: divergences in nats, perplexities, or shares of what uniform sparsity loses.

use crate::report::number::significant;
use crate::search::summary::{Summary, Winner};
use crate::trial::loss::Measure;

/// How a summary's losses are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LossScale {
    /// As they are.
    Divergence,
    /// As they are: the loss of the tasks' margins.
    Margin,
    /// Their exponentials.
    Perplexity,
    /// With several settings, where a loss is the mean logarithm of what it is to uniform's: in percent of uniform's.
    Relative,
}

impl LossScale {
    pub(super) fn of(summary: &Summary) -> Self {
        match (summary.settings.len(), summary.measure) {
            (0 | 1, Measure::Kl) => Self::Divergence,
            (0 | 1, Measure::Perplexity) => Self::Perplexity,
            (0 | 1, Measure::Tasks) => Self::Margin,
            _ => Self::Relative,
        }
    }

    /// Returns the number that is shown for a loss.
    pub(super) fn shown(self, loss: f64) -> f64 {
        match self {
            Self::Divergence | Self::Margin => loss,
            Self::Perplexity => loss.exp(),
            Self::Relative => 100.0 * loss.exp(),
        }
    }

    /// Returns what an axis or a column of it is called.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Divergence => "KL to the dense model (nats)",
            Self::Margin => "loss of the tasks' margins (nats)",
            Self::Perplexity => "perplexity",
            Self::Relative => "loss (% of uniform's)",
        }
    }

    /// Returns the short form of [`Self::title`].
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Divergence => "KL",
            Self::Margin => "task loss",
            Self::Perplexity => "perplexity",
            Self::Relative => "% of uniform",
        }
    }

    /// Returns how many decimals are shown.
    pub(super) const fn decimals(self) -> usize {
        match self {
            Self::Divergence | Self::Margin => 4,
            Self::Perplexity => 2,
            Self::Relative => 1,
        }
    }

    /// Returns a loss as text.
    pub(super) fn text(self, loss: f64) -> String {
        let decimals = self.decimals();
        let shown = self.shown(loss);
        if shown.is_finite() { format!("{shown:.decimals$}") } else { "–".to_owned() }
    }

    /// Returns what uniform sparsity is shown as, on the fitness text.
    pub(super) fn uniform(self, summary: &Summary) -> Option<f64> {
        let loss = match self {
            Self::Relative => 0.0,
            _ => summary.settings.first()?.uniform_loss,
        };
        Some(self.shown(loss)).filter(|shown| shown.is_finite())
    }
}

/// Returns the loss that chooses, on the selection text or else on the fitness text.
pub(super) fn deciding(winner: &Winner) -> f64 {
    winner.selection.unwrap_or(winner.fitness)
}

/// Returns the text on which the deciding loss was measured.
pub(super) fn deciding_text(summary: &Summary) -> &'static str {
    if summary.best.selection.is_some() { "selection" } else { "fitness" }
}

/// Returns a measured number with four digits; what is not finite has none.
pub(super) fn figure(number: f64) -> String {
    if number.is_finite() { significant(number, 4) } else { "–".to_owned() }
}
