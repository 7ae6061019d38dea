//! Why a script has no value on a model.

use super::matrix::BackendError;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::ops::Op;
use crate::lang::print;
use crate::lang::program::Expr;
use crate::lang::span::Span;
use crate::lang::types::UnitKind;

/// Why a script has no value on a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InterpretError {
    /// A sub-expression's value is not finite.
    #[error("`{}` is {} in {}", .0.expression, .0.value, .0.unit)]
    NotFinite(Box<NotFinite>),
    /// A terminal's statistics were not collected.
    #[error("`{}` was not collected for {linear}", op.name())]
    NotCollected {
        /// The terminal.
        op: Op,
        /// Where the terminal stands in the script.
        span: Option<Span>,
        /// The first linear that lacks it.
        linear: String,
    },
    /// A terminal's statistics were measured on models pruned to another target, by another metric, or in other units.
    #[error("`{}` is needed at {asked}, but was collected at {found}", op.name())]
    MeasuredElsewhere {
        /// The terminal.
        op: Op,
        /// Where it stands in the script.
        span: Option<Span>,
        /// The sparsity and the metric that the script needs, and the units of `damage`.
        asked: String,
        /// Those that were collected.
        found: String,
    },
    /// The length of a statistic does not match the channels or weights of its linear.
    #[error("`{}` of {linear} has {found} values instead of {expected}", op.name())]
    WrongLength {
        /// The terminal that stands for the statistic.
        op: Op,
        /// The linear.
        linear: String,
        /// How many values there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A terminal that only projections have, with blocks as units.
    #[error("`{}` is defined only for projections, but the unit is the block", op.name())]
    NeedsProjection {
        /// The terminal.
        op: Op,
        /// Where it stands.
        span: Option<Span>,
    },
    /// An importance for each output channel, where the units are not rows.
    #[error("the importance is one value for each output channel, but each {unit} gets one ratio")]
    NeedsRows {
        /// Where it stands.
        span: Option<Span>,
        /// What gets one ratio.
        unit: UnitKind,
    },
    /// The model has no linears in its blocks.
    #[error("the model has no linear layers in its blocks")]
    NoLinears,
    /// A matrix's eigenvalues cannot be computed.
    #[error("the singular values of {linear} cannot be computed: the iteration does not converge")]
    NoSpectrum {
        /// The linear.
        linear: String,
    },
    /// There is no linear at a requested place.
    #[error("there is no linear {linear}: the model has {linears}, counted from 0")]
    NoSuchLinear {
        /// The place.
        linear: usize,
        /// How many linears there are.
        linears: usize,
    },
    /// The device failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A step that should have a value has none.
    #[error(
        "`{step}` has no value: this is a bug in allot, not in the script or the model; please report it"
    )]
    Internal {
        /// The step's expression.
        step: String,
    },
}

/// Where a value that is not finite first appears, and the values that it was computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct NotFinite {
    /// The sub-expression.
    pub expression: String,
    /// Where it stands in the script.
    pub span: Option<Span>,
    /// The allocation unit.
    pub unit: String,
    /// The weight, for a sub-expression with one value for each: linear, row, column.
    pub weight: Option<(String, usize, usize)>,
    /// The channel, for a sub-expression with one value for each input or output: linear, channel.
    pub channel: Option<(String, usize)>,
    /// The value: NaN or infinite.
    pub value: f64,
    /// What it was computed from: each operand and its value.
    pub operands: Vec<(String, f64)>,
}

impl InterpretError {
    /// Returns the error of a step that has no value although it should; its expression names it.
    pub(super) fn internal(step: &Expr) -> Self {
        Self::Internal { step: print::expr(step) }
    }

    /// Puts the error into words, with the place in the script where it occurs.
    pub fn diagnostic(&self) -> Diagnostic {
        let at = |diagnostic: Diagnostic, span: Option<Span>, text: String| match span {
            Some(span) => diagnostic.label(span, text),
            None => diagnostic,
        };
        match self {
            Self::NotFinite(found) => found.diagnostic(),
            Self::NotCollected { op, span, linear } => {
                let name = op.name();
                let diagnostic =
                    Diagnostic::error("not-collected", format!("there are no statistics for `{name}`"));
                at(diagnostic, *span, format!("not collected for {linear}"))
            }
            Self::MeasuredElsewhere { op, span, found, .. } => {
                let diagnostic = Diagnostic::error("measured-elsewhere", self.to_string());
                at(diagnostic, *span, format!("`{}` was collected at {found}", op.name()))
            }
            Self::NeedsProjection { span, .. } => {
                let diagnostic = Diagnostic::error("needs-projection", self.to_string());
                at(diagnostic, *span, "defined only for projections".to_owned())
            }
            Self::NeedsRows { span, .. } => {
                let diagnostic = Diagnostic::error("needs-rows", self.to_string());
                at(diagnostic, *span, "an Output: one value for each output channel".to_owned())
            }
            _ => Diagnostic::error("no-value", self.to_string()),
        }
    }
}

impl NotFinite {
    fn diagnostic(&self) -> Diagnostic {
        let value = if self.value.is_nan() { "not a number" } else { "infinite" };
        let place = match (&self.weight, &self.channel) {
            (Some((linear, row, column)), _) => format!("at {linear}[{row}, {column}]"),
            (None, Some((linear, channel))) => format!("in channel {channel} of {linear}"),
            (None, None) => format!("in {}", self.unit),
        };
        let from: Vec<String> =
            self.operands.iter().map(|(operand, value)| format!("{operand} = {}", shown(*value))).collect();
        let diagnostic = Diagnostic::error("not-finite", format!("`{}` is {value} {place}", self.expression));
        let diagnostic = match self.span {
            Some(span) if from.is_empty() => diagnostic.label(span, format!("{value} {place}")),
            Some(span) => diagnostic.label(span, format!("{value}, from {}", from.join(", "))),
            None if from.is_empty() => diagnostic,
            None => diagnostic.help(format!("it was computed from {}", from.join(", "))),
        };
        match self.expression.as_str() {
            "weight" => diagnostic.help("the model's weights are damaged: load or convert them again"),
            _ => diagnostic.help(
                "bring its operands into range first, for example with `log`, `clip`, `tanh` or `minmax`",
            ),
        }
    }
}

/// Returns a value with seven digits.
fn shown(value: f64) -> String {
    let rounded: f64 = format!("{value:.6e}").parse().unwrap_or(value);
    match rounded.abs() {
        0.0 | 1e-4..1e9 => rounded.to_string(),
        _ if rounded.is_finite() => format!("{rounded:e}"),
        _ => value.to_string(),
    }
}
