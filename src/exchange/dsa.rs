//! Imports and exports DSA's graph strings, such as `W:(ABSLOG)-(VAR)-(ATAN,ASIN)-(7)`.
//!
//! A string has four slots: operators on the scores of a block, an operator that reduces them, operators on
//! the result, and a number that the released engine reads but never uses. The engine takes the resulting
//! *prunability*, keeps 1 - minmax of it in a window of lambda 0.08, and replaces NaN by 0 and infinity by -1
//! on the way. An imported script expresses all of this in the language.

use crate::lang::ops::{Allocator, Op, ParameterValue};
use crate::lang::program::{BuildError, Expr, Script};
use crate::lang::types::{Type, UnitKind};

/// A slot of a graph string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The first: operators on scores.
    Before,
    /// The second: the reduction.
    Reduction,
    /// The third: operators on the reduced value.
    After,
}

impl Slot {
    const fn name(self) -> &'static str {
        match self {
            Self::Before => "first",
            Self::Reduction => "second",
            Self::After => "third",
        }
    }
}

/// Why a graph string cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// It does not have the form of a graph string.
    #[error(
        "`{text}` is not a DSA graph string: write it as `W:(ABSLOG)-(VAR)-(ATAN,ASIN)-(7)`; the last slot may be left out"
    )]
    Form {
        /// The string.
        text: String,
    },
    /// Its slot does not have the operator.
    #[error("DSA's {} slot has no operator `{name}`; it has {}", slot.name(), known.join(", "))]
    UnknownOperator {
        /// The operator.
        name: String,
        /// The slot.
        slot: Slot,
        /// The slot's operators.
        known: Vec<&'static str>,
    },
    /// There are several reductions.
    #[error("`{text}` reduces more than once: the second slot names one operator")]
    SeveralReductions {
        /// The slot's text.
        text: String,
    },
    /// The operators cannot be combined, so the engine itself would fail.
    #[error("`{text}` has no meaning: {cause}")]
    Meaningless {
        /// The string.
        text: String,
        /// The reason.
        cause: BuildError,
    },
}

/// An operator of the engine and its equivalent in the language; `None` for the engine's NO_OP.
type Row = (&'static str, Option<Op>);

const BEFORE: &[Row] = &[
    ("NO_OP", None),
    ("ABS", Some(Op::Absolute)),
    ("LOG", Some(Op::DsaLog)),
    ("ABSLOG", Some(Op::AbsoluteLogarithm)),
    ("POW", Some(Op::Square)),
    ("EXP", Some(Op::Exponential)),
    ("NORMALIZE", Some(Op::DsaNormalize)),
    ("SIGMOID", Some(Op::Sigmoid)),
    ("TANH", Some(Op::HyperbolicTangent)),
    ("MMS", Some(Op::DsaMinMax)),
];

const REDUCTION: &[Row] = &[
    ("NO_OP", None),
    ("GRAM", Some(Op::DsaGram)),
    ("CORREF", Some(Op::CorrelationOfRows)),
    ("DIAGONAL", Some(Op::DsaDiagonal)),
    ("FROBENIUS_NORM", Some(Op::L2)),
    ("L1_NORM", Some(Op::L1)),
    ("DETERMINANT", Some(Op::DsaDeterminant)),
    ("RANK", Some(Op::MatrixRank)),
    ("GEOMETRIC_MEAN", Some(Op::DsaGeometricMean)),
    ("MEAN", Some(Op::Mean)),
    ("VAR", Some(Op::DsaVariance)),
    ("STD", Some(Op::DsaStandardDeviation)),
    ("SLOGDET", Some(Op::LogDeterminant)),
    ("ENTROPY", Some(Op::DsaEntropy)),
];

const AFTER: &[Row] = &[
    ("NO_OP", None),
    ("SIN", Some(Op::Sine)),
    ("COS", Some(Op::Cosine)),
    ("TAN", Some(Op::Tangent)),
    ("ASIN", Some(Op::DsaAsin)),
    ("ACOS", Some(Op::DsaAcos)),
    ("ATAN", Some(Op::ArcTangent)),
    ("EXP", Some(Op::Exponential)),
    ("LOG", Some(Op::DsaLn)),
    ("ABS", Some(Op::Absolute)),
    ("SIGMOID", Some(Op::Sigmoid)),
    ("TANH", Some(Op::HyperbolicTangent)),
    ("SOFTPLUS", Some(Op::Softplus)),
];

/// The engine's window; its fourth slot is read but never used.
const LAMBDA: f64 = 0.08;

const fn rows(slot: Slot) -> &'static [Row] {
    match slot {
        Slot::Before => BEFORE,
        Slot::Reduction => REDUCTION,
        Slot::After => AFTER,
    }
}

