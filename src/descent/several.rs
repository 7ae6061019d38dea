//! Descent at several sparsities, each starting where the previous one ended.

use super::error::DescentError;
use super::holders::Holders;
use super::run::{Start, Watch, descend};
use super::settings::DescentSettings;
use super::steps::StepLog;
use super::summary::Descended;
use crate::allocate::Allocation;
use crate::lang::types::UnitKind;
use crate::prune::shares;
use crate::trial::error::TrialError;
use crate::trial::evaluator::Evaluator;
use crate::trial::loss::Damage;
use crate::trial::measurer::{LossTask, PrunedModel, ask};
use crate::trial::target::Target;
use crate::trial::text::Split;

/// Descends at each sparsity of the first model, in the given order; returns the results, `[sparsities]`.
///
/// The previous ratios are moved onto the next budget and descend from there, on windows not read before.
///
/// # Errors
/// As [`descend`].
pub fn descend_all(
    evaluator: &mut Evaluator,
    settings: &DescentSettings,
    sparsities: &[f64],
    log: &mut dyn StepLog,
    watch: &mut Watch<'_>,
) -> Result<Vec<Descended>, DescentError> {
    let mut start = Start::default();
    let mut found: Vec<Descended> = Vec::with_capacity(sparsities.len());
    for &sparsity in sparsities {
        evaluator.targets = vec![Target { subject: 0, sparsity }];
        let descended = descend(evaluator, settings, start.clone(), log, watch)?;
        start.steps += descended.steps;
        start.ratios = Some(descended.ratios.clone());
        found.push(descended);
    }
    Ok(found)
}

/// Returns uniform sparsity on the first model.
///
/// # Errors
/// When the model cannot be read.
pub fn uniform(evaluator: &Evaluator, unit: UnitKind, target: f64) -> Result<Allocation, DescentError> {
    Ok(Holders::of(&evaluator.subjects.first().data()?, unit).uniform(target)?)
}

/// Returns the damage of an allocation of the first model on a text, with masks from the dense model's
/// scores; `None` without the text.
///
/// # Errors
/// When the model cannot run, or the work was interrupted.
pub fn damage(
    evaluator: &Evaluator,
    allocation: &Allocation,
    split: Split,
) -> Result<Option<Damage>, DescentError> {
    let windows = evaluator.windows(split);
    if windows == 0 {
        return Ok(None);
    }
    let linears = evaluator.subjects.first().checkpoint().linears();
    let shares = shares(linears, allocation, evaluator.pattern).map_err(TrialError::from)?;
    let model = PrunedModel { subject: 0, shares };
    let tasks =
        (0..windows).map(|window| LossTask { model: model.clone(), split, windows: window..window + 1 });
    let losses: Vec<_> = ask(evaluator.measurer.as_ref(), tasks)?.into_iter().flatten().collect();
    Ok(Some(Damage::mean(&losses)))
}
