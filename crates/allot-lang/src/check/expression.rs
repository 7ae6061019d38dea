//! Checks expressions: names, operators, pipelines.

use super::checker::{Checker, OperandPlace, Piped};
use super::similar::similar;
use crate::ops::{CATALOGUE, Need, Op, ParameterValue};
use crate::problem::{Problem, ValuePlace};
use crate::program::{self, BuildError, Expr};
use crate::span::Span;
use crate::syntax::{self, Node, NodeKind, Stage, StageKind};
use crate::types::{Type, UnitKind};

/// How many of the script's last bindings an unknown name is compared with.
const MOST_COMPARED: usize = 1000;

impl Checker {
    /// Returns the typed expression, or `None` when something in it is wrong and reported.
    pub(super) fn expr(&mut self, node: &Node) -> Option<Expr> {
        if self.is_full(node.span) {
            return None;
        }
        match &node.kind {
            NodeKind::Number(value) => Some(Expr::number(*value).at(node.span)),
            NodeKind::Hole => self.hole(node.span, &Type::SHAPES, ValuePlace::Expression),
            NodeKind::Name(name) => self.name(name, node.span),
            NodeKind::Group(inner) => self.expr(inner),
            NodeKind::Negate { sign, value } => {
                if let NodeKind::Number(number) = value.kind {
                    return Some(Expr::number(-number).at(node.span));
                }
                let operand = self.expr(value);
                let place = |_| OperandPlace::Argument(value.span);
                self.build(Op::Negate, vec![operand?], Vec::new(), *sign, node.span, place)
            }
            NodeKind::Infix { op, symbol, left, right } => {
                let operands = [self.expr(left), self.expr(right)];
                let place = |index| OperandPlace::Argument(if index == 0 { left.span } else { right.span });
                let operands = operands.into_iter().collect::<Option<_>>()?;
                self.build(*op, operands, Vec::new(), *symbol, node.span, place)
            }
            NodeKind::Call { name, arguments } => self.call(name, None, Some(arguments), node.span),
            NodeKind::Pipeline { first, stages } => self.pipeline(first, stages),
        }
    }

    fn pipeline(&mut self, first: &Node, stages: &[Stage]) -> Option<Expr> {
        let mut value = match (&first.kind, stages.first().and_then(stage_operator)) {
            (NodeKind::Hole, Some(op)) => self.hole(first.span, self.accepted(op), ValuePlace::Input(op)),
            _ => self.expr(first),
        };
        let mut span = first.span;
        for (index, stage) in stages.iter().enumerate() {
            if self.is_full(stage.span) {
                return None;
            }
            let next = stages.get(index + 1).and_then(stage_operator);
            value = self.stage(stage, value, span, next);
            span = span.to(stage.span);
        }
        value
    }

    /// Checks a stage with its input; `next` is the operator of the stage after it.
    fn stage(
        &mut self,
        stage: &Stage,
        input: Option<Expr>,
        input_span: Span,
        next: Option<Op>,
    ) -> Option<Expr> {
        match &stage.kind {
            StageKind::Hole => {
                let input = input?.ty();
                self.hole_as_stage(stage.span, input, next)
            }
            StageKind::Operator { name, arguments } => {
                let is_terminal = Op::find(&name.text).is_some_and(Op::is_terminal);
                if is_terminal || self.scope.use_of(&name.text).is_some() {
                    return self.report(Problem::StageIsValue { name: name.text.clone(), span: name.span });
                }
                let whole = input_span.to(stage.span);
                let piped = Piped { value: input, span: input_span };
                self.call(name, Some(piped), arguments.as_deref(), whole)
            }
        }
    }

