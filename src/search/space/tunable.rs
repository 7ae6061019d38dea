//! The constants of a formula that can change without reading a weight again.

use super::tidy::tidy;
use crate::lang::ops::{Class, Domain, ParameterValue};
use crate::lang::program::{Expr, Script};
use crate::lang::types::Type;

/// Returns the constants and parameters of a formula that are not below a reduction, in the order of its
/// text. Their values do not change any reduction.
pub fn tunable_constants(script: &Script) -> Vec<f64> {
    let mut found = Vec::new();
    if let Some(allocation) = &script.allocation {
        let mut keep = |value| {
            found.push(value);
            Some(value)
        };
        // Only the constants are kept; the rebuilt formula is dropped.
        let _ = with(allocation, &mut keep);
    }
    found
}

/// Returns a formula with new values for its [tunable constants](tunable_constants), clamped to their
/// domains, in canonical form with three digits. `None` if their number differs, a value is not finite, or
/// they do not fit.
pub fn with_constants(script: &Script, values: &[f64]) -> Option<Script> {
    let mut values = values.iter().copied();
    let allocation = with(script.allocation.as_ref()?, &mut |_| values.next().filter(|it| it.is_finite()))?;
    match values.next() {
        Some(_) => None,
        None => Some(tidy(Script { allocation: Some(allocation), ..script.clone() })),
    }
}

/// Returns an expression with each tunable constant replaced by the result of `replace`.
fn with(expr: &Expr, replace: &mut impl FnMut(f64) -> Option<f64>) -> Option<Expr> {
    if let Some(value) = expr.as_number() {
        return Some(Expr::number(replace(value)?));
    }
    let op = expr.op()?;
    let reads_weights = match op.info().class {
        Class::Reduction | Class::MatrixReduction | Class::Terminal(_) => true,
        Class::Elementwise | Class::Normaliser | Class::Layerwise | Class::Allocator(_) => {
            matches!(expr.ty(), Type::Matrix | Type::Input | Type::Output)
        }
    };
    if reads_weights {
        return Some(expr.clone());
    }
    let operands =
        expr.operands().iter().map(|operand| with(operand, replace)).collect::<Option<Vec<_>>>()?;
    let mut parameters = expr.parameters().to_vec();
    for (setting, row) in parameters.iter_mut().zip(op.info().parameters) {
        if let (Some(value), Domain::Real(low, high)) = (setting.number(), row.domain) {
            *setting = ParameterValue::Number(replace(value)?.clamp(low, high));
        }
    }
    Expr::call(op, operands, parameters).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::check::{CheckOptions, check};
    use crate::lang::print;

    fn script(text: &str) -> Script {
        let script = check(text, CheckOptions::default()).script.expect("it checks");
        Script { allocation: script.allocation.map(|it| it.without_spans()), ..script }
    }

    #[test]
    fn only_constants_that_no_reduction_reads_are_tunable() {
        let formula = script("unit block\n2 * log(mean(score ^ 0.5)) + 0.25 * depth |> scale(lambda = 0.1)");
        assert_eq!(tunable_constants(&formula), [2.0, 0.25, 0.1]);
        // With one threshold over all weights, every constant applies to individual weights.
        assert!(tunable_constants(&script("score * 3 |> global")).is_empty());
        assert!(tunable_constants(&script("uniform()")).is_empty());
    }

    #[test]
    fn new_constants_leave_the_rest_of_the_formula_unchanged() {
        let formula = script("unit block\n2 * log(mean(score ^ 0.5)) + 0.25 * depth |> scale(lambda = 0.1)");
        let other = with_constants(&formula, &[-1.23456, 0.25, 0.1]).expect("a formula");
        let text = print::script(&other);
        assert!(
            text.contains("1.23") && text.contains("sqrt(score)") && text.contains("lambda = 0.1"),
            "{text}"
        );
        assert!(!text.contains("1.234"), "three digits: {text}");
        assert_eq!(tunable_constants(&other).len(), 3);
        // A parameter stays in its domain.
        let clamped = with_constants(&formula, &[2.0, 0.25, -7.0]).expect("a formula");
        assert!(tunable_constants(&clamped)[2] >= 0.0, "{}", print::script(&clamped));
        for wrong in [&[1.0, 2.0][..], &[1.0, 2.0, 3.0, 4.0], &[1.0, f64::NAN, 0.1]] {
            assert!(with_constants(&formula, wrong).is_none(), "{wrong:?}");
        }
    }
}
