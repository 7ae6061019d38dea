//! Syntax tree to typed program: names, arguments, types, and what holds of a script as a whole.
//!
//! Every mistake is reported that does not follow from another: what depends on something already wrong stays silent.

mod arguments;
mod hole;

use super::canonical;
use super::ops::{Class, Op, Setting};
use super::problem::{GROUPS, Problem};
use super::program::{BuildError, Expr, Metric, Script};
use super::span::Span;
use super::syntax::{self, Argument, Name, Node, NodeKind, Stage, StageKind, Statement, StatementKind};
use super::types::{Group, Type, UnitKind};

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
    /// Errors and warnings, in the order in which they stand in the text.
    pub problems: Vec<Problem>,
}

/// Parses and checks a script.
pub fn check(source: &str, options: Options) -> Checked {
    let (tree, problems) = syntax::parse(source);
    let unit = tree.statements.iter().find_map(|statement| match &statement.kind {
        StatementKind::Unit { name } => UnitKind::ALL.into_iter().find(|unit| unit.name() == name.text),
        _ => None,
    });
    let mut checker = Checker {
        unit: options.unit.or(unit),
        bindings: Vec::new(),
        broken: tree.broken,
        in_metric: false,
        written_out: 0,
        problems,
    };
    let parsed = checker.problems.is_empty();
    let script = checker.script(&tree.statements, source, parsed);
    let mut problems = checker.problems;
    problems.sort_by_key(|problem| problem.diagnostic().start());
    let error = problems.iter().any(|problem| !matches!(problem, Problem::Unused { .. }));
    Checked { script: if error { None } else { script }, problems }
}

/// Checks the bytes of a file.
pub fn check_bytes(bytes: &[u8], options: Options) -> Checked {
    match std::str::from_utf8(bytes) {
        Ok(source) => check(source, options),
        Err(error) => Checked { script: None, problems: vec![Problem::NotText { at: error.valid_up_to() }] },
    }
}

/// Where an operand stands.
enum Place {
    /// Among the arguments.
    Argument(Span),
    /// Before a pipeline's stage.
    Input(Span),
}

/// A name that a `let` binds.
struct Binding {
    name: String,
    span: Span,
    /// `None` when its value has an error.
    value: Option<Expr>,
    used: bool,
}

struct Checker {
    unit: Option<UnitKind>,
    bindings: Vec<Binding>,
    /// Names whose bindings did not parse.
    broken: Vec<String>,
    in_metric: bool,
    /// How many operators the bindings that were used so far add up to.
    written_out: usize,
    problems: Vec<Problem>,
}

impl Checker {
    fn report<T>(&mut self, problem: Problem) -> Option<T> {
        self.problems.push(problem);
        None
    }

    /// Reports a limit that, once passed, would be reported at every further step.
    fn report_once<T>(&mut self, problem: Problem) -> Option<T> {
        let kind = std::mem::discriminant(&problem);
        if self.problems.iter().all(|reported| std::mem::discriminant(reported) != kind) {
            self.problems.push(problem);
        }
        None
    }

    fn script(&mut self, statements: &[Statement], source: &str, parsed: bool) -> Option<Script> {
        let mut script = Script::default();
        let mut metric_at = None;
        let mut unit_at = None;
        for (index, statement) in statements.iter().enumerate() {
            let first = match &statement.kind {
                StatementKind::Metric { .. } => metric_at.replace(statement.span),
                StatementKind::Unit { .. } => unit_at.replace(statement.span),
                _ => None,
            };
            if let Some(first) = first {
                let what =
                    if matches!(statement.kind, StatementKind::Unit { .. }) { "unit" } else { "metric" };
                self.problems.push(Problem::Repeated { what, span: statement.span, first });
                continue;
            }
            match &statement.kind {
                StatementKind::Metric { options, score, .. } => script.metric = self.metric(options, score),
                StatementKind::Unit { name } => script.unit = self.unit_kind(name),
                StatementKind::Let { name, value } => self.bind(name, value),
                StatementKind::Value(node) => {
                    script.allocation = self.allocation(node);
                    if let Some(next) = statements.get(index + 1) {
                        self.problems.push(Problem::ValueNotLast { span: statement.span, next: next.span });
                        break;
                    }
                }
            }
        }
        if parsed {
            let has_value =
                statements.iter().any(|statement| matches!(statement.kind, StatementKind::Value(_)));
            match statements.last() {
                None => self.problems.push(Problem::Empty),
                Some(last) if !has_value && metric_at.is_none() => {
                    let at = Span::new(last.span.end.min(source.len()), last.span.end.min(source.len()));
                    let last_binding = self.bindings.last_mut().map(|binding| {
                        binding.used = true;
                        binding.name.clone()
                    });
                    self.problems.push(Problem::NoValue { at, last_binding });
                }
                Some(_) => {}
            }
            let unused = self.bindings.iter().filter(|binding| !binding.used);
            let unused: Vec<Problem> = unused
                .map(|binding| Problem::Unused { name: binding.name.clone(), span: binding.span })
                .collect();
            self.problems.extend(unused);
        }
        Some(script)
    }

