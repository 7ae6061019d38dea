//! Typed holes: what fits where a script says `?`.

use super::Checker;
use crate::ops::{CATALOGUE, Class, Need, Notation, Op, Operator};
use crate::problem::{Problem, alternatives};
use crate::span::Span;
use crate::types::{Type, UnitKind};

/// How many of a script's own names are listed, the last ones.
const MOST_BINDINGS: usize = 20;

/// The classes of operators, in the order in which they are offered.
const CLASSES: [(&str, Class); 6] = [
    ("allocators", Class::Allocator(None)),
    ("reductions", Class::Reduction),
    ("matrix reductions", Class::MatrixReduction),
    ("layer operators", Class::Layerwise),
    ("normalisers", Class::Normaliser),
    ("elementwise", Class::Elementwise),
];

impl Checker {
    /// Reports a hole that stands for a value of one of some types.
    pub(super) fn hole<T>(&mut self, span: Span, types: &[Type], wanted: &str) -> Option<T> {
        let mut fits = Vec::new();
        let bindings = self.scope.last(MOST_BINDINGS);
        let bindings = bindings.into_iter().filter(|(_, ty)| types.contains(ty));
        let terminals = self
            .offered()
            .filter(|row| matches!(row.class, Class::Terminal(ty) if types.contains(&ty)))
            .map(|row| row.name);
        let values = bindings.map(|(name, _)| name).chain(terminals).collect();
        push(&mut fits, "values", values);
        let results = |row: &Operator| match row.class {
            Class::Allocator(_) => types.contains(&Type::Sparsity),
            Class::Reduction | Class::MatrixReduction | Class::Layerwise => types.contains(&Type::Layer),
            Class::Normaliser => types.iter().any(|ty| row.op.accepts().contains(ty)),
            Class::Elementwise => types.iter().any(|ty| *ty != Type::Sparsity),
            Class::Terminal(_) => false,
        };
        for (heading, class) in CLASSES {
            let rows = self.offered().filter(|row| is(row, class) && results(row));
            push(&mut fits, heading, rows.map(written).collect());
        }
        let vectors = types.contains(&Type::Input) || types.contains(&Type::Output);
        if vectors && !types.contains(&Type::Layer) {
            let rows = self.offered().filter(|row| row.class == Class::Reduction);
            push(&mut fits, "reductions, with `over`", rows.map(written).collect());
        }
        let names: Vec<&str> = types.iter().map(|ty| ty.with_article()).collect();
        let wanted = match types == Type::SHAPES {
            true => format!("{wanted} of any shape"),
            false => format!("{wanted}: {}", alternatives(&names)),
        };
        self.report(Problem::Hole { span, wanted, fits })
    }

    /// Reports a hole that stands for a stage, given what comes in and the operator that takes what goes out.
    pub(super) fn hole_as_stage<T>(&mut self, span: Span, input: Type, next: Option<Op>) -> Option<T> {
        let leads_on = |row: &Operator| {
            let Some(next) = next else { return true };
            // An elementwise stage can widen what comes in.
            let widens = row.class == Class::Elementwise && row.operands.len() > 1;
            let shapes = |out: &Type| input.join(*out) == Some(*out) && next.accepts().contains(out);
            match row.op.result_type(&vec![input; row.operands.len()], None) {
                Ok(out) => next.accepts().contains(&out) || (widens && Type::SHAPES.iter().any(shapes)),
                Err(_) => false,
            }
        };
        let mut fits = Vec::new();
        for (heading, class) in CLASSES {
            let rows = self
                .offered()
                .filter(|row| is(row, class) && row.op.accepts().contains(&input) && leads_on(row));
            push(&mut fits, heading, rows.map(|row| row.name).collect());
        }
        let into = next.map_or(String::new(), |next| format!(", and `{}` follows", next.name()));
        let wanted = format!("{} comes in{into}", input.with_article());
        self.report(Problem::Hole { span, wanted, fits })
    }

    /// Returns the operators that are offered where the checker stands.
    fn offered(&self) -> impl Iterator<Item = &'static Operator> {
        let projection = self.unit == Some(UnitKind::Projection);
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

fn is(row: &Operator, class: Class) -> bool {
    matches!((row.class, class), (Class::Allocator(_), Class::Allocator(_))) || row.class == class
}

fn written(row: &Operator) -> &'static str {
    match row.notation {
        Notation::Infix { symbol, .. } => symbol,
        _ => row.name,
    }
}

fn push(fits: &mut Vec<String>, heading: &str, names: Vec<&str>) {
    if !names.is_empty() {
        fits.push(format!("{heading}: {}", names.join(" ")));
    }
}
