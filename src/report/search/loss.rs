//! Losses as people read them: divergences in nats, perplexities, or shares of uniform sparsity's loss.

use crate::report::number::significant;
use crate::search::summary::{Summary, Winner};
use crate::trial::loss::Measure;

/// The form in which a summary's losses are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LossScale {
    /// Divergences, unchanged.
    Divergence,
    /// Losses of the tasks' margins, unchanged.
    Margin,
    /// Exponentials of the losses.
    Perplexity,
    /// Percent of uniform's loss; used with several settings, where a loss is the mean logarithm of its ratio
    /// to uniform's.
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

    /// Returns the number shown for a loss.
    pub(super) fn shown(self, loss: f64) -> f64 {
        match self {
            Self::Divergence | Self::Margin => loss,
            Self::Perplexity => loss.exp(),
            Self::Relative => 100.0 * loss.exp(),
        }
    }

    /// Returns the title of an axis or a column.
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

    /// Returns the number of decimals.
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

    /// Returns uniform sparsity's value on the fitness text.
    pub(super) fn uniform(self, summary: &Summary) -> Option<f64> {
        let loss = match self {
            Self::Relative => 0.0,
            _ => summary.settings.first()?.uniform_loss,
        };
        Some(self.shown(loss)).filter(|shown| shown.is_finite())
    }
}

/// Returns the loss that decides: on the selection text, or on the fitness text if there is none.
pub(super) fn deciding(winner: &Winner) -> f64 {
    winner.selection.unwrap_or(winner.fitness)
}

/// Returns the text on which the deciding loss was measured.
pub(super) fn deciding_text(summary: &Summary) -> &'static str {
    if summary.best.selection.is_some() { "selection" } else { "fitness" }
}

/// Returns a measured number with four digits, or a dash if it is not finite.
pub(super) fn figure(number: f64) -> String {
    if number.is_finite() { significant(number, 4) } else { "–".to_owned() }
}