    fn unit_kind(&mut self, name: &Name) -> Option<UnitKind> {
        let found = UnitKind::ALL.into_iter().find(|unit| unit.name() == name.text);
        match found {
            Some(unit) => Some(unit),
            None => self.report(Problem::UnknownUnit { name: name.text.clone(), span: name.span }),
        }
    }

    fn metric(&mut self, options: &[Argument], score: &Node) -> Option<Metric> {
        let mut per = Group::default();
        let mut given: Option<Span> = None;
        for option in options {
            let Some(name) = &option.name else {
                let problem = Problem::Syntax {
                    span: option.span,
                    found: String::new(),
                    expected: vec!["`per = ...`"],
                };
                self.problems.push(problem);
                continue;
            };
            if name.text != "per" {
                let similar = similar(&name.text, ["per"].into_iter());
                let problem =
                    Problem::UnknownParameter { op: None, name: name.text.clone(), span: name.span, similar };
                self.problems.push(problem);
                continue;
            }
            if let Some(first) = given.replace(name.span) {
                let problem = Problem::RepeatedParameter { name: name.text.clone(), span: name.span, first };
                self.problems.push(problem);
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
                        found: "something else".to_owned(),
                    };
                    self.problems.push(problem);
                }
            }
        }
        self.in_metric = true;
        let expr = self.expr(score);
        self.in_metric = false;
        let expr = expr?;
        if expr.of_type() != Type::Matrix {
            return self.report(Problem::MetricNotMatrix { found: expr.of_type(), span: score.span });
        }
        Some(Metric { per, score: expr })
    }

    fn bind(&mut self, name: &Name, value: &Node) {
        let first =
            self.bindings.iter().find(|binding| binding.name == name.text).map(|binding| binding.span);
        if first.is_some() || Op::find(&name.text).is_some() {
            self.problems.push(Problem::Shadowed { name: name.text.clone(), span: name.span, first });
            return;
        }
        if let Some(span) = mention(value, &name.text) {
            let problem = Problem::Recursive { name: name.text.clone(), span, binding: name.span };
            self.problems.push(problem);
            self.bindings.push(Binding { name: name.text.clone(), span: name.span, value: None, used: true });
            return;
        }
        let value = self.expr(value);
        self.bindings.push(Binding { name: name.text.clone(), span: name.span, value, used: false });
    }

    fn allocation(&mut self, node: &Node) -> Option<Expr> {
        if let NodeKind::Hole = node.kind {
            let problem =
                hole::value(node.span, &[Type::Sparsity], "an allocation: a Sparsity", &self.in_scope());
            return self.report(problem);
        }
        let expr = self.expr(node)?;
        match expr.of_type() {
            Type::Sparsity => Some(expr),
            found => self.report(Problem::NotAnAllocation { found, span: node.span }),
        }
    }

    fn in_scope(&self) -> Vec<(String, Type)> {
        self.bindings
            .iter()
            .filter_map(|binding| Some((binding.name.clone(), binding.value.as_ref()?.of_type())))
            .collect()
    }

    /// Returns the typed expression, or `None` when something in it is wrong and reported.
    fn expr(&mut self, node: &Node) -> Option<Expr> {
        match &node.kind {
            NodeKind::Number(value) => Some(Expr::number(*value).at(node.span)),
            NodeKind::Hole => {
                let every = [Type::Number, Type::Layer, Type::Input, Type::Output, Type::Matrix];
                let problem = hole::value(node.span, &every, "a value", &self.in_scope());
                self.report(problem)
            }
            NodeKind::Name(name) => self.name(name, node.span),
            NodeKind::Group(inner) => self.expr(inner),
            NodeKind::Negate { sign, value } => {
                if let NodeKind::Number(number) = value.kind {
                    return Some(Expr::number(-number).at(node.span));
                }
                let operand = self.expr(value);
                let place = |_| Place::Argument(value.span);
                self.build(Op::Negate, vec![operand?], Vec::new(), *sign, node.span, place)
            }
            NodeKind::Infix { op, symbol, left, right } => {
                let operands = [self.expr(left), self.expr(right)];
                let place = |index| Place::Argument(if index == 0 { left.span } else { right.span });
                let operands = operands.into_iter().collect::<Option<_>>()?;
                self.build(*op, operands, Vec::new(), *symbol, node.span, place)
            }
            NodeKind::Call { name, arguments } => self.call(name, None, Some(arguments), node.span),
            NodeKind::Pipeline { first, stages } => {
                let mut value = self.expr(first);
                let mut span = first.span;
                for stage in stages {
                    value = self.stage(stage, value, span);
                    span = span.to(stage.span);
                }
                value
            }
        }
    }

    fn stage(&mut self, stage: &Stage, input: Option<Expr>, input_span: Span) -> Option<Expr> {
        match &stage.kind {
            StageKind::Hole => {
                let input = input?.of_type();
                self.report(hole::stage(stage.span, input))
            }
            StageKind::Operator { name, arguments } => {
                let is_value = self.bindings.iter().any(|binding| binding.name == name.text)
                    || Op::find(&name.text).is_some_and(|op| matches!(op.info().class, Class::Terminal(_)));
                if is_value {
                    if let Some(binding) = self.bindings.iter_mut().find(|binding| binding.name == name.text)
                    {
                        binding.used = true;
                    }
                    return self.report(Problem::StageIsValue { name: name.text.clone(), span: name.span });
                }
                let whole = input_span.to(stage.span);
                let piped = arguments::Piped { value: input, span: input_span };
                self.call(name, Some(piped), arguments.as_deref(), whole)
            }
        }
    }

    fn name(&mut self, name: &str, span: Span) -> Option<Expr> {
        if let Some(binding) = self.bindings.iter_mut().find(|binding| binding.name == name) {
            binding.used = true;
            let value = binding.value.as_ref()?;
            self.written_out += value.size();
            if self.written_out > syntax::MAX_SIZE {
                return self.report_once(Problem::TooLarge { span });
            }
            let value = value.clone();
            if self.in_metric && value.uses(Op::Score) {
                return self.report(Problem::ScoreInMetric { span });
            }
            return Some(value);
        }
        if self.broken.iter().any(|broken| broken == name) {
            return None;
        }
        let Some(op) = Op::find(name) else {
            let values = super::ops::CATALOGUE.iter().map(|row| row.name);
            let bindings: Vec<String> = self.bindings.iter().map(|binding| binding.name.clone()).collect();
            let similar = similar(name, bindings.iter().map(String::as_str).chain(values));
            return self.report(Problem::UnknownName { name: name.to_owned(), span, similar });
        };
        match op.info().class {
            Class::Terminal(_) => {}
            _ => return self.report(Problem::OperatorAsValue { op, span }),
        }
        if self.in_metric && op == Op::Score {
            return self.report(Problem::ScoreInMetric { span });
        }
        if matches!(op, Op::FanIn | Op::FanOut) && self.unit != Some(UnitKind::Projection) {
            return self.report(Problem::NeedsProjection { op, span, unit: self.unit });
        }
        self.build(op, Vec::new(), Vec::new(), span, span, |_| Place::Argument(span))
    }

    /// Builds a call whose arguments are all there, and reports an operand whose type does not fit.
    ///
    /// `place` says where the operand of an index is to be labelled.
    fn build(
        &mut self,
        op: Op,
        operands: Vec<Expr>,
        parameters: Vec<Setting>,
        name: Span,
        span: Span,
        place: impl Fn(usize) -> Place,
    ) -> Option<Expr> {
        let found: Vec<(Type, Option<Op>)> =
            operands.iter().map(|operand| (operand.of_type(), operand.op())).collect();
        let over = parameters.iter().find_map(|setting| match setting {
            Setting::Word(word) if op.info().class == Class::Reduction => Some(*word),
            _ => None,
        });
        match Expr::call(op, operands, parameters) {
            Ok(expr) if expr.depth() > syntax::MAX_DEPTH => self.report_once(Problem::TooDeep { span }),
            Ok(expr) => Some(expr.at(span)),
            Err(BuildError::OperandType { index, .. }) => {
                let (found, inner) = found[index];
                let problem = match (found, inner, place(index)) {
                    (Type::Sparsity, Some(inner), Place::Argument(at) | Place::Input(at)) => {
                        Problem::AllocationInside { op: inner, span: at, consumer: name }
                    }
                    (_, _, Place::Input(input)) => {
                        Problem::WrongStage { op, found, stage: name, input, over }
                    }
                    (_, _, Place::Argument(span)) => {
                        Problem::WrongType { op, operand: index, found, span, name, over }
                    }
                };
                self.report(problem)
            }
            Err(_) => None,
        }
    }

    /// Returns the constant that an expression stands for.
    fn constant(expr: &Expr) -> Option<f64> {
        match expr.of_type() {
            Type::Number => canonical::constant(expr),
            _ => None,
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

/// Returns the names most like `name`, at most three.
pub fn similar<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
    let name = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by_key(|(_, candidate)| *candidate);
    scored.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}
