//! Syntax tree to typed program: names, arguments, types, and what holds of a script as a whole.
//!
//! Every mistake is reported that does not follow from another: what depends on something already wrong stays silent.

mod arguments;
mod expression;
mod hole;
mod scope;
pub mod similar;

use super::diagnostic::Severity;
use super::ops::Op;
use super::problem::{GROUPS, Problem};
use super::program::{Expr, Metric, Script};
use super::span::Span;
use super::syntax::{self, Argument, Name, Node, NodeKind, StageKind, Statement, StatementKind, Tree};
use super::types::{Group, Type, UnitKind};

use scope::Scope;
use similar::similar;

/// How many problems are listed of one script.
pub const MAX_PROBLEMS: usize = 100;

/// What a check takes for granted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The allocation unit that overrides the script's.
    pub unit: Option<UnitKind>,
}

/// A checked script and what there is to say of it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The script; `None` when it has an error.
    pub script: Option<Script>,
    /// Errors and warnings, in the order in which they stand in the text, at most [`MAX_PROBLEMS`] and one that says
    /// so.
    pub problems: Vec<Problem>,
}

/// Parses and checks a script.
pub fn check(source: &str, options: Options) -> Checked {
    let (tree, problems) = syntax::parse(source);
    let parsed = problems.is_empty();
    let mut checker = Checker::new(&tree, options, problems);
    let script = checker.script(&tree.statements, source, parsed);
    let mut problems = checker.problems;
    problems.sort_by_cached_key(|problem| {
        (matches!(problem, Problem::Further { .. }), problem.diagnostic().start())
    });
    let error = problems.iter().any(|problem| problem.diagnostic().severity == Severity::Error);
    Checked { script: (!error).then_some(script), problems }
}

/// Checks the bytes of a file.
pub fn check_bytes(bytes: &[u8], options: Options) -> Checked {
    match syntax::text(bytes) {
        Ok(source) => check(source, options),
        Err(problem) => Checked { script: None, problems: vec![problem] },
    }
}

struct Checker {
    unit: Option<UnitKind>,
    /// Whether the script names a unit that cannot be made out.
    unit_in_doubt: bool,
    scope: Scope,
    in_metric: bool,
    /// How many operators the bindings that were used so far add up to.
    written_out: usize,
    problems: Vec<Problem>,
}

impl Checker {
    fn new(tree: &Tree, options: Options, mut problems: Vec<Problem>) -> Self {
        if let Some(next) = problems.get(MAX_PROBLEMS) {
            let at = next.diagnostic().start();
            problems.truncate(MAX_PROBLEMS);
            problems.push(Problem::Further { span: Span::new(at, at), listed: MAX_PROBLEMS });
        }
        let mut named = tree.statements.iter().filter_map(|statement| match &statement.kind {
            StatementKind::Unit { name } => Some(unit_kind(&name.text)),
            _ => None,
        });
        let named = named.next();
        Self {
            unit: options.unit.or(named.flatten()),
            unit_in_doubt: options.unit.is_none() && (tree.broken_unit || named == Some(None)),
            scope: Scope::new(tree),
            in_metric: false,
            written_out: 0,
            problems,
        }
    }

    fn report<T>(&mut self, problem: Problem) -> Option<T> {
        self.problems.push(problem);
        None
    }

    /// Reports what, once said, would be said again at every further step.
    fn report_once<T>(&mut self, problem: Problem) -> Option<T> {
        let kind = std::mem::discriminant(&problem);
        if self.problems.iter().all(|reported| std::mem::discriminant(reported) != kind) {
            self.problems.push(problem);
        }
        None
    }

    /// Returns whether there is so much to say already that the rest, from `span` on, is not looked at.
    fn is_full(&mut self, span: Span) -> bool {
        let full = self.problems.len() >= MAX_PROBLEMS;
        if full {
            self.report_once::<()>(Problem::Further { span, listed: MAX_PROBLEMS });
        }
        full
    }

    fn script(&mut self, statements: &[Statement], source: &str, parsed: bool) -> Script {
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
                    // Among statements that do not parse, what was meant to come last cannot be told.
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
        match unit_kind(&name.text) {
            Some(unit) => Some(unit),
            None => self.report(Problem::UnknownUnit { name: name.text.clone(), span: name.span }),
        }
    }

    fn metric(&mut self, options: &[Argument], score: &Node) -> Option<Metric> {
        let per = self.group(options);
        self.in_metric = true;
        let expr = match score.kind {
            NodeKind::Hole => self.hole(score.span, &[Type::Matrix], "a score for each weight"),
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
                NodeKind::Name(word) => Group::ALL.into_iter().find(|group| group.name() == word),
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
            return self.hole(node.span, &[Type::Sparsity], "an allocation");
        }
        let expr = self.expr(node)?;
        match expr.ty() {
            Type::Sparsity => Some(expr),
            found => self.report(Problem::NotAnAllocation { found, span: node.span }),
        }
    }
}

fn unit_kind(name: &str) -> Option<UnitKind> {
    UnitKind::ALL.into_iter().find(|unit| unit.name() == name)
}

/// Returns what a value is that should be one of some words.
fn not_a_word(node: &Node) -> String {
    match &node.kind {
        NodeKind::Name(name) => format!("`{name}`"),
        NodeKind::Number(_) => "a number".to_owned(),
        _ => "an expression".to_owned(),
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
