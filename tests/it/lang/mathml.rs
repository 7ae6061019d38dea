//! Formulas as MathML: every notation of the catalogue converts, and other LaTeX is refused.

use std::fmt::Write as _;

use crate::support::markup::balance;
use allot::lang::check::{CheckOptions, check};
use allot::lang::latex;
use allot::lang::mathml::mathml;
use allot::lang::ops::{CATALOGUE, Class, Op, ParameterValue};
use allot::lang::program::{Expr, Script};
use allot::lang::published::PUBLISHED;
use allot::lang::types::{Type, UnitKind};

fn read(source: &str) -> Script {
    let options = CheckOptions { unit: Some(UnitKind::Projection) };
    check(source, options).script.unwrap_or_else(|| panic!("{source} has an error"))
}

/// Returns the formulas of a row of the catalogue with the smallest operands that fit, one for each word of a parameter.
fn smallest(op: Op) -> Vec<Expr> {
    let row = op.info();
    let leaf = |shape: Type| {
        let leaf = match shape {
            Type::Matrix => Op::Score,
            Type::Input => Op::InputNorm,
            _ => Op::Depth,
        };
        Expr::apply(leaf, Vec::new()).expect("a terminal takes nothing")
    };
    let shape = match row.class {
        Class::Allocator(Some(shape)) => shape,
        _ => op
            .accepts()
            .iter()
            .copied()
            .find(|it| *it == Type::Matrix || *it == Type::Layer)
            .unwrap_or(Type::Layer),
    };
    let operands: Vec<Expr> = row.operands.iter().map(|_| leaf(shape)).collect();
    let mut parameters = vec![Vec::new()];
    for parameter in row.parameters {
        let settings = match parameter.domain {
            allot::lang::ops::Domain::Word(words) => {
                words.iter().map(|word| ParameterValue::Word(word)).collect()
            }
            _ => vec![parameter.default.unwrap_or(ParameterValue::Number(0.5))],
        };
        parameters = parameters
            .into_iter()
            .flat_map(|known: Vec<ParameterValue>| {
                settings
                    .iter()
                    .map(move |setting| [known.clone(), vec![*setting]].concat())
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    let fits = |parameters| Expr::call(op, operands.clone(), parameters).ok();
    parameters.into_iter().filter_map(fits).collect()
}

#[test]
fn every_row_of_the_catalogue_converts_to_mathml() {
    for row in CATALOGUE {
        let formulas = smallest(row.op);
        assert!(!formulas.is_empty(), "{}: no operands fit", row.name);
        for formula in formulas {
            let latex = latex::expr(&formula);
            let markup = mathml(&latex).unwrap_or_else(|| panic!("{}: {latex} is not understood", row.name));
            balance(&markup).unwrap_or_else(|problem| panic!("{}: {problem} in {markup}", row.name));
        }
    }
}

#[test]
fn published_allocations_as_mathml() {
    let mut all = String::new();
    for script in PUBLISHED {
        let _ = writeln!(all, "---- {}", script.name);
        for (left, right) in latex::equations(&read(script.source), usize::MAX) {
            let markup = mathml(&format!("{left} = {right}")).expect("a published formula has a form");
            let _ = writeln!(all, "{markup}");
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn latex_beyond_the_catalogue_is_refused() {
    for latex in
        ["\\int x", "{x", "x}", "(x", "x)", "\\left(x", "\\frac{1}", "^2", "\\begin{array}x\\end{array}", "%"]
    {
        assert_eq!(mathml(latex), None, "{latex}");
    }
    assert!(mathml("\\operatorname{<b>}").is_some_and(|markup| !markup.contains("<b>")));
}
