//! Finds where two scripts differ: their units, their metrics, and the smallest differing parts of their formulas.

use super::canonical;
use super::print;
use super::program::{Expr, Metric, Script};
use super::types::Group;

/// The part of a script in which something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The allocation unit.
    Unit,
    /// How weights are scored.
    Metric,
    /// The allocation.
    Allocation,
}

/// One place at which two scripts differ.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Difference {
    /// The part of the scripts.
    pub part: Part,
    /// The first script's text there.
    pub first: String,
    /// The second script's text there.
    pub second: String,
}

/// Returns where two scripts differ in their units (by default blocks), their metrics and their allocations.
pub fn scripts(first: &Script, second: &Script) -> Vec<Difference> {
    let mut found = Vec::new();
    let units = [first.unit, second.unit].map(Option::unwrap_or_default);
    if units[0] != units[1] {
        let [first, second] = units.map(|unit| format!("unit {unit}"));
        found.push(Difference { part: Part::Unit, first, second });
    }
    let metrics = [&first.metric, &second.metric].map(Option::as_ref);
    if metrics[0].map(normal) != metrics[1].map(normal) {
        let [first, second] = metrics.map(|metric| match metric {
            None => "(no metric)".to_owned(),
            Some(Metric { per, score }) => format!("metric(per = {per}) {}", print::expr(score)),
        });
        found.push(Difference { part: Part::Metric, first, second });
    }
    match (&first.allocation, &second.allocation) {
        (Some(first), Some(second)) => found.extend(differences(first, second)),
        (None, None) => {}
        (first, second) => {
            let text = |it: &Option<Expr>| it.as_ref().map_or("(no allocation)".to_owned(), print::expr);
            found.push(Difference { part: Part::Allocation, first: text(first), second: text(second) });
        }
    }
    found
}

/// Returns what identifies a metric: the group in which it compares weights, and its normal form.
fn normal(metric: &Metric) -> (Group, Expr) {
    (metric.per, canonical::expr(&metric.score))
}

/// Returns where two formulas differ in their normal forms, from left to right; nothing when they are the same formula.
///
/// Two calls of the same operator are compared parameter by parameter and operand by operand; any other pair is one difference.
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
        // Different parameters are a difference of the call without its operands.
        if first.parameters() != second.parameters() {
            found.push(Difference { part: Part::Allocation, first: head(first), second: head(second) });
        }
        for (first, second) in first.operands().iter().zip(second.operands()) {
            collect(first, second, found);
        }
        return;
    }
    let [first, second] = [first, second].map(print::expr);
    found.push(Difference { part: Part::Allocation, first, second });
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
    fn units_and_metrics_are_parts_of_a_script() {
        let read = |text: &str| check(text, CheckOptions::default()).script.expect("it checks");
        let plain = read("mean(score) |> scale");
        for (text, part) in [
            ("unit projection\nmean(score) |> scale", Part::Unit),
            ("unit row\nmean(score) |> scale", Part::Unit),
            ("metric abs(weight)\nmean(score) |> scale", Part::Metric),
            ("std(score) |> scale", Part::Allocation),
        ] {
            let parts: Vec<Part> = scripts(&plain, &read(text)).iter().map(|it| it.part).collect();
            assert_eq!(parts, [part], "{text}");
        }
        // A block is the default unit, and the order of factors does not matter.
        assert_eq!(scripts(&plain, &read("unit block\nmean(score) |> scale")), []);
        let metrics = [
            "metric abs(weight) * input_norm",
            "metric input_norm * abs(weight)",
            "metric(per = matrix) abs(weight) * input_norm",
        ];
        let [one, same, other] = metrics.map(|it| read(&format!("{it}\nuniform()")));
        assert_eq!(scripts(&one, &same), []);
        assert_eq!(scripts(&one, &other).len(), 1);
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