/// Reads a graph string.
///
/// # Errors
/// When the text has another form, the engine does not have an operator, or the operators cannot be combined.
pub fn import(text: &str) -> Result<Script, ImportError> {
    let form = || ImportError::Form { text: text.to_owned() };
    let slots: Vec<&str> = text.trim().strip_prefix("W:").ok_or_else(form)?.split('-').collect();
    let inside = |slot: &str| -> Result<Vec<String>, ImportError> {
        let inner = slot.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(form)?;
        Ok(inner.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_uppercase).collect())
    };
    let (before, reduction, after) = match slots[..] {
        [before, reduction, after] => (before, reduction, after),
        [before, reduction, after, unused] => {
            let number = inside(unused)?;
            if !matches!(&number[..], [one] if one.parse::<u32>().is_ok()) {
                return Err(form());
            }
            (before, reduction, after)
        }
        _ => return Err(form()),
    };
    let find = |names: Vec<String>, slot: Slot| -> Result<Vec<Op>, ImportError> {
        let mut ops = Vec::new();
        for name in names {
            match rows(slot).iter().find(|(known, _)| *known == name) {
                Some((_, op)) => ops.extend(*op),
                None => {
                    let known = rows(slot).iter().map(|(name, _)| *name).collect();
                    return Err(ImportError::UnknownOperator { name, slot, known });
                }
            }
        }
        Ok(ops)
    };
    let before = find(inside(before)?, Slot::Before)?;
    let reductions = inside(reduction)?;
    if reductions.len() > 1 {
        return Err(ImportError::SeveralReductions { text: reductions.join(",") });
    }
    let reduction = find(reductions, Slot::Reduction)?;
    let after = find(inside(after)?, Slot::After)?;
    build(&before, reduction.first().copied(), &after)
        .map_err(|cause| ImportError::Meaningless { text: text.to_owned(), cause })
}

/// Returns the script for the operators of each slot, given in the order in which they apply.
fn build(before: &[Op], reduction: Option<Op>, after: &[Op]) -> Result<Script, BuildError> {
    let mut expr = Expr::apply(Op::Score, Vec::new())?;
    for op in before {
        expr = Expr::apply(*op, vec![expr])?;
    }
    expr = match reduction {
        None => expr,
        // The engine's L1_NORM divides by the number of values.
        Some(Op::L1) => Expr::apply(Op::Mean, vec![Expr::apply(Op::Absolute, vec![expr])?])?,
        Some(op) => Expr::apply(op, vec![expr])?,
    };
    for op in after {
        expr = Expr::apply(*op, vec![expr])?;
    }
    // The engine averages a result that is not a single number.
    if expr.ty() == Type::Matrix {
        expr = Expr::apply(Op::Mean, vec![expr])?;
    }
    expr = Expr::apply(Op::DsaSanitize, vec![expr])?;
    let keep = Expr::apply(Op::Negate, vec![expr])?;
    let allocation = Expr::call(Op::Scale, vec![keep], vec![ParameterValue::Number(LAMBDA)])?;
    Ok(Script { metric: None, unit: None, allocation: Some(allocation) })
}

/// Returns the graph string of a script that [`import`] could have made.
///
/// A lambda other than the engine's is written in hundredths into the slot that the engine does not use;
/// [`import`] ignores it. Returns `None` if the script is not such a formula.
pub fn export(script: &Script) -> Option<String> {
    let allocator = script.allocator()?;
    if allocator.op != Allocator::Scale
        || script.metric.is_some()
        || script.unit == Some(UnitKind::Projection)
    {
        return None;
    }
    let chain = chain(descend(descend(allocator.importance?, Op::Negate)?, Op::DsaSanitize)?)?;
    let (ops, types): (Vec<Op>, Vec<Type>) = chain.into_iter().unzip();
    // The reduction is the first operator that yields a Layer. If that is the engine's implicit mean, it is
    // in no slot, and the border between the other slots may be anywhere.
    let reduction = types.iter().position(|ty| *ty == Type::Layer)?;
    let named = (&ops[..reduction], Some(ops[reduction]), &ops[reduction + 1..]);
    let unnamed = (0..=reduction).rev().map(|border| (&ops[..border], None, &ops[border..reduction]));
    let (before, reduction, after) =
        std::iter::once(named).chain(unnamed).find(|(before, reduction, after)| {
            let known = |slot, ops: &[Op]| ops.iter().all(|op| name(slot, *op).is_some());
            let script = build(before, *reduction, after).ok();
            known(Slot::Before, before)
                && known(Slot::After, after)
                && reduction.is_none_or(|op| known(Slot::Reduction, &[op]))
                && script.as_ref().and_then(Script::allocator).and_then(|same| same.importance)
                    == allocator.importance
        })?;
    let lambda = allocator.parameters.first().and_then(|setting| setting.number()).unwrap_or(LAMBDA);
    let before = names(Slot::Before, before);
    let reduction = names(Slot::Reduction, reduction.as_slice());
    let after = names(Slot::After, after);
    Some(format!("W:({before})-({reduction})-({after})-({})", (lambda * 100.0).round()))
}

/// Returns the operators of a chain on the score with their result types, in the order in which they apply.
fn chain(mut expr: &Expr) -> Option<Vec<(Op, Type)>> {
    let mut chain = Vec::new();
    while expr.op()? != Op::Score {
        chain.push((expr.op()?, expr.ty()));
        let [operand] = expr.operands() else { return None };
        expr = operand;
    }
    chain.reverse();
    Some(chain)
}

fn descend(expr: &Expr, op: Op) -> Option<&Expr> {
    (expr.op() == Some(op)).then(|| expr.operands().first()).flatten()
}

/// Returns the engine's name for an operator in a slot.
fn name(slot: Slot, op: Op) -> Option<&'static str> {
    rows(slot).iter().find(|(_, known)| *known == Some(op)).map(|(name, _)| *name)
}

fn names(slot: Slot, ops: &[Op]) -> String {
    let names: Vec<&str> = ops.iter().filter_map(|op| name(slot, *op)).collect();
    match names[..] {
        [] => "NO_OP".to_owned(),
        _ => names.join(","),
    }
}
