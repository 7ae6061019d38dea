//! Terminals: their values from the model and its statistics, and which of these are missing.

use super::context::Context;
use super::error::InterpretError;
use super::matrix::StepValue;
use super::measured::{self, Asked};
use super::units::UnitData;
use crate::data::{BlockChange, LinearData, ModelData, ProjectionKind};
use crate::lang::ops::{Need, Op, Terminal};
use crate::lang::program::Expr;
use crate::lang::span::Span;
use crate::lang::types::UnitKind;

/// Checks that an expression's terminals have values on the model.
///
/// # Errors
/// Fails on the first terminal that was not collected, has a length that does not match its linear, or is defined only for
/// projections.
pub(super) fn check(expr: &Expr, context: Context<'_>) -> Result<(), InterpretError> {
    if context.model.linears.is_empty() {
        return Err(InterpretError::NoLinears);
    }
    let mut terminals: Vec<(Terminal, Option<Span>)> = Vec::new();
    let mut add = |op: Terminal, span: Option<Span>| {
        if terminals.iter().all(|(known, _)| *known != op) {
            terminals.push((op, span));
        }
    };
    expr.walk(&mut |expr| {
        if let Some(Op::Terminal(op)) = expr.op() {
            add(op, expr.span());
        }
    });
    if let Some(score) = find_score(expr) {
        // A part of the metric may have no place in the script, but the score has one.
        context.metric.walk(&mut |expr| {
            if let Some(Op::Terminal(op)) = expr.op() {
                add(op, expr.span().or(score.span()));
            }
        });
    }
    for (op, span) in terminals {
        if Op::from(op).needs(Need::Projections) && context.unit == UnitKind::Block {
            return Err(InterpretError::NeedsProjection { op: op.into(), span });
        }
        let asked = Asked::of(op, context);
        for linear in &context.model.linears {
            check_linear(op, span, linear)?;
            if let Some(asked) = asked.as_ref().filter(|asked| asked.find(linear).is_none()) {
                let [asked, found] = asked.words(linear);
                return Err(InterpretError::MeasuredElsewhere { op: op.into(), span, asked, found });
            }
        }
    }
    Ok(())
}

fn find_score(expr: &Expr) -> Option<&Expr> {
    if expr.op() == Some(Op::Score) {
        return Some(expr);
    }
    expr.operands().iter().find_map(find_score)
}

/// Returns where `score` first stands in an expression.
pub(super) fn score_span(expr: &Expr) -> Option<Span> {
    find_score(expr).and_then(Expr::span)
}

/// Returns whether a linear has the data of an operator; true for an operator without data.
pub fn is_at_hand(op: Op, linear: &LinearData<'_>) -> bool {
    let Op::Terminal(terminal) = op else { return true };
    lengths(terminal, linear).is_none_or(|(found, _)| found.is_some())
}

/// Returns how many numbers of a terminal's data a linear has, and how many it must have; `None` for a terminal without data.
fn lengths(op: Terminal, linear: &LinearData<'_>) -> Option<(Option<usize>, usize)> {
    let weights = linear.rows * linear.columns;
    Some(match op {
        Terminal::Weight => (Some(linear.weight.len()), weights),
        Terminal::Gradient => (linear.gradient.as_ref().map(|values| values.len()), weights),
        Terminal::InputNorm => (linear.second_moment.as_ref().map(|values| values.len()), linear.columns),
        Terminal::HessianDiagonal => {
            (linear.hessian_diagonal.as_ref().map(|values| values.len()), linear.columns)
        }
        Terminal::ReconstructionError => (linear.reconstruction_error.map(|_| 1), 1),
        Terminal::InputKurtosis => (linear.input_kurtosis.map(|_| 1), 1),
        Terminal::BlockSimilarity | Terminal::BlockChange => (linear.block_change.map(|_| 1), 1),
        Terminal::Damage => (linear.damages.first().map(|_| 1), 1),
        Terminal::Marginal => (linear.marginals.first().map(|_| 1), 1),
        Terminal::MarginalSlope => (linear.marginals.iter().find_map(|it| it.beyond.as_ref()).map(|_| 1), 1),
        Terminal::Score
        | Terminal::Depth
        | Terminal::Parameters
        | Terminal::FanIn
        | Terminal::FanOut
        | Terminal::Attention
        | Terminal::Mlp
        | Terminal::Query
        | Terminal::Key
        | Terminal::Value
        | Terminal::Out
        | Terminal::Gate
        | Terminal::Up
        | Terminal::Down
        | Terminal::Target => return None,
    })
}

