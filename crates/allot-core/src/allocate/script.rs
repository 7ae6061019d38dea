//! Evaluates a script on a model to importances, and turns these into an exact allocation.

use super::allocation::Allocation;
use super::budget::{Bounds, budget, mean_sparsity};
use super::error::AllocationError;
use super::proposal::{Proposal, proportional, ramp, rescale, rescale_rows, scale, scale_rows, uniform};
use super::round::pruned_total;
use super::rows::Rows;
use super::units::named;
use crate::data::ModelData;
use crate::interpret::context::Context;
use crate::interpret::error::InterpretError;
use crate::interpret::evaluate::{Importance, evaluate, removed_by_threshold, removed_of_rows};
use crate::interpret::matrix::Backend;
use crate::interpret::units::{self, UnitData};
use crate::lang::ops::Allocator;
use crate::lang::program::{Allocating, Expr, Metric, Script};
use crate::lang::types::{Group, Type, UnitKind};
use crate::results::Reductions;

/// What an allocation needs besides the script and the model.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// How weights are scored, unless the script has a metric.
    pub metric: &'a Metric,
    /// What gets one ratio; overrides the script.
    pub unit: Option<UnitKind>,
    /// The target sparsity.
    pub target: f64,
    /// The bounds of each unit's sparsity.
    pub bounds: Bounds,
    /// A cache of the results of reductions on this model, which is read and extended.
    pub reductions: Option<&'a Reductions>,
    /// Where weights are read; [`Processor`](crate::interpret::matrix::Processor) unless the model is on a device.
    pub backend: &'a dyn Backend,
}

impl<'a> Request<'a> {
    /// Returns the context of an evaluation for the request.
    fn context(&self, model: &'a ModelData<'a>, unit: UnitKind, metric: &'a Metric) -> Context<'a> {
        Context {
            model,
            unit,
            metric: &metric.score,
            per: metric.per,
            target: self.target,
            reductions: self.reductions,
            backend: self.backend,
        }
    }
}

/// An allocation, and how it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The allocation.
    pub allocation: Allocation,
    /// What got one ratio.
    pub unit: UnitKind,
    /// The group within which the ratios should be applied.
    pub per: Group,
    /// Notes on it.
    pub notes: Vec<Note>,
}

/// A note on an allocation, for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The importances differ by no more than rounding, so the ratios are uniform.
    Noise,
    /// The sampling errors of terminals measured on windows move the importances by more than half of their standard deviation.
    Uncertain,
    /// The importances are all equal, so the ratios are uniform.
    Constant,
    /// Rows lose all of their weights.
    DeadRows {
        /// How many rows.
        rows: usize,
    },
    /// The requested unit is not the script's.
    UnitOverridden {
        /// The script's unit.
        script: UnitKind,
        /// The requested unit.
        asked: UnitKind,
    },
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Noise => f.write_str(
                "the importances differ by no more than rounding errors, so the ratios are uniform",
            ),
            Self::Uncertain => f.write_str(
                "the sampling errors of the marginals or damages move the importances by more than half of their standard deviation, so the ratios depend as much on the windows as on the model; measure them on more windows, or choose a formula that amplifies their errors less",
            ),
            Self::Constant => f.write_str("all importances are equal, so the ratios are uniform"),
            Self::DeadRows { rows: 1 } => f.write_str("one row loses all of its weights: its output channel is dead"),
            Self::DeadRows { rows } => {
                write!(f, "{rows} rows lose all of their weights: their output channels are dead")
            }
            Self::UnitOverridden { script, asked } => {
                write!(f, "the requested unit `{asked}` overrides the script's `unit {script}`")
            }
        }
    }
}

/// Why a script has no allocation on a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScriptError {
    /// The script is only a metric: a pruning method.
    #[error("the script has a metric but no allocation: it is a pruning method")]
    NoAllocation,
    /// The importances cannot be computed.
    #[error(transparent)]
    Interpret(#[from] InterpretError),
    /// The importances cannot be turned into ratios.
    #[error("{error}{}", unit_name(unit))]
    Allocation {
        /// Why.
        error: AllocationError,
        /// The unit that the error is about.
        unit: Option<String>,
    },
}

fn unit_name(unit: &Option<String>) -> String {
    unit.as_ref().map_or(String::new(), |unit| format!(" (this is {unit})"))
}

/// Evaluates a script on a model, and allocates.
///
/// # Errors
/// Fails when the script has no allocation, its importances have no value on the model, or the budget cannot be met.
pub fn allocate(
    script: &Script,
    model: &ModelData<'_>,
    request: Request<'_>,
) -> Result<Outcome, ScriptError> {
    let mut outcomes = allocate_all(&[script], model, request);
    outcomes.pop().unwrap_or(Err(ScriptError::NoAllocation))
}

