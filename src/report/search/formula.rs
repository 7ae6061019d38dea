//! Formulas for people: on one line, and typeset.

use crate::lang::check::{CheckOptions, check};
use crate::lang::latex;
use crate::lang::mathml::mathml;
use crate::lang::ops::{Class, Op, ParameterValue};
use crate::lang::print;
use crate::lang::program::{BuildError, Expr, ExprKind, Metric, Script};
use crate::report::number::significant;
use crate::search::summary::Formula;

/// The maximum number of operators and constants per equation, so that it fits a page.
const LONG: usize = 8;

/// A formula parsed from its script.
pub(super) struct Reading {
    script: Script,
}

impl Reading {
    /// Returns `None` if the script does not check, which only happens with a summary from elsewhere.
    pub(super) fn of(formula: &Formula) -> Option<Self> {
        let script = check(&formula.script, CheckOptions::default()).script?;
        script.allocation.is_some().then_some(Self { script })
    }

    /// Returns the name of the allocation unit.
    pub(super) fn unit(&self) -> &'static str {
        self.script.unit.unwrap_or_default().name()
    }

    /// Returns the number of operators and constants of the allocation.
    pub(super) fn size(&self) -> usize {
        self.script.allocation.as_ref().map_or(0, |it| it.size())
    }

    /// Returns the allocation on one line, as written in a script.
    pub(super) fn line(&self) -> String {
        let alone = Script { metric: None, unit: None, allocation: self.script.allocation.clone() };
        print::script(&alone).trim_end().to_owned()
    }

    /// Returns the equations as MathML: the allocation's first, and the metric's, which defines `score`,
    /// last. Also returns whether constants were rounded.
    pub(super) fn typeset(&self) -> Option<(Vec<String>, bool)> {
        // The metric is only shown if the formula uses the score.
        let metric = match self.script.metric.as_ref().filter(|_| self.uses_score()) {
            Some(metric) => Some(Metric { per: metric.per, score: rounded(&metric.score).ok()? }),
            None => None,
        };
        let allocation = self.script.allocation.as_ref().map(rounded).transpose().ok()?;
        let short = Script { metric, allocation, unit: self.script.unit };
        let mut equations = latex::equations(&short, LONG);
        // In reverse order: from the result to its inputs.
        equations.reverse();
        let typeset = equations.iter().map(|(left, right)| mathml(&format!("{left} = {right}")));
        let same = short.allocation == self.script.allocation
            && (short.metric.is_none() || short.metric == self.script.metric);
        Some((typeset.collect::<Option<_>>()?, !same))
    }

    fn uses_score(&self) -> bool {
        let mut found = false;
        if let Some(allocation) = &self.script.allocation {
            allocation.walk(&mut |expr| found |= expr.op() == Some(Op::Score));
        }
        found
    }

    /// Returns the equations like [`Self::typeset`], without the metric's.
    pub(super) fn allocation(&self) -> Option<Vec<String>> {
        let alone = Script { metric: None, ..self.script.clone() };
        Self { script: alone }.typeset().map(|(equations, _)| equations)
    }

    /// Returns the operators in the order of first use, terminals first.
    pub(super) fn operators(&self) -> Vec<Op> {
        let mut found: Vec<Op> = Vec::new();
        let mut visit = |expr: &Expr| {
            if let Some(op) = expr.op()
                && !found.contains(&op)
            {
                found.push(op);
            }
        };
        if let Some(allocation) = &self.script.allocation {
            allocation.walk(&mut visit);
        }
        if let Some(metric) = &self.script.metric {
            metric.score.walk(&mut visit);
        }
        found.sort_by_key(|op| !matches!(op.info().class, Class::Terminal(_)));
        found
    }
}

/// Returns a formula on one line, or the script's text if it does not check.
pub(super) fn line(formula: &Formula) -> String {
    match Reading::of(formula) {
        Some(reading) => reading.line(),
        None => formula.script.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// Returns an expression with its constants rounded to four digits, only for reading.
fn rounded(expr: &Expr) -> Result<Expr, BuildError> {
    let short = |value: f64| {
        let text = significant(value, 4);
        text.parse::<f64>().unwrap_or(value)
    };
    match expr.kind() {
        ExprKind::Number(value) => Ok(Expr::number(short(*value))),
        ExprKind::Call { op, operands, parameters } => {
            let operands = operands.iter().map(rounded).collect::<Result<_, _>>()?;
            let parameters = parameters.iter().map(|setting| match setting {
                ParameterValue::Number(value) => ParameterValue::Number(short(*value)),
                word => *word,
            });
            Expr::call(*op, operands, parameters.collect())
        }
    }
}
