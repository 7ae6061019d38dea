//! Formulas as LaTeX: the published ones, and those where precedence decides where parentheses are needed.

use std::fmt::Write as _;

use allot::lang::check::{CheckOptions, check};
use allot::lang::latex;
use allot::lang::program::Script;
use allot::lang::published::PUBLISHED;
use allot::lang::types::UnitKind;

fn read(source: &str) -> Script {
    let options = CheckOptions { unit: Some(UnitKind::Projection) };
    check(source, options).script.unwrap_or_else(|| panic!("{source} has an error"))
}

#[test]
fn published_scripts_as_latex() {
    let mut all = String::new();
    for script in PUBLISHED {
        let _ = writeln!(all, "---- {}\n{}", script.name, latex::script(&read(script.source)));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn parentheses_stand_where_the_formula_needs_them() {
    let mut all = String::new();
    for source in [
        "depth + params * mlp",
        "(depth + params) * mlp",
        "depth - (params - mlp)",
        "depth - params - mlp",
        "depth - (params + -mlp)",
        "depth * -params",
        "-(depth + params)",
        "--depth",
        "-depth ^ 2",
        "(-depth) ^ 2",
        "depth ^ -2",
        "depth ^ params ^ mlp",
        "(depth ^ params) ^ mlp",
        "(depth / params) ^ 2",
        "(depth * params) ^ (mlp + 1)",
        "depth / params / mlp",
        "depth / (params / mlp)",
        "square(depth) ^ 2",
        "square(square(depth))",
        "square(-2 * depth)",
        "square(log(depth))",
        "reciprocal(depth) * params",
        "reciprocal(depth) ^ 2",
        "abs(depth - params)",
        "sqrt(depth) ^ 2",
        "depth * -3",
        "depth + -3",
        "depth * 1e-6",
        "depth * -1e21",
        "depth ^ 1e-6",
        "1e-6 ^ depth",
        "depth > params + 1",
        "(depth > params) * 2",
        "(depth > params) > mlp",
        "2 * sum(score + weight)",
        "sum(score) + sum(weight)",
        "sum(score * weight) * 3",
        "sum(score) ^ 2",
        "sum(-score)",
        "sum(score - weight) - 1",
        "max(score) / min(weight)",
        "max(score + weight) * 2",
        "max(-score)",
        "entropy(score + weight)",
        "entropy(score * weight)",
        "2 - entropy(score)",
        "2 * entropy(score)",
        "entropy(score) ^ 2",
        "diff(depth + params)",
        "diff(depth) ^ 2",
        "dsa::diagonal(score * weight)",
        "dsa::gram(score + weight)",
        "dsa::determinant(score + weight)",
        "dsa::determinant(weight) ^ 2",
        "mean(mean(score, over = inputs) * sum(weight, over = outputs))",
        "mean(sum(weight, over = inputs) ^ 2)",
        "quantile(score, 0.9)",
        "clip(depth, -2, 1e-6)",
        "smooth(depth, 5)",
        "where(depth > 0.5, params, -mlp)",
        "where(depth > 0.5, params, 1) * 2",
        "abslog(depth) ^ 2",
        "dsa::sanitize(depth + params) * mlp",
        "dsa::sanitize(-depth) ^ 2",
        "mean(weight * hessian_diag ^ 2)",
        "minimum(depth, params) - 1",
        "alpha_hill(weight, fit = mid)",
        "exp(-depth) * params",
    ] {
        let allocation = read(&format!("{source} |> scale")).allocation;
        let importance = allocation.as_ref().and_then(|allocation| allocation.operands().first());
        let _ = writeln!(all, "{source:45} {}", importance.map(latex::expr).unwrap_or_default());
    }
    insta::assert_snapshot!(all);
}

#[test]
fn long_formulas_are_written_in_parts() {
    let source = "exp(0.1 * value + (0.4 * out + minmax(std(score)) - smooth(tanh(depth - -0.2)))) |> scale";
    let whole = latex::equations(&read(source), usize::MAX);
    assert_eq!(whole.len(), 2, "an importance and an allocation: {whole:?}");
    let mut all = String::new();
    for most in [6, 8, 12] {
        let _ = writeln!(all, "---- {most}");
        for (left, right) in latex::equations(&read(source), most) {
            let _ = writeln!(all, "{left} = {right}");
        }
    }
    insta::assert_snapshot!(all);
}
