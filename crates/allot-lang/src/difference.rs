//! Where two formulas differ: the smallest parts that are not the same.

use super::canonical;
use super::print;
use super::program::Expr;

/// One place at which two formulas differ.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What the first has there, as text.
    pub first: String,
    /// What the second has.
    pub second: String,
}

/// Returns where two formulas differ in their normal forms, from left to right; nothing when they are one formula.
///
/// Calls of one operator are looked into, other parameters being a difference of their own; what differs otherwise is one difference
/// as a whole.
pub fn differences(first: &Expr, second: &Expr) -> Vec<Difference> {
    let mut found = Vec::new();
    collect(&canonical::expr(first), &canonical::expr(second), &mut found);
    found
}

fn collect(first: &Expr, second: &Expr, found: &mut Vec<Difference>) {
    if first == second {
        return;
    }
    let operands = first.operands().len();
    if first.op().is_some()
        && first.op() == second.op()
        && operands > 0
        && operands == second.operands().len()
    {
        // Other parameters are a difference of the call alone.
        if first.parameters() != second.parameters() {
            found.push(Difference { first: head(first), second: head(second) });
        }
        for (first, second) in first.operands().iter().zip(second.operands()) {
            collect(first, second, found);
        }
        return;
    }
    found.push(Difference { first: print::expr(first), second: print::expr(second) });
}

/// Returns a call without its operands: the operator and its parameters.
fn head(expr: &Expr) -> String {
    let Some(op) = expr.op() else { return print::expr(expr) };
    let row = op.info();
    let parameters: Vec<String> = row
        .parameters
        .iter()
        .zip(expr.parameters())
        .map(|(parameter, setting)| format!("{} = {setting}", parameter.name))
        .collect();
    format!("{}({})", row.name, parameters.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{CheckOptions, check};

    fn between(first: &str, second: &str) -> Vec<(String, String)> {
        let read = |text: &str| {
            let checked = check(text, CheckOptions::default());
            checked.script.and_then(|it| it.allocation).unwrap_or_else(|| panic!("{text} checks"))
        };
        let found = differences(&read(first), &read(second));
        found.into_iter().map(|it| (it.first, it.second)).collect()
    }

    fn pair(first: &str, second: &str) -> (String, String) {
        (first.to_owned(), second.to_owned())
    }

    #[test]
    fn one_formula_spelled_twice_does_not_differ() {
        assert_eq!(
            between(
                "mean(score) + depth |> scale(lambda = 0.1)",
                "depth + mean(score) |> scale(lambda = 0.1)"
            ),
            []
        );
    }

    #[test]
    fn the_smallest_parts_that_differ_are_named() {
        let found =
            between("log(mean(score)) |> scale(lambda = 0.1)", "log(std(score)) |> scale(lambda = 0.1)");
        assert_eq!(found, [pair("mean(score)", "std(score)")]);
        let found = between("mean(score) |> scale(lambda = 0.1)", "mean(score) |> scale(lambda = 0.2)");
        assert_eq!(found, [pair("scale(lambda = 0.1)", "scale(lambda = 0.2)")]);
        let found = between("mean(score) |> scale(lambda = 0.1)", "std(score) |> scale(lambda = 0.2)");
        assert_eq!(
            found,
            [pair("scale(lambda = 0.1)", "scale(lambda = 0.2)"), pair("mean(score)", "std(score)")]
        );
        assert_eq!(between("uniform()", "ramp(beta = 0.01)"), [pair("uniform()", "ramp(beta = 0.01)")]);
    }
}