fn check_linear(op: Terminal, span: Option<Span>, linear: &LinearData<'_>) -> Result<(), InterpretError> {
    let Some((found, expected)) = lengths(op, linear) else { return Ok(()) };
    let op = Op::from(op);
    let name = || linear.name.clone();
    match found {
        None => Err(InterpretError::NotCollected { op, span, linear: name() }),
        Some(found) if found != expected => {
            Err(InterpretError::WrongLength { op, linear: name(), found, expected })
        }
        Some(_) => Ok(()),
    }
}

/// Returns the value of a terminal that is not per-weight and that has passed [`check`].
pub(super) fn value(op: Terminal, context: Context<'_>, unit: &UnitData) -> StepValue {
    use ProjectionKind::{Down, Gate, Key, Out, Query, Up, Value};
    let model = context.model;
    let linears = || unit.linears.iter().map(|linear| &model.linears[*linear]);
    let first =
        |size: fn(&LinearData<'_>) -> usize| linears().next().map_or(f64::NAN, |linear| size(linear) as f64);
    // All linears of a unit belong to one block.
    let of_block = |of: fn(BlockChange) -> f64| {
        linears().next().and_then(|linear| linear.block_change).map_or(f64::NAN, of)
    };
    let number = match op {
        Terminal::InputNorm => {
            return channels(model, unit, |linear| match &linear.second_moment {
                Some(moments) => moments.iter().map(|x| f64::from(*x).sqrt()).collect(),
                None => Vec::new(),
            });
        }
        Terminal::HessianDiagonal => {
            return channels(model, unit, |linear| match &linear.hessian_diagonal {
                Some(diagonal) => diagonal.iter().map(|x| f64::from(*x)).collect(),
                None => Vec::new(),
            });
        }
        Terminal::Target => context.target,
        Terminal::Depth if model.blocks <= 1 => 0.0,
        Terminal::Depth => unit.block as f64 / (model.blocks - 1) as f64,
        Terminal::Parameters => unit.parameters as f64,
        Terminal::FanIn => first(|linear| linear.columns),
        Terminal::FanOut => first(|linear| linear.rows),
        Terminal::Attention => unit.share(&[Query, Key, Value, Out]),
        Terminal::Mlp => unit.share(&[Gate, Up, Down]),
        Terminal::Query => unit.share(&[Query]),
        Terminal::Key => unit.share(&[Key]),
        Terminal::Value => unit.share(&[Value]),
        Terminal::Out => unit.share(&[Out]),
        Terminal::Gate => unit.share(&[Gate]),
        Terminal::Up => unit.share(&[Up]),
        Terminal::Down => unit.share(&[Down]),
        Terminal::ReconstructionError => {
            let errors = linears().map(|linear| linear.reconstruction_error.unwrap_or(f64::NAN));
            errors.sum::<f64>() / unit.linears.len() as f64
        }
        Terminal::InputKurtosis => {
            let kurtoses = linears().map(|linear| linear.input_kurtosis.unwrap_or(f64::NAN));
            kurtoses.sum::<f64>() / unit.linears.len() as f64
        }
        Terminal::BlockSimilarity => of_block(|change| change.similarity),
        Terminal::BlockChange => of_block(|change| change.relative),
        Terminal::Damage | Terminal::Marginal | Terminal::MarginalSlope => measured::value(op, context, unit),
        // These have one value for each weight.
        Terminal::Score | Terminal::Weight | Terminal::Gradient => f64::NAN,
    };
    StepValue::one(number)
}

fn channels(model: &ModelData<'_>, unit: &UnitData, of: impl Fn(&LinearData<'_>) -> Vec<f64>) -> StepValue {
    StepValue::channels(unit.linears.iter().map(|linear| of(&model.linears[*linear])).collect())
}
