//! Words for typed holes: what each stands for, and one line for each kind of candidates.

use super::phrases::{alternatives, written};
use crate::diagnostic::Diagnostic;
use crate::ops::{Op, Parameter};
use crate::problem::{Fit, ValuePlace, Wanted};
use crate::span::Span;
use crate::types::Type;

/// The kinds of candidates, in the order of their lines.
const KINDS: [&str; 8] = [
    "values",
    "allocators",
    "reductions",
    "matrix reductions",
    "layer operators",
    "normalisers",
    "elementwise",
    "reductions, with `over`",
];

pub(super) fn hole(span: Span, wanted: Wanted, fits: &[Fit]) -> Diagnostic {
    let mut diagnostic = Diagnostic::error("hole", "unfilled hole").label(span, label(wanted));
    if let Wanted::Parameter { op, parameter } = wanted
        && let Some(row) = row_of(op, parameter)
    {
        diagnostic = diagnostic.help(row.summary);
    }
    for kind in KINDS {
        let names: Vec<&str> =
            fits.iter().filter(|fit| kind_of(fit) == kind).map(|fit| name_of(fit, wanted)).collect();
        if !names.is_empty() {
            diagnostic = diagnostic.help(format!("{kind}: {}", names.join(" ")));
        }
    }
    diagnostic
}

fn label(wanted: Wanted) -> String {
    match wanted {
        Wanted::Value { place, types } => {
            let value = match place {
                ValuePlace::Expression => "a value".to_owned(),
                ValuePlace::Score => "a score for each weight".to_owned(),
                ValuePlace::Allocation => "an allocation".to_owned(),
                ValuePlace::Operand { op, operand } => format!("operand `{operand}` of `{op}`"),
                ValuePlace::Input(op) => format!("the input of `{op}`"),
            };
            let names: Vec<&str> = types.iter().map(|ty| ty.with_article()).collect();
            match types == Type::SHAPES {
                true => format!("{value} of any shape"),
                false => format!("{value}: {}", alternatives(&names)),
            }
        }
        Wanted::Stage { input, next } => {
            let before = next.map_or(String::new(), |next| format!(", before `{next}`"));
            format!("a stage that takes {}{before}", input.with_article())
        }
        Wanted::Parameter { op, parameter } => {
            let domain = row_of(op, parameter).map_or(String::new(), |row| format!(": {}", row.domain));
            format!("`{parameter}` of `{op}`{domain}")
        }
    }
}

fn row_of(op: Op, parameter: &str) -> Option<&'static Parameter> {
    op.info().parameters.iter().find(|row| row.name == parameter)
}

const fn kind_of(fit: &Fit) -> &'static str {
    match fit {
        Fit::Binding { .. } => "values",
        Fit::Operator { op, over } => match op {
            Op::Terminal(_) => "values",
            Op::Allocator(_) => "allocators",
            Op::Reduction(_) if *over => "reductions, with `over`",
            Op::Reduction(_) => "reductions",
            Op::MatrixReduction(_) => "matrix reductions",
            Op::Layerwise(_) => "layer operators",
            Op::Normaliser(_) => "normalisers",
            Op::Elementwise(_) => "elementwise",
        },
    }
}

fn name_of(fit: &Fit, wanted: Wanted) -> &str {
    match (fit, wanted) {
        (Fit::Binding { name, .. }, _) => name,
        // A stage is written with the operator's name.
        (Fit::Operator { op, .. }, Wanted::Stage { .. }) => op.name(),
        (Fit::Operator { op, .. }, Wanted::Value { .. } | Wanted::Parameter { .. }) => written(*op),
    }
}
