//! Typed holes: finds what fits in place of `?`.

use super::checker::Checker;
use crate::ops::{CATALOGUE, Class, Need, Op, Operator};
use crate::problem::{Fit, Problem, ValuePlace, Wanted};
use crate::span::Span;
use crate::types::{Type, UnitKind};

/// How many of the script's last bindings are listed.
const MOST_BINDINGS: usize = 20;

impl Checker {
    /// Reports a hole that stands for a value of one of some types.
    pub(super) fn hole<T>(&mut self, span: Span, types: &'static [Type], place: ValuePlace) -> Option<T> {
        let bindings = self.scope.last(MOST_BINDINGS).into_iter().filter(|(_, ty)| types.contains(ty));
        let bindings = bindings.map(|(name, ty)| Fit::Binding { name: name.to_owned(), ty });
        let results = |row: &Operator| match row.class {
            Class::Terminal(ty) => types.contains(&ty),
            Class::Allocator(_) => types.contains(&Type::Sparsity),
            Class::Reduction | Class::MatrixReduction | Class::Layerwise => types.contains(&Type::Layer),
            Class::Normaliser => types.iter().any(|ty| row.op.accepts().contains(ty)),
            Class::Elementwise => types.iter().any(|ty| *ty != Type::Sparsity),
        };
        let vectors = types.contains(&Type::Input) || types.contains(&Type::Output);
        let within_linears = vectors && !types.contains(&Type::Layer);
        let operators = self.offered().filter_map(|row| match row.class {
            Class::Reduction if within_linears => Some(Fit::Operator { op: row.op, over: true }),
            _ => results(row).then_some(Fit::Operator { op: row.op, over: false }),
        });
        let fits = bindings.chain(operators).collect();
        self.report(Problem::Hole { span, wanted: Wanted::Value { place, types }, fits })
    }

    /// Reports a hole that stands for a stage, given the type of its input and the operator of the next stage.
    pub(super) fn hole_as_stage<T>(&mut self, span: Span, input: Type, next: Option<Op>) -> Option<T> {
        let leads_on = |row: &Operator| {
            let Some(next) = next else { return true };
            // An elementwise stage can widen its input.
            let widens = row.class == Class::Elementwise && row.operands.len() > 1;
            let shapes = |out: &Type| input.join(*out) == Some(*out) && self.accepted(next).contains(out);
            match row.op.result_type(&vec![input; row.operands.len()], None) {
                Ok(out) => self.accepted(next).contains(&out) || (widens && Type::SHAPES.iter().any(shapes)),
                Err(_) => false,
            }
        };
        let fits = self
            .offered()
            .filter(|row| self.accepted(row.op).contains(&input) && leads_on(row))
            .map(|row| Fit::Operator { op: row.op, over: false })
            .collect();
        self.report(Problem::Hole { span, wanted: Wanted::Stage { input, next }, fits })
    }

    /// Returns the types that an operator takes with the script's units.
    pub(super) fn accepted(&self, op: Op) -> &'static [Type] {
        op.accepts_under(self.unit.unwrap_or_default())
    }

    /// Returns the operators that may be used at the current place of the script.
    fn offered(&self) -> impl Iterator<Item = &'static Operator> + use<> {
        let projection = self.unit.is_some_and(UnitKind::is_within_blocks);
        let in_metric = self.in_metric;
        CATALOGUE.iter().filter(move |row| {
            let fits = row.needs.iter().all(|need| match need {
                Need::Projections => projection,
                Need::Metric => !in_metric,
                Need::Ascending => true,
            });
            row.full && fits
        })
    }
}