/// Evaluates scripts on a model, and allocates. Scripts with the same unit and metric share their reads of the weights.
///
/// # Errors
/// Each script fails on its own, as in [`allocate`].
pub fn allocate_all(
    scripts: &[&Script],
    model: &ModelData<'_>,
    request: Request<'_>,
) -> Vec<Result<Outcome, ScriptError>> {
    let settings: Vec<(UnitKind, &Metric)> = scripts
        .iter()
        .map(|script| {
            let unit = request.unit.or(script.unit).unwrap_or_default();
            (unit, script.metric.as_ref().unwrap_or(request.metric))
        })
        .collect();
    let mut importances: Vec<Option<Result<Importance, InterpretError>>> = vec![None; scripts.len()];
    for index in 0..scripts.len() {
        if importances[index].is_some() {
            continue;
        }
        let (unit, metric) = settings[index];
        let together: Vec<(usize, &Expr)> = (index..scripts.len())
            .filter(|other| settings[*other].0 == unit && settings[*other].1 == metric)
            .filter_map(|other| Some((other, importance_of(scripts[other])?)))
            .collect();
        let expressions: Vec<&Expr> = together.iter().map(|(_, expr)| *expr).collect();
        let context = request.context(model, unit, metric);
        for ((other, _), result) in together.iter().zip(evaluate(&expressions, context)) {
            importances[*other] = Some(result);
        }
    }
    scripts
        .iter()
        .zip(settings)
        .zip(importances)
        .map(|((script, (unit, metric)), importance)| {
            let context = request.context(model, unit, metric);
            finish(script, importance.transpose()?, context, metric.per, request)
        })
        .collect()
}

/// Returns the expression of type `Layer` or `Output` that a script allocates by.
fn importance_of(script: &Script) -> Option<&Expr> {
    let allocator = script.allocator()?;
    allocator.importance.filter(|_| allocator.op != Allocator::Global)
}

fn finish(
    script: &Script,
    importance: Option<Importance>,
    context: Context<'_>,
    per: Group,
    request: Request<'_>,
) -> Result<Outcome, ScriptError> {
    let allocator = script.allocator().ok_or(ScriptError::NoAllocation)?;
    if context.model.linears.is_empty() {
        return Err(InterpretError::NoLinears.into());
    }
    let mut notes = Vec::new();
    if let (Some(script), Some(asked)) = (script.unit, request.unit)
        && script != asked
    {
        notes.push(Note::UnitOverridden { script, asked });
    }
    let noise = importance.as_ref().is_some_and(|importance| importance.noise);
    let many = |importance: &Importance| importance.values.len() > 1;
    if noise {
        notes.push(Note::Noise);
    } else if importance.as_ref().is_some_and(|importance| many(importance) && importance.is_constant()) {
        notes.push(Note::Constant);
    }
    if importance.as_ref().is_some_and(|importance| importance.uncertain) && !noise {
        notes.push(Note::Uncertain);
    }
    let values = importance.as_ref().map(|importance| importance.values.as_slice());
    let asked = Asked { allocator, values, noise, context, request };
    let of_rows = match (allocator.importance.map(Expr::ty), context.unit) {
        (Some(Type::Output), UnitKind::Row) => true,
        (Some(Type::Matrix), UnitKind::Row) => allocator.op == Allocator::Global,
        (Some(Type::Output), unit) => {
            let span = allocator.importance.and_then(Expr::span);
            return Err(InterpretError::NeedsRows { span, unit }.into());
        }
        _ => false,
    };
    let mut allocation = if of_rows { asked.of_rows()? } else { asked.of_units()? };
    allocation.noise = noise;
    let dead = allocation.dead_rows();
    if dead > 0 && request.target < 1.0 {
        notes.push(Note::DeadRows { rows: dead });
    }
    Ok(Outcome { allocation, unit: context.unit, per, notes })
}

/// A script's allocator, its importances and its context.
struct Asked<'a> {
    allocator: Allocating<'a>,
    /// The importances, where the allocator takes them.
    values: Option<&'a [f64]>,
    /// Whether they are only noise.
    noise: bool,
    context: Context<'a>,
    request: Request<'a>,
}

