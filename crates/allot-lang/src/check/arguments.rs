//! Calls: which argument is which operand or parameter.

use super::expression::Place;
use super::{Checker, not_a_word, similar};
use crate::canonical;
use crate::ops::{CATALOGUE, Domain, Need, Notation, Op, Parameter, ParameterValue};
use crate::problem::Problem;
use crate::program::Expr;
use crate::span::Span;
use crate::syntax::{Argument, Name, NodeKind};
use crate::types::Type;

/// What a pipeline brings in as the first operand.
pub(super) struct Piped {
    /// Its value; `None` when it has an error.
    pub(super) value: Option<Expr>,
    /// Where it stands.
    pub(super) span: Span,
}

/// What became of an argument with a name.
enum Named {
    /// It set its parameter.
    Set,
    /// Its parameter is known, but not set.
    Wrong,
    /// There is no such parameter.
    Nowhere,
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
        let mut settings: Vec<Option<(Option<ParameterValue>, Span)>> = vec![None; row.parameters.len()];
        let mut named: Option<Span> = None;
        let mut complete = true;
        // Once an argument has not found its place, what seems to be missing may be what was meant by it.
        let mut misplaced = false;
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
                match self.named(op, given, argument, &mut settings) {
                    Named::Set => {}
                    Named::Wrong => complete = false,
                    Named::Nowhere => misplaced = true,
                }
                continue;
            }
            if named.is_some() {
                let problem = Problem::PositionalAfterNamed { op, span: argument.span };
                self.problems.push(problem);
                self.expr(&argument.value);
                misplaced = true;
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
        if misplaced {
            return None;
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
        if op.needs(Need::Ascending) && !are_ascending(&parameters) {
            let span = Span::new(name.span.start, span.end);
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
        if self.scope.use_of(&name.text).is_some() {
            let problem = Problem::NotCallable { name: name.text.clone(), span: name.span, terminal: false };
            return self.report(problem);
        }
        match Op::find(&name.text) {
            Some(op) if op.info().notation == Notation::Name => {
                self.report(Problem::NotCallable { name: name.text.clone(), span: name.span, terminal: true })
            }
            Some(op) => Some(op),
            None if self.scope.is_silent(&name.text) => None,
            None => {
                let operators = CATALOGUE.iter().filter(|row| row.notation != Notation::Name);
                let similar = similar(&name.text, operators.map(|row| row.name));
                self.report(Problem::UnknownOperator { name: name.text.clone(), span: name.span, similar })
            }
        }
    }

    fn operand(&mut self, op: Op, index: usize, argument: &Argument) -> Option<Expr> {
        if let NodeKind::Hole = argument.value.kind {
            let operand = op.info().operands.get(index).copied().unwrap_or_default();
            let wanted = format!("operand `{operand}` of `{}`", op.name());
            return self.hole(argument.value.span, op.accepts(), &wanted);
        }
        self.expr(&argument.value)
    }

    fn named(
        &mut self,
        op: Op,
        given: &Name,
        argument: &Argument,
        settings: &mut [Option<(Option<ParameterValue>, Span)>],
    ) -> Named {
        let row = op.info();
        let place = row.parameters.iter().position(|parameter| parameter.name == given.text);
        let name = given.text.clone();
        let Some(place) = place else {
            let problem = if row.operands.contains(&given.text.as_str()) {
                Problem::NamedOperand { op, name, span: given.span }
            } else {
                let similar = similar(&name, row.parameters.iter().map(|parameter| parameter.name));
                Problem::UnknownParameter { op: Some(op), name, span: given.span, similar }
            };
            self.problems.push(problem);
            return Named::Nowhere;
        };
        if let Some((_, first)) = settings[place] {
            self.problems.push(Problem::RepeatedParameter { name, span: argument.span, first });
            return Named::Wrong;
        }
        let setting = self.setting(op, &row.parameters[place], argument);
        settings[place] = Some((setting, argument.span));
        match setting {
            Some(_) => Named::Set,
            None => Named::Wrong,
        }
    }

    fn setting(
        &mut self,
        op: Op,
        parameter: &'static Parameter,
        argument: &Argument,
    ) -> Option<ParameterValue> {
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
                Some(word) => Some(ParameterValue::Word(word)),
                None => self.report(outside(not_a_word(&argument.value))),
            };
        }
        let expr = self.expr(&argument.value)?;
        let found = expr.ty();
        if found != Type::Number || !expr.is_constant() {
            return self.report(Problem::NotConstant { op, parameter: parameter.name, span, found });
        }
        let Some(value) = canonical::constant(&expr) else {
            return self.report(Problem::NotFinite { op, parameter: parameter.name, span });
        };
        let setting = ParameterValue::Number(value);
        if parameter.domain.holds(setting) {
            Some(setting)
        } else {
            self.report(outside(setting.to_string()))
        }
    }
}

/// Returns whether no number among parameters is greater than the next.
fn are_ascending(parameters: &[ParameterValue]) -> bool {
    let numbers: Vec<f64> = parameters.iter().filter_map(|parameter| parameter.number()).collect();
    numbers.is_sorted()
}
