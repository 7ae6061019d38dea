//! Scores a linear's weights with any method: by a formula, or by a metric that the interpreter evaluates.

use std::borrow::Cow;

use super::error::PruneError;
use super::inputs::Inputs;
use super::method::{Method, Scoring, across_units};
use super::options::PruneOptions;
use super::score::{self, ScoreFormula};
use crate::data::{LinearData, ModelData};
use crate::interpret::context::Context;
use crate::interpret::error::InterpretError;
use crate::interpret::evaluate::Scores;
use crate::interpret::matrix::Backend;
use crate::lang::types::UnitKind;
use crate::model::{Checkpoint, Linear};
use crate::stats::hessian_diagonal;

/// Scores weights, one linear at a time.
pub(super) enum Scorer<'a> {
    /// A formula of a linear's own weights and inputs.
    Formula(ScoreFormula),
    /// A metric, with the data that it was prepared for.
    Metric(Box<Scores<'a>>),
}

impl<'a> Scorer<'a> {
    /// Prepares a method's scores; `backend` evaluates a metric on `data`, and its reductions reduce `unit`.
    ///
    /// # Errors
    /// When a metric has no value; the error then names `place`.
    pub(super) fn new(
        method: &'a Method,
        data: &'a ModelData<'a>,
        backend: &'a dyn Backend,
        unit: UnitKind,
        target: f64,
        place: &str,
    ) -> Result<Self, PruneError> {
        match method.scoring() {
            Scoring::Formula(formula) => Ok(Self::Formula(formula)),
            Scoring::Metric(metric) => {
                let score = &metric.score;
                let per = metric.per;
                let context =
                    Context { model: data, unit, metric: score, per, target, reductions: None, backend };
                let scores = Scores::new(score, context).map_err(|source| no_value(place, source))?;
                Ok(Self::Metric(Box::new(scores)))
            }
        }
    }

    /// Returns the scores of a linear's weights, `[rows, columns]`, computed on the CPU.
    ///
    /// `place` is the linear's index in a metric's data. `weights` and `second_moment` are called only if the
    /// scores use them.
    ///
    /// # Errors
    /// When a metric has no value, a score is not a number, or `second_moment` returns an error.
    pub(super) fn scores<'b>(
        &self,
        linear: &Linear,
        place: usize,
        weights: impl FnOnce() -> Vec<f32>,
        second_moment: impl FnOnce() -> Result<Cow<'b, [f32]>, PruneError>,
    ) -> Result<Vec<f32>, PruneError> {
        match self {
            Self::Formula(formula) => {
                let scores = formula.scores(&weights(), second_moment)?;
                score::check_finite(&linear.module, &scores, linear.columns)?;
                Ok(scores)
            }
            // A metric's infinite scores are intended, and can be ordered.
            Self::Metric(scores) => {
                let scores = scores.linear(place).map_err(|source| no_value(&linear.module, source))?;
                score::check(&linear.module, &scores, linear.columns)?;
                Ok(scores)
            }
        }
    }
}

/// Names the linear on which a metric has no value.
fn no_value(module: &str, source: InterpretError) -> PruneError {
    PruneError::Metric { module: module.to_owned(), source: Box::new(source) }
}

/// Returns the data that a metric is evaluated on for a block, and the index of the block's first linear in
/// it; empty for other methods.
///
/// It covers only the block, unless the metric compares units with each other.
///
/// # Errors
/// When a weight cannot be read.
pub(super) fn metric_data<'a>(
    checkpoint: &'a Checkpoint,
    block: usize,
    inputs: &Inputs,
    options: &PruneOptions<'a>,
) -> Result<(ModelData<'a>, usize), PruneError> {
    let linears = match options.method.scoring() {
        Scoring::Metric(metric) if across_units(&metric.score).is_some() => checkpoint.linears(),
        Scoring::Metric(_) => checkpoint.block_linears(block),
        Scoring::Formula(_) => &[],
    };
    let first = linears.iter().position(|linear| linear.block == block).unwrap_or(0);
    let data = |linear: &Linear| -> Result<LinearData<'a>, PruneError> {
        let mut data = checkpoint.linear_data(linear)?;
        if let Some(statistics) = options.statistics {
            statistics.attach_to(&mut data);
        }
        if let Some(collected) = inputs.collected_moment(linear)? {
            data.hessian_diagonal = Some(hessian_diagonal(&collected).into());
            data.second_moment = Some(collected.into());
        }
        Ok(data)
    };
    let linears = linears.iter().map(data).collect::<Result<_, _>>()?;
    Ok((ModelData { blocks: checkpoint.config().blocks, linears }, first))
}