impl Asked<'_> {
    /// Returns a parameter of the allocator.
    fn number(&self, index: usize) -> f64 {
        self.allocator.parameters.get(index).and_then(|setting| setting.number()).unwrap_or(0.0)
    }

    /// Returns the allocation with one ratio for each unit.
    fn of_units(&self) -> Result<Allocation, ScriptError> {
        let (model, target) = (self.context.model, self.request.target);
        let of_model = units::units(model, self.context.unit);
        let failed = |error: AllocationError| ScriptError::Allocation {
            unit: unit_of(&error).and_then(|unit| of_model.get(unit)).map(|unit| unit.name.clone()),
            error,
        };
        let parameters: Vec<u64> = of_model.iter().map(|unit| unit.parameters).collect();
        let proposal = match (self.allocator.op, self.values) {
            (_, Some(_)) if self.noise => uniform(parameters.len(), target),
            (Allocator::Scale, Some(values)) => scale(values, &parameters, target, self.number(0)),
            (Allocator::Rescale, Some(values)) => rescale(values, &parameters, target, self.number(0)),
            (Allocator::Proportional, Some(values)) => proportional(values, &parameters, target),
            (Allocator::Ramp, _) => {
                let positions: Vec<f64> = of_model.iter().map(|unit| unit.block as f64).collect();
                ramp(&positions, target, self.number(0))
            }
            (Allocator::Global, _) => {
                let count = pruned_total(target, parameters.iter().sum()).map_err(failed)?;
                let expr = self.allocator.importance.ok_or(ScriptError::NoAllocation)?;
                let removed = removed_by_threshold(expr, self.context, count)?;
                let of_unit = |unit: &UnitData| {
                    unit.linears.iter().map(|linear| removed[*linear]).sum::<u64>() as f64
                        / unit.parameters as f64
                };
                Ok(Proposal::Sparsity(of_model.iter().map(of_unit).collect()))
            }
            // `uniform` takes no importance, and the others always have one.
            (Allocator::Uniform | Allocator::Scale | Allocator::Rescale | Allocator::Proportional, _) => {
                uniform(parameters.len(), target)
            }
        }
        .map_err(failed)?;
        let sparsity = self.on_budget(&proposal, &parameters).map_err(failed)?;
        let named: Vec<_> = of_model.iter().map(|unit| named(model, unit)).collect();
        Allocation::new(target, &named, self.values, &sparsity).map_err(failed)
    }

    /// Returns the allocation with one ratio for each output channel.
    fn of_rows(&self) -> Result<Allocation, ScriptError> {
        let target = self.request.target;
        let rows = Rows::of(self.context.model);
        let failed = |error: AllocationError| ScriptError::Allocation {
            unit: unit_of(&error)
                .and_then(|row| rows.place(row))
                .map(|(projection, row)| format!("row {row} of {}", projection.name)),
            error,
        };
        let parameters = rows.parameters();
        let proposal = match (self.allocator.op, self.values) {
            (_, Some(_)) if self.noise => uniform(parameters.len(), target),
            (Allocator::Scale, Some(values)) => scale_rows(values, &rows, target, self.number(0)),
            (Allocator::Rescale, Some(values)) => rescale_rows(values, &rows, target, self.number(0)),
            (Allocator::Proportional, Some(values)) => proportional(values, &parameters, target),
            (Allocator::Global, _) => {
                let count = pruned_total(target, parameters.iter().sum()).map_err(failed)?;
                let expr = self.allocator.importance.ok_or(ScriptError::NoAllocation)?;
                let removed = removed_of_rows(expr, self.context, count)?;
                let removed = removed.into_iter().flatten().zip(&parameters);
                Ok(Proposal::Sparsity(removed.map(|(gone, all)| gone as f64 / *all as f64).collect()))
            }
            (
                Allocator::Ramp
                | Allocator::Uniform
                | Allocator::Scale
                | Allocator::Rescale
                | Allocator::Proportional,
                _,
            ) => uniform(parameters.len(), target),
        }
        .map_err(failed)?;
        let sparsity = self.on_budget(&proposal, &parameters).map_err(failed)?;
        rows.allocation(target, self.values, &sparsity).map_err(failed)
    }

    /// Moves a proposal onto the budget.
    fn on_budget(&self, proposal: &Proposal, parameters: &[u64]) -> Result<Vec<f64>, AllocationError> {
        let target = match self.allocator.op {
            // Here counts of whole weights come first, and meet the target as closely as they can.
            Allocator::Global => mean_sparsity(proposal.values(), parameters)?,
            Allocator::Scale
            | Allocator::Rescale
            | Allocator::Proportional
            | Allocator::Ramp
            | Allocator::Uniform => self.request.target,
        };
        budget(proposal, parameters, target, self.request.bounds)
    }
}

/// Returns the index of the unit, or row, that an error is about.
const fn unit_of(error: &AllocationError) -> Option<usize> {
    match error {
        AllocationError::NonFiniteImportance { unit, .. }
        | AllocationError::NegativeImportance { unit, .. }
        | AllocationError::NonFiniteProposal { unit, .. }
        | AllocationError::InvalidSparsity { unit, .. } => Some(*unit),
        _ => None,
    }
}