    fn name(&mut self, name: &str, span: Span) -> Option<Expr> {
        if let Some(binding) = self.scope.use_of(name) {
            let value = binding.value.as_ref()?;
            if self.written_out + value.size() > syntax::MAX_SIZE {
                return self.report_once(Problem::TooLarge { span });
            }
            self.written_out += value.size();
            let value = value.clone();
            let mut after_metric = None;
            value.walk(&mut |part| {
                after_metric = after_metric.or(part.op().filter(|op| op.needs(Need::Metric)));
            });
            if let Some(op) = after_metric.filter(|_| self.in_metric) {
                return self.report(Problem::ScoreInMetric { op, span });
            }
            return Some(value);
        }
        let op = match Op::find(name) {
            Some(op) if op.is_terminal() => op,
            _ if self.scope.is_silent(name) => return None,
            Some(op) => return self.report(Problem::OperatorAsValue { op, span }),
            None => {
                let similar = self.similar_values(name);
                let below = self.scope.below(name);
                return self.report(Problem::UnknownName { name: name.to_owned(), span, similar, below });
            }
        };
        if self.in_metric && op.needs(Need::Metric) {
            return self.report(Problem::ScoreInMetric { op, span });
        }
        if op.needs(Need::Projections) && !self.unit.is_some_and(UnitKind::is_within_blocks) {
            return match self.unit_in_doubt {
                true => None,
                false => self.report_once(Problem::NeedsProjection { op, span, unit: self.unit }),
            };
        }
        self.build(op, Vec::new(), Vec::new(), span, span, |_| OperandPlace::Argument(span))
    }

    /// Returns the names of values similar to an unknown one, or of operators if no value is similar.
    fn similar_values(&self, name: &str) -> Vec<String> {
        let values = CATALOGUE.iter().filter(|row| row.op.is_terminal());
        let bindings = self.scope.bindings().iter().rev().take(MOST_COMPARED);
        let bindings = bindings.map(|binding| binding.name.as_str());
        let found = similar(name, bindings.chain(values.map(|row| row.name)));
        match found.is_empty() {
            true => similar(name, CATALOGUE.iter().map(|row| row.name)),
            false => found,
        }
    }

    /// Builds a call with all of its arguments, and reports an operand whose type does not fit.
    ///
    /// `place` returns where the label for the operand at an index belongs.
    pub(super) fn build(
        &mut self,
        op: Op,
        operands: Vec<Expr>,
        parameters: Vec<ParameterValue>,
        name: Span,
        span: Span,
        place: impl Fn(usize) -> OperandPlace,
    ) -> Option<Expr> {
        let found: Vec<(Type, Option<Op>)> =
            operands.iter().map(|operand| (operand.ty(), operand.op())).collect();
        let over = program::over(op, &parameters);
        if let Some((Type::Output, _)) = found.first()
            && op.needs_rows(Type::Output)
            && self.unit != Some(UnitKind::Row)
        {
            let (OperandPlace::Argument(at) | OperandPlace::Input(at)) = place(0);
            return match self.unit_in_doubt {
                true => None,
                false => self.report(Problem::NeedsRows { op, span: at, name, unit: self.unit }),
            };
        }
        match Expr::call(op, operands, parameters) {
            Ok(expr) if expr.depth() > syntax::MAX_DEPTH => self.report_once(Problem::TooDeep { span }),
            Ok(expr) if expr.size() > syntax::MAX_SIZE => self.report_once(Problem::TooLarge { span }),
            Ok(expr) => Some(expr.at(span)),
            Err(BuildError::OperandType { index, .. }) => {
                let (found, inner) = found[index];
                let problem = match (found, inner, place(index)) {
                    (Type::Sparsity, Some(inner), OperandPlace::Argument(at) | OperandPlace::Input(at)) => {
                        Problem::AllocationInside { op: inner, span: at, by: op, consumer: name }
                    }
                    (_, _, OperandPlace::Input(input)) => {
                        Problem::WrongStage { op, found, stage: name, input, over }
                    }
                    (_, _, OperandPlace::Argument(span)) => {
                        Problem::WrongType { op, operand: index, found, span, name, over }
                    }
                };
                self.report(problem)
            }
            Err(_) => None,
        }
    }
}

/// Returns the operator that a stage applies.
fn stage_operator(stage: &Stage) -> Option<Op> {
    match &stage.kind {
        StageKind::Operator { name, .. } => Op::find(&name.text),
        StageKind::Hole => None,
    }
}
