//! Evaluates expressions: the entry points of the interpreter.

use super::cache;
use super::context::Context;
use super::error::InterpretError;
use super::finite;
use super::matrix;
use super::matrix::{NotANumber, Removed};
use super::noise;
use super::plan::{Plan, StepId};
use super::reads;
use super::step_values::StepValues;
use super::terminal;
use super::units;
use crate::lang::program::Expr;
use crate::threads;

/// The importances that are the value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// One for each unit, or for an expression of type `Output`, one for each output channel of each unit's linears.
    pub values: Vec<f64>,
    /// Whether they differ by no more than rounding.
    pub noise: bool,
    /// Whether the sampling errors of `marginal` and `marginal_slope` move the importances by more than half of their standard
    /// deviation.
    pub uncertain: bool,
}

impl Importance {
    /// Returns whether all units, or output channels, are equally important.
    pub fn is_constant(&self) -> bool {
        self.values.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// Evaluates expressions of type `Output`, `Layer` or `Number` together, so that they share reads of the weights.
///
/// Each expression has the same value as alone, to the last digit.
///
/// # Errors
/// Each expression fails on its own: on a value that is not finite, or a statistic that was not collected.
pub fn evaluate(expressions: &[&Expr], context: Context<'_>) -> Vec<Result<Importance, InterpretError>> {
    let checked: Vec<Result<(), InterpretError>> =
        expressions.iter().map(|expr| terminal::check(expr, context)).collect();
    let usable: Vec<&Expr> = expressions
        .iter()
        .zip(&checked)
        .filter(|(_, checked)| checked.is_ok())
        .map(|(expr, _)| *expr)
        .collect();
    let mut values = evaluate_usable(&usable, context).into_iter();
    checked
        .into_iter()
        .zip(expressions)
        .map(|(checked, expr)| {
            checked.and_then(|()| values.next().unwrap_or_else(|| Err(InterpretError::internal(expr))))
        })
        .collect()
}

/// Evaluates expressions whose terminals all have values.
fn evaluate_usable(expressions: &[&Expr], context: Context<'_>) -> Vec<Result<Importance, InterpretError>> {
    if expressions.is_empty() {
        return Vec::new();
    }
    let mut plan = Plan::new(expressions.iter().copied(), context.metric);
    let units = units::units(context.model, context.unit).len();
    let given =
        context.reductions.map_or_else(Vec::new, |results| cache::find(results, &plan, context, units));
    // Without the cache, because the report of a failure needs every operand.
    let whole = Context { reductions: None, ..context };
    if !given.is_empty() {
        plan.give(|id| given.binary_search_by_key(&id, |(given, _)| *given).is_ok());
    }
    let known = match reads::complete(&plan, context, &given) {
        Ok(known) => known,
        Err(error) if expressions.len() == 1 && given.is_empty() => return vec![Err(error)],
        Err(_) if expressions.len() == 1 => return evaluate_usable(expressions, whole),
        // A spectrum that cannot be computed must fail only the expressions that need it.
        Err(_) => return expressions.iter().flat_map(|expr| evaluate_usable(&[*expr], context)).collect(),
    };
    if let Some(results) = context.reductions {
        cache::keep(results, &plan, context, &known);
    }
    let failed: Vec<&Expr> = plan
        .roots
        .iter()
        .zip(expressions)
        .filter(|(root, _)| !given.is_empty() && finite::first(&plan, &known, **root).is_some())
        .map(|(_, expr)| *expr)
        .collect();
    let mut failures = evaluate_usable(&failed, whole).into_iter();
    let roots: Vec<(StepId, &Expr)> = plan.roots.iter().copied().zip(expressions.iter().copied()).collect();
    // In parallel: a search evaluates many expressions at once, and looking for noise takes longer than computing the values.
    let found = threads::map(&roots, |(root, expr)| -> Result<_, InterpretError> {
        if given.is_empty() {
            finite::check(&plan, &known, context, *root, expr)?;
        } else if finite::first(&plan, &known, *root).is_some() {
            return Ok(None);
        }
        let values = known.of_root(&plan, *root);
        let noise = noise::is_noise(&plan, &known, *root);
        let uncertain = noise::is_uncertain(&plan, &known, context, *root);
        Ok(Some(Importance { values, noise, uncertain }))
    });
    let pairs = found.into_iter().zip(expressions);
    pairs
        .map(|(found, expr)| match found? {
            Some(importance) => Ok(importance),
            None => failures.next().unwrap_or_else(|| Err(InterpretError::internal(expr))),
        })
        .collect()
}

/// Returns, for each linear, how many weights of each of its rows are among the `count` smallest values of an expression of type
/// `Matrix`, over all linears of all units.
///
/// Of equal values, those of earlier linears come first, and those of one linear are spread over its rows.
///
/// # Errors
/// As [`removed_by_threshold`].
pub fn removed_of_rows(
    expr: &Expr,
    context: Context<'_>,
    count: u64,
) -> Result<Vec<Vec<u64>>, InterpretError> {
    let plan = Plan::new([expr], context.metric);
    let (known, removed) = by_threshold(expr, context, &plan, count)?;
    let mut of_rows = Vec::with_capacity(context.model.linears.len());
    for unit in known.units() {
        let lookup = reads::with_ranks(&known, &plan, context, unit.index)?;
        for index in &unit.linears {
            let linear = &context.model.linears[*index];
            let pruned = removed.of_linears.get(*index).copied().unwrap_or(0);
            of_rows.push(match removed.threshold {
                _ if pruned == 0 => vec![0; linear.rows],
                None => vec![linear.columns as u64; linear.rows],
                Some(threshold) => {
                    let root = plan.roots[0];
                    let values = matrix::values(&plan, context, unit, *index, root, &lookup)?;
                    rows_below(&values, linear.columns, threshold, pruned)
                }
            });
        }
    }
    Ok(of_rows)
}

/// Returns how many of the `pruned` smallest values of a matrix each row has, with those at the threshold spread over the rows.
fn rows_below(values: &[f32], columns: usize, threshold: f32, pruned: u64) -> Vec<u64> {
    let count = |row: &[f32], wanted: fn(&f32, &f32) -> bool| {
        row.iter().filter(|value| wanted(value, &threshold)).count() as u64
    };
    let rows = values.chunks(columns.max(1));
    let mut counts: Vec<u64> = rows.clone().map(|row| count(row, |a, b| a < b)).collect();
    let equal: Vec<u64> = rows.map(|row| count(row, |a, b| a == b)).collect();
    let taken = pruned.saturating_sub(counts.iter().sum());
    let all = u128::from(equal.iter().sum::<u64>().max(1));
    let (mut seen, mut given) = (0, 0);
    for (count, equal) in counts.iter_mut().zip(equal) {
        seen += u128::from(equal);
        let up_to = seen * u128::from(taken) / all;
        *count += (up_to - given) as u64;
        given = up_to;
    }
    counts
}

/// Returns, for each linear, how many weights are among the `count` smallest values of an expression of type `Matrix`, over
/// all linears of all units; of equal values, those of earlier linears come first.
///
/// # Errors
/// Fails on a value that is NaN, or a statistic that was not collected.
pub fn removed_by_threshold(
    expr: &Expr,
    context: Context<'_>,
    count: u64,
) -> Result<Vec<u64>, InterpretError> {
    let plan = Plan::new([expr], context.metric);
    Ok(by_threshold(expr, context, &plan, count)?.1.of_linears)
}

/// Finds what one threshold removes, and the values of the plan's other steps.
fn by_threshold(
    expr: &Expr,
    context: Context<'_>,
    plan: &Plan<'_>,
    count: u64,
) -> Result<(StepValues, Removed), InterpretError> {
    terminal::check(expr, context)?;
    let known = reads::compute(plan, context)?;
    let root = plan.roots[0];
    finite::check(plan, &known, context, root, expr)?;
    let of_unit = |unit| reads::with_ranks(&known, plan, context, unit);
    match matrix::removed_by_threshold(plan, context, known.units(), root, &of_unit, count)? {
        Ok(removed) => Ok((known, removed)),
        Err(NotANumber { unit }) => Err(finite::blame_weights(plan, &known, context, root, expr, unit)),
    }
}

/// Computes the values of an expression of type `Matrix`, one linear at a time.
pub struct Scores<'a> {
    expr: &'a Expr,
    plan: Plan<'a>,
    known: StepValues,
    context: Context<'a>,
}

impl<'a> Scores<'a> {
    /// Computes the reductions that the values of all linears need.
    ///
    /// # Errors
    /// Fails on a statistic that was not collected, or a reduction that is not finite.
    pub fn new(expr: &'a Expr, context: Context<'a>) -> Result<Self, InterpretError> {
        terminal::check(expr, context)?;
        let plan = Plan::new([expr], context.metric);
        let known = reads::compute(&plan, context)?;
        finite::check(&plan, &known, context, plan.roots[0], expr)?;
        Ok(Self { expr, plan, known, context })
    }

    /// Returns the values of a linear of the model, `[rows, columns]`.
    ///
    /// # Errors
    /// Fails on a value that is not finite, or when the model has no such linear.
    pub fn linear(&self, linear: usize) -> Result<Vec<f32>, InterpretError> {
        let units = self.known.units();
        let Some(unit) = units.iter().find(|unit| unit.linears.contains(&linear)) else {
            return Err(InterpretError::NoSuchLinear { linear, linears: self.context.model.linears.len() });
        };
        let known = reads::with_ranks(&self.known, &self.plan, self.context, unit.index)?;
        let root = self.plan.roots[0];
        let values = matrix::values(&self.plan, self.context, unit, linear, root, &known)?;
        if values.iter().any(|x| !x.is_finite()) {
            return Err(finite::blame_weights(
                &self.plan,
                &self.known,
                self.context,
                root,
                self.expr,
                unit.index,
            ));
        }
        Ok(values)
    }
}
