//! Checks calls: which argument is which operand or parameter.

use super::checker::{Checker, OperandPlace, Piped, not_a_word};
use super::similar::similar;
use crate::canonical;
use crate::ops::{CATALOGUE, Domain, Need, Notation, Op, Parameter, ParameterValue};
use crate::problem::{Problem, ValuePlace, Wanted};
use crate::program::Expr;
use crate::span::Span;
use crate::syntax::{Argument, Name, NodeKind};
use crate::types::Type;

/// A call as it is written.
struct Call<'a> {
    op: Op,
    /// The span of its name, and that of the whole call.
    name: Span,
    span: Span,
    /// The span of the piped value.
    input: Option<Span>,
    arguments: &'a [Argument],
}

/// The operands and parameters that a call's arguments have set so far.
struct Given {
    operands: Vec<Option<Expr>>,
    /// For each parameter, the argument that sets it.
    parameters: Vec<Option<Set>>,
    /// The parameter that the next argument without a name sets.
    next_parameter: usize,
    named: bool,
    /// Whether every argument so far has a value.
    complete: bool,
    /// Whether an argument has no place: an operand that seems to be missing may be this one.
    misplaced: bool,
}

/// An argument that sets a parameter.
#[derive(Clone, Copy)]
struct Set {
    /// The value; `None` when it has an error.
    value: Option<ParameterValue>,
    span: Span,
}

impl Call<'_> {
    /// Returns the number of piped operands: 0 or 1.
    fn piped(&self) -> usize {
        usize::from(self.input.is_some())
    }

    /// Returns where the operand at an index stands.
    fn place(&self, index: usize) -> OperandPlace {
        match (self.input, index.checked_sub(self.piped())) {
            (Some(input), None) => OperandPlace::Input(input),
            (_, place) => {
                let argument = place.and_then(|place| self.arguments.get(place));
                OperandPlace::Argument(argument.map_or(self.span, |argument| argument.value.span))
            }
        }
    }
}

impl Checker {
    /// Checks `name(arguments)`, with the piped value, if any, as its first operand.
    pub(super) fn call(
        &mut self,
        name: &Name,
        piped: Option<Piped>,
        arguments: Option<&[Argument]>,
        span: Span,
    ) -> Option<Expr> {
        let op = self.operator(name)?;
        let arguments = arguments.unwrap_or_default();
        let call =
            Call { op, name: name.span, span, input: piped.as_ref().map(|piped| piped.span), arguments };
        let mut given = Given {
            operands: Vec::new(),
            parameters: vec![None; op.info().parameters.len()],
            next_parameter: 0,
            named: false,
            complete: true,
            misplaced: false,
        };
        if let Some(piped) = piped {
            if op.info().operands.is_empty() {
                let given = arguments.len() + 1;
                return self.report(Problem::TooManyArguments { op, span: name.span, piped: true, given });
            }
            given.complete &= piped.value.is_some();
            given.operands.push(piped.value);
        }
        for argument in arguments {
            self.argument(&call, argument, &mut given)?;
        }
        if given.misplaced { None } else { self.called(&call, given) }
    }

    /// Finds the place of an argument; `None` when there are too many, so that the rest need not be checked.
    fn argument(&mut self, call: &Call<'_>, argument: &Argument, given: &mut Given) -> Option<()> {
        let row = call.op.info();
        if let Some(name) = &argument.name {
            given.named = true;
            self.named(call.op, name, argument, given);
        } else if given.named {
            self.problems.push(Problem::PositionalAfterNamed { op: call.op, span: argument.span });
            self.expr(&argument.value);
            given.misplaced = true;
        } else if given.operands.len() < row.operands.len() {
            let operand = self.operand(call.op, given.operands.len(), argument);
            given.complete &= operand.is_some();
            given.operands.push(operand);
        } else if let Some(parameter) = row.parameters.get(given.next_parameter) {
            let value = self.parameter(call.op, parameter, argument);
            given.complete &= value.is_some();
            given.parameters[given.next_parameter] = Some(Set { value, span: argument.span });
            given.next_parameter += 1;
        } else {
            let piped = call.input.is_some();
            let given = call.arguments.len() + call.piped();
            let problem = Problem::TooManyArguments { op: call.op, span: argument.span, piped, given };
            return self.report(problem);
        }
        Some(())
    }

    /// Returns the call, once all of its arguments have their places.
    fn called(&mut self, call: &Call<'_>, given: Given) -> Option<Expr> {
        let op = call.op;
        let row = op.info();
        if let Some(operand) = row.operands.get(given.operands.len()) {
            let alone = call.arguments.is_empty() && call.input.is_none();
            let span = if alone { call.span } else { call.name };
            return self.report(Problem::MissingOperand { op, operand, span });
        }
        let mut complete = given.complete;
        let mut parameters = Vec::with_capacity(row.parameters.len());
        for (parameter, set) in row.parameters.iter().zip(given.parameters) {
            match (set, parameter.default) {
                (Some(Set { value: Some(value), .. }), _) => parameters.push(value),
                (Some(Set { value: None, .. }), _) => complete = false,
                (None, Some(default)) => parameters.push(default),
                (None, None) => {
                    let problem =
                        Problem::MissingParameter { op, parameter: parameter.name, span: call.name };
                    return self.report(problem);
                }
            }
        }
        if !complete {
            return None;
        }
        if op.needs(Need::Ascending) && !are_ascending(&parameters) {
            let span = Span::new(call.name.start, call.span.end);
            return self.report(Problem::BoundsReversed { op, span });
        }
        let operands: Vec<Expr> = given.operands.into_iter().collect::<Option<_>>()?;
        self.build(op, operands, parameters, call.name, call.span, |index| call.place(index))
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
            return self.hole(argument.value.span, self.accepted(op), ValuePlace::Operand { op, operand });
        }
        self.expr(&argument.value)
    }

    /// Sets the parameter that an argument names.
    fn named(&mut self, op: Op, name: &Name, argument: &Argument, given: &mut Given) {
        let row = op.info();
        let place = row.parameters.iter().position(|parameter| parameter.name == name.text);
        let text = name.text.clone();
        let Some(place) = place else {
            let problem = if row.operands.contains(&name.text.as_str()) {
                Problem::NamedOperand { op, name: text, span: name.span }
            } else {
                let similar = similar(&text, row.parameters.iter().map(|parameter| parameter.name));
                Problem::UnknownParameter { op: Some(op), name: text, span: name.span, similar }
            };
            self.problems.push(problem);
            given.misplaced = true;
            return;
        };
        if let Some(Set { span: first, .. }) = given.parameters[place] {
            self.problems.push(Problem::RepeatedParameter { name: text, span: argument.span, first });
            given.complete = false;
            return;
        }
        let value = self.parameter(op, &row.parameters[place], argument);
        given.complete &= value.is_some();
        given.parameters[place] = Some(Set { value, span: argument.span });
    }

    /// Returns the value that an argument gives a parameter.
    fn parameter(
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
            let wanted = Wanted::Parameter { op, parameter: parameter.name };
            return self.report(Problem::Hole { span, wanted, fits: Vec::new() });
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

/// Returns whether the numbers among parameters are in ascending order.
fn are_ascending(parameters: &[ParameterValue]) -> bool {
    let numbers: Vec<f64> = parameters.iter().filter_map(|parameter| parameter.number()).collect();
    numbers.is_sorted()
}
