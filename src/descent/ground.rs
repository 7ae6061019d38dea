//! The constants of a descent at one target: the model, the units that get ratios, and how they are measured.

use super::error::{DescentError, Refusal};
use super::holders::{Holders, linears, parts};
use super::link::Link;
use super::marginals::{Marginals, Part};
use super::row_marginals::RowMarginals;
use super::settings::DescentSettings;
use super::state::Shared;
use crate::allocate::{Allocation, Bounds};
use crate::lang::types::UnitKind;
use crate::measure::SlopeOf;
use crate::prune::{Pattern, Share, shares};
use crate::trial::error::TrialError;
use crate::trial::evaluator::Evaluator;
use crate::trial::loss::Measure;
use crate::trial::measurer::{LossTask, PrunedModel, ThresholdTask, ask};
use crate::trial::subject::Subject;
use crate::trial::target::Target;
use crate::trial::text::Split;

/// The constants of all steps.
pub(super) struct Ground<'a> {
    pub(super) evaluator: &'a Evaluator,
    pub(super) settings: &'a DescentSettings,
    subject: &'a Subject,
    pub(super) target: Target,
    pub(super) holders: Holders,
    /// Positions of the sums of each unit that is steered as a whole.
    pub(super) parts: Vec<Vec<Part>>,
    pub(super) shared: Shared,
}

impl<'a> Ground<'a> {
    pub(super) fn new(evaluator: &'a Evaluator, settings: &'a DescentSettings) -> Result<Self, DescentError> {
        let refused = DescentError::Refused;
        let target = evaluator.only_target().ok_or(refused(Refusal::SeveralTargets))?;
        if evaluator.pattern != Pattern::Unstructured {
            return Err(refused(Refusal::Pattern));
        }
        if evaluator.windows(Split::Fitness) == 0 {
            return Err(refused(Refusal::NoFitnessText));
        }
        if !(target.sparsity > 0.0 && target.sparsity < 1.0) {
            return Err(refused(Refusal::Target(target.sparsity)));
        }
        settings.check_rows(evaluator.metric.per, target.sparsity).map_err(refused)?;
        let subject = evaluator.subject(target)?;
        let holders = Holders::of(&subject.data()?, settings.unit);
        let linears = linears(subject, settings.unit);
        let shared = Shared {
            parameters: holders.parameters(),
            target: target.sparsity,
            bounds: bounds(settings)?,
            link: Link::new(settings.rule, subject, &evaluator.metric, &linears)?,
            rows: holders.rows_of_units(),
        };
        Ok(Self { evaluator, settings, subject, target, holders, parts: parts(&linears), shared })
    }

    pub(super) fn allocation(&self, ratios: &[f64]) -> Result<Allocation, DescentError> {
        Ok(self.holders.allocation(self.target.sparsity, ratios)?)
    }

    pub(super) fn model(&self, allocation: &Allocation) -> Result<PrunedModel, DescentError> {
        let linears = self.subject.checkpoint().linears();
        let shares: Vec<Share> =
            shares(linears, allocation, self.evaluator.pattern).map_err(TrialError::from)?;
        Ok(PrunedModel { subject: self.target.subject, shares })
    }

    /// Returns the marginals of a pruned model on some windows of the fitness text, and their mean loss.
    pub(super) fn marginals(&self, model: &PrunedModel, windows: &[usize]) -> Result<Measured, DescentError> {
        let of = match self.evaluator.measure {
            Measure::Kl => SlopeOf::Divergence,
            // A search refuses descent by tasks, so the fitness text is used here.
            Measure::Perplexity | Measure::Tasks => SlopeOf::Likelihood,
        };
        // On a CPU, one task per window keeps all cores busy; the sums are joined in order.
        let measurer = self.evaluator.measurer.as_ref();
        let tasks = windows.chunks(measurer.windows_together()).map(|windows| ThresholdTask {
            model: model.clone(),
            split: Split::Fitness,
            windows: windows.to_vec(),
            of,
            band: self.settings.band,
            rows: self.settings.unit == UnitKind::Row,
        });
        let answers: Vec<_> = ask(measurer, tasks)?.into_iter().flatten().collect();
        let loss = answers.iter().map(|it| self.evaluator.measure.of(&it.loss)).sum::<f64>();
        let rows = self.shared.rows.as_deref().map(|rows| RowMarginals::new(&answers, rows));
        let loss = loss / answers.len().max(1) as f64;
        Ok(Measured { units: Marginals::new(&answers, &self.parts), rows, loss })
    }

    /// Returns the mean loss on the selection text; `None` without a selection text.
    pub(super) fn selection(&self, ratios: &[f64]) -> Result<Option<f64>, DescentError> {
        let windows = self.evaluator.windows(Split::Selection);
        if windows == 0 {
            return Ok(None);
        }
        let model = self.model(&self.allocation(ratios)?)?;
        let tasks = (0..windows).map(|window| LossTask {
            model: model.clone(),
            split: Split::Selection,
            windows: window..window + 1,
        });
        let losses = ask(self.evaluator.measurer.as_ref(), tasks)?.into_iter().flatten();
        let loss = losses.map(|it| self.evaluator.measure.of(&it)).sum::<f64>() / windows as f64;
        Ok(Some(if loss.is_nan() { f64::INFINITY } else { loss }))
    }

    pub(super) fn tokens(&self, split: Split, windows: usize) -> u64 {
        self.evaluator.tokens(split, windows)
    }
}

/// Returns the bounds of ratios: rows have a cap.
fn bounds(settings: &DescentSettings) -> Result<Bounds, DescentError> {
    match settings.unit {
        UnitKind::Block | UnitKind::Projection => Ok(Bounds::default()),
        UnitKind::Row => Ok(Bounds::new(0.0, settings.rows.cap)?),
    }
}

/// Measurements of the pruned model.
pub(super) struct Measured {
    /// The marginals of the units that are steered as a whole.
    pub(super) units: Marginals,
    /// The differences of rows, if each row gets a ratio.
    pub(super) rows: Option<RowMarginals>,
    /// The mean loss of the windows.
    pub(super) loss: f64,
}
