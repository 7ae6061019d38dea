//! Calls: which argument is which operand or parameter.

use super::{Checker, Place, hole, similar};
use crate::lang::ops::{CATALOGUE, Domain, Notation, Op, Parameter, Setting};
use crate::lang::problem::Problem;
use crate::lang::program::Expr;
use crate::lang::span::Span;
use crate::lang::syntax::{Argument, Name, NodeKind};

/// What a pipeline brings in as the first operand.
pub(super) struct Piped {
    /// Its value; `None` when it has an error.
    pub(super) value: Option<Expr>,
    /// Where it stands.
    pub(super) span: Span,
}

impl Checker {
    /// Checks `name(arguments)`, with a first operand that a pipeline brings in.
    pub(super) fn call(
        &mut self,
        name: &Name,
        piped: Option<Piped>,
        arguments: Option<&[Argument]>,
        span: Span,
    ) -> Option<Expr> {
        let op = self.operator(name)?;
        let row = op.info();
        let from_pipe = usize::from(piped.is_some());
        let arguments = arguments.unwrap_or_default();

        let mut operands: Vec<Option<Expr>> = Vec::new();
        let mut settings: Vec<Option<(Option<Setting>, Span)>> = vec![None; row.parameters.len()];
        let mut named: Option<Span> = None;
        let mut complete = true;
        let input = piped.as_ref().map(|piped| piped.span);
        if let Some(piped) = piped {
            if row.operands.is_empty() {
                let problem = Problem::TooManyArguments {
                    op,
                    span: name.span,
                    piped: true,
                    given: arguments.len() + 1,
                };
                return self.report(problem);
            }
            complete &= piped.value.is_some();
            operands.push(piped.value);
        }
        let mut next_parameter = 0;
        for argument in arguments {
            if let Some(given) = &argument.name {
                named = Some(given.span);
                complete &= self.named(op, given, argument, &mut settings).is_some();
                continue;
            }
            if named.is_some() {
                let problem = Problem::PositionalAfterNamed { op, span: argument.span };
                self.problems.push(problem);
                complete = false;
                continue;
            }
            if operands.len() < row.operands.len() {
                let operand = self.operand(op, operands.len(), argument);
                complete &= operand.is_some();
                operands.push(operand);
            } else if let Some(parameter) = row.parameters.get(next_parameter) {
                let setting = self.setting(op, parameter, argument);
                complete &= setting.is_some();
                settings[next_parameter] = Some((setting, argument.span));
                next_parameter += 1;
            } else {
                let given = arguments.len() + from_pipe;
                let problem =
                    Problem::TooManyArguments { op, span: argument.span, piped: from_pipe > 0, given };
                return self.report(problem);
            }
        }
        if let Some(operand) = row.operands.get(operands.len()) {
            let span = if arguments.is_empty() && from_pipe == 0 { span } else { name.span };
            return self.report(Problem::MissingOperand { op, operand, span });
        }
        let mut parameters = Vec::with_capacity(row.parameters.len());
        for (parameter, setting) in row.parameters.iter().zip(settings) {
            match (setting, parameter.default) {
                (Some((Some(setting), _)), _) => parameters.push(setting),
                (Some((None, _)), _) => complete = false,
                (None, Some(default)) => parameters.push(default),
                (None, None) => {
                    let problem =
                        Problem::MissingParameter { op, parameter: parameter.name, span: name.span };
                    return self.report(problem);
                }
            }
        }
        if !complete {
            return None;
        }
        if op == Op::Clip
            && let [Setting::Number(low), Setting::Number(high)] = parameters[..]
            && low > high
        {
            return self.report(Problem::BoundsReversed { op, span });
        }
        let operands: Vec<Expr> = operands.into_iter().collect::<Option<_>>()?;
        self.build(op, operands, parameters, name.span, span, |index| {
            match (input, index.checked_sub(from_pipe)) {
                (Some(input), None) => Place::Input(input),
                (_, place) => {
                    let argument = place.and_then(|place| arguments.get(place));
                    Place::Argument(argument.map_or(span, |argument| argument.value.span))
                }
            }
        })
    }

