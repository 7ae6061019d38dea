//! Checks statements, and the script as a whole.

use super::checker::{Checker, MAX_PROBLEMS, not_a_word};
use super::similar::similar;
use crate::ops::Op;
use crate::problem::{GROUPS, Problem, ValuePlace};
use crate::program::{Expr, Metric, Script};
use crate::span::Span;
use crate::syntax::{Argument, Name, Node, NodeKind, StageKind, Statement, StatementKind};
use crate::types::{Group, Type, UnitKind};

impl Checker {
    pub(super) fn script(&mut self, statements: &[Statement], source: &str, parsed: bool) -> Script {
        let mut script = Script::default();
        let mut metric_at = None;
        let mut unit_at = None;
        for (index, statement) in statements.iter().enumerate() {
            if self.is_full(statement.span) {
                return script;
            }
            match &statement.kind {
                StatementKind::Metric { options, score, .. } => {
                    let metric = self.metric(options, score);
                    match metric_at {
                        None => script.metric = metric,
                        Some(first) => self.repeated("metric", statement.span, first),
                    }
                    metric_at = metric_at.or(Some(statement.span));
                }
                StatementKind::Unit { name } => {
                    match unit_at {
                        None => script.unit = self.unit(name),
                        Some(first) => self.repeated("unit", statement.span, first),
                    }
                    unit_at = unit_at.or(Some(statement.span));
                }
                StatementKind::Let { name, value } => self.bind(name, value),
                StatementKind::Value(node) => match statements.get(index + 1) {
                    // If some statements do not parse, it is unknown which one should be last.
                    _ if !parsed => {
                        self.expr(node);
                    }
                    None => script.allocation = self.allocation(node),
                    Some(next) => {
                        self.expr(node);
                        let sign = source.get(next.span.start..).is_some_and(|rest| rest.starts_with('-'));
                        let problem = Problem::ValueNotLast { span: statement.span, next: next.span, sign };
                        self.problems.push(problem);
                    }
                },
            }
        }
        if parsed {
            self.check_for_value(statements, source);
        }
        if self.problems.is_empty() {
            let unused = self.scope.bindings().iter().filter(|binding| !binding.used);
            let unused = unused
                .map(|binding| Problem::Unused { name: binding.name.clone(), span: binding.span })
                .take(MAX_PROBLEMS)
                .collect();
            self.problems = unused;
        }
        script
    }

    fn repeated(&mut self, what: &'static str, span: Span, first: Span) {
        self.problems.push(Problem::Repeated { what, span, first });
    }

    /// Reports a script that has neither a value nor a metric.
    fn check_for_value(&mut self, statements: &[Statement], source: &str) {
        let Some(last) = statements.last() else {
            self.problems.push(Problem::Empty);
            return;
        };
        let says_something = |statement: &Statement| {
            matches!(statement.kind, StatementKind::Value(_) | StatementKind::Metric { .. })
        };
        if !statements.iter().any(says_something) {
            let end = last.span.end.min(source.len());
            let last_binding = self.scope.last(1).pop().map(|(name, ty)| (name.to_owned(), ty));
            self.problems.push(Problem::NoValue { at: Span::new(end, end), last_binding });
        }
    }

    fn unit(&mut self, name: &Name) -> Option<UnitKind> {
        match name.text.parse() {
            Ok(unit) => Some(unit),
            Err(_) => self.report(Problem::UnknownUnit { name: name.text.clone(), span: name.span }),
        }
    }

    fn metric(&mut self, options: &[Argument], score: &Node) -> Option<Metric> {
        let per = self.group(options);
        self.in_metric = true;
        let expr = match score.kind {
            NodeKind::Hole => self.hole(score.span, &[Type::Matrix], ValuePlace::Score),
            _ => self.expr(score),
        };
        self.in_metric = false;
        let expr = expr?;
        if expr.ty() != Type::Matrix {
            return self.report(Problem::MetricNotMatrix { found: expr.ty(), span: score.span });
        }
        Some(Metric { per, score: expr })
    }

    /// Returns the group that a metric's options name.
    fn group(&mut self, options: &[Argument]) -> Group {
        let mut per = Group::default();
        let mut given: Option<Span> = None;
        for option in options {
            let Some(name) = &option.name else {
                self.problems.push(Problem::UnnamedOption { span: option.span });
                continue;
            };
            if name.text != "per" {
                let similar = similar(&name.text, ["per"].into_iter());
                let problem =
                    Problem::UnknownParameter { op: None, name: name.text.clone(), span: name.span, similar };
                self.problems.push(problem);
                continue;
            }
            if let Some(first) = given.replace(option.span) {
                let problem =
                    Problem::RepeatedParameter { name: name.text.clone(), span: option.span, first };
                self.problems.push(problem);
                continue;
            }
            let word = match &option.value.kind {
                NodeKind::Name(word) => word.parse().ok(),
                _ => None,
            };
            match word {
                Some(group) => per = group,
                None => {
                    let problem = Problem::OutOfDomain {
                        op: None,
                        parameter: "per",
                        domain: GROUPS,
                        span: option.value.span,
                        found: not_a_word(&option.value),
                    };
                    self.problems.push(problem);
                }
            }
        }
        per
    }

    fn bind(&mut self, name: &Name, value: &Node) {
        let first = self.scope.get(&name.text).map(|binding| binding.span);
        let recursive = mention(value, &name.text);
        let taken = first.is_some() || Op::find(&name.text).is_some();
        if taken {
            self.problems.push(Problem::Shadowed { name: name.text.clone(), span: name.span, first });
            self.scope.silence(&name.text);
        } else if let Some(span) = recursive {
            let problem = Problem::Recursive { name: name.text.clone(), span, binding: name.span };
            self.problems.push(problem);
            self.scope.silence(&name.text);
        }
        let value = self.expr(value);
        if !taken {
            let value = value.filter(|_| recursive.is_none());
            self.scope.bind(&name.text, name.span, value, false);
        }
    }

    fn allocation(&mut self, node: &Node) -> Option<Expr> {
        if let NodeKind::Hole = node.kind {
            return self.hole(node.span, &[Type::Sparsity], ValuePlace::Allocation);
        }
        let expr = self.expr(node)?;
        match expr.ty() {
            Type::Sparsity => Some(expr),
            found => self.report(Problem::NotAnAllocation { found, span: node.span }),
        }
    }
}

/// Returns where a node mentions a name.
fn mention(node: &Node, name: &str) -> Option<Span> {
    let in_arguments =
        |arguments: &[Argument]| arguments.iter().find_map(|argument| mention(&argument.value, name));
    match &node.kind {
        NodeKind::Name(text) => (text == name).then_some(node.span),
        NodeKind::Number(_) | NodeKind::Hole => None,
        NodeKind::Call { name: called, arguments } => {
            if called.text == name {
                Some(called.span)
            } else {
                in_arguments(arguments)
            }
        }
        NodeKind::Negate { value, .. } | NodeKind::Group(value) => mention(value, name),
        NodeKind::Infix { left, right, .. } => mention(left, name).or_else(|| mention(right, name)),
        NodeKind::Pipeline { first, stages } => mention(first, name).or_else(|| {
            stages.iter().find_map(|stage| match &stage.kind {
                StageKind::Operator { name: called, .. } if called.text == name => Some(called.span),
                StageKind::Operator { arguments: Some(arguments), .. } => in_arguments(arguments),
                _ => None,
            })
        }),
    }
}
