//! Typed holes: what fits where a script says `?`.

use crate::lang::ops::{CATALOGUE, Class, Notation, Operator};
use crate::lang::problem::Problem;
use crate::lang::span::Span;
use crate::lang::types::Type;

/// Returns what to say of a hole that stands for a value of one of some types.
pub(super) fn value(span: Span, types: &[Type], wanted: &str, bindings: &[(String, Type)]) -> Problem {
    let mut fits = Vec::new();
    let mut names: Vec<&str> = bindings
        .iter()
        .filter(|(_, of_type)| types.contains(of_type))
        .map(|(name, _)| name.as_str())
        .collect();
    let offered = || CATALOGUE.iter().filter(|row| row.full);
    names.extend(
        offered()
            .filter(|row| matches!(row.class, Class::Terminal(of_type) if types.contains(&of_type)))
            .map(|row| row.name),
    );
    push(&mut fits, "values", &names);
    for (heading, class) in [
        ("reductions", Class::Reduction),
        ("matrix reductions", Class::MatrixReduction),
        ("layer operators", Class::Layerwise),
    ] {
        if types.contains(&Type::Layer) {
            let names: Vec<&str> = offered().filter(|row| row.class == class).map(|row| row.name).collect();
            push(&mut fits, heading, &names);
        }
    }
    if types.iter().any(|of_type| *of_type != Type::Sparsity) {
        for (heading, class) in [("normalisers", Class::Normaliser), ("elementwise", Class::Elementwise)] {
            let names: Vec<&str> = offered().filter(|row| row.class == class).map(written).collect();
            push(&mut fits, heading, &names);
        }
    }
    if types.contains(&Type::Sparsity) {
        let names: Vec<&str> =
            offered().filter(|row| matches!(row.class, Class::Allocator(_))).map(|row| row.name).collect();
        push(&mut fits, "allocators", &names);
    }
    let accepted: Vec<&str> = types.iter().map(|of_type| of_type.name()).collect();
    let wanted = match types {
        [Type::Sparsity] => wanted.to_owned(),
        _ => format!("{wanted}: {}", accepted.join(" or ")),
    };
    Problem::Hole { span, wanted, fits }
}

/// Returns what to say of a hole that stands for a stage, given the type of what comes in.
pub(super) fn stage(span: Span, input: Type) -> Problem {
    let mut fits = Vec::new();
    let mut classes: Vec<Class> = Vec::new();
    for row in CATALOGUE.iter().filter(|row| row.full) {
        let class = match row.class {
            Class::Allocator(_) => Class::Allocator(None),
            class => class,
        };
        if row.op.accepts().contains(&input) && !classes.contains(&class) {
            classes.push(class);
        }
    }
    for class in classes {
        let rows = CATALOGUE.iter().filter(|row| row.full && row.op.accepts().contains(&input));
        let names: Vec<&str> = rows
            .filter(|row| match (row.class, class) {
                (Class::Allocator(_), Class::Allocator(_)) => true,
                (a, b) => a == b,
            })
            .map(|row| row.name)
            .collect();
        push(&mut fits, &class.heading().to_lowercase(), &names);
    }
    Problem::Hole { span, wanted: format!("a {input} comes in: {}", input.one_for_each()), fits }
}

fn written(row: &Operator) -> &'static str {
    match row.notation {
        Notation::Infix { symbol, .. } => symbol,
        _ => row.name,
    }
}

fn push(fits: &mut Vec<String>, heading: &str, names: &[&str]) {
    if !names.is_empty() {
        fits.push(format!("{heading}: {}", names.join(" ")));
    }
}