    /// Returns the operator that a call names.
    fn operator(&mut self, name: &Name) -> Option<Op> {
        let bound = self.bindings.iter_mut().find(|binding| binding.name == name.text);
        if let Some(binding) = bound {
            binding.used = true;
            return self.report(Problem::NotCallable {
                name: name.text.clone(),
                span: name.span,
                terminal: false,
            });
        }
        if self.broken.contains(&name.text) {
            return None;
        }
        match Op::find(&name.text) {
            Some(op) if op.info().notation == Notation::Name => {
                self.report(Problem::NotCallable { name: name.text.clone(), span: name.span, terminal: true })
            }
            Some(op) => Some(op),
            None => {
                let operators = CATALOGUE.iter().filter(|row| row.notation != Notation::Name);
                let similar = similar(&name.text, operators.map(|row| row.name));
                self.report(Problem::UnknownOperator { name: name.text.clone(), span: name.span, similar })
            }
        }
    }

    fn operand(&mut self, op: Op, index: usize, argument: &Argument) -> Option<Expr> {
        if let NodeKind::Hole = argument.value.kind {
            let wanted = format!("operand `{}` of `{}`", op.info().operands[index], op.name());
            let problem = hole::value(argument.value.span, op.accepts(), &wanted, &self.in_scope());
            return self.report(problem);
        }
        self.expr(&argument.value)
    }

    fn named(
        &mut self,
        op: Op,
        given: &Name,
        argument: &Argument,
        settings: &mut [Option<(Option<Setting>, Span)>],
    ) -> Option<()> {
        let row = op.info();
        let Some(place) = row.parameters.iter().position(|parameter| parameter.name == given.text) else {
            if row.operands.contains(&given.text.as_str()) {
                return self.report(Problem::NamedOperand { op, name: given.text.clone(), span: given.span });
            }
            let similar = similar(&given.text, row.parameters.iter().map(|parameter| parameter.name));
            let name = given.text.clone();
            return self.report(Problem::UnknownParameter { op: Some(op), name, span: given.span, similar });
        };
        if let Some((_, first)) = settings[place] {
            let name = given.text.clone();
            return self.report(Problem::RepeatedParameter { name, span: argument.span, first });
        }
        let setting = self.setting(op, &row.parameters[place], argument);
        settings[place] = Some((setting, argument.span));
        setting.map(|_| ())
    }

    fn setting(&mut self, op: Op, parameter: &'static Parameter, argument: &Argument) -> Option<Setting> {
        let span = argument.value.span;
        let outside = |found: String| Problem::OutOfDomain {
            op: Some(op),
            parameter: parameter.name,
            domain: parameter.domain,
            span,
            found,
        };
        if let NodeKind::Hole = argument.value.kind {
            let wanted = format!("`{}` of `{}`: {}", parameter.name, op.name(), parameter.domain);
            return self.report(Problem::Hole { span, wanted, fits: vec![parameter.summary.to_owned()] });
        }
        if let Domain::Word(words) = parameter.domain {
            let word = match &argument.value.kind {
                NodeKind::Name(given) => words.iter().find(|word| *word == given),
                _ => None,
            };
            return match word {
                Some(word) => Some(Setting::Word(word)),
                None => self.report(outside("something else".to_owned())),
            };
        }
        let expr = self.expr(&argument.value)?;
        let Some(value) = Self::constant(&expr) else {
            return self.report(Problem::NotConstant {
                op,
                parameter: parameter.name,
                span,
                found: expr.of_type(),
            });
        };
        let setting = Setting::Number(value);
        if parameter.domain.holds(setting) {
            Some(setting)
        } else {
            self.report(outside(setting.to_string()))
        }
    }
}
