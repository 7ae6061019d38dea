//! Smaller versions of a formula: operators left out, constants multiplied through, digits dropped.
//!
//! These edits are not identities; the caller checks what a changed formula does.

use super::space::nodes::{nodes, replaced};
use crate::lang::ops::{Op, ParameterValue};
use crate::lang::print;
use crate::lang::program::Expr;
use crate::lang::types::Type;

/// A part that can be removed from a formula.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    /// The part as a script writes it: an operand with everything below it, or the name of an operator whose
    /// operand stays.
    pub(super) text: String,
    /// Number of operators and constants removed with it.
    pub(super) size: usize,
    /// The formula without the part.
    pub(super) rest: Expr,
}

/// Returns every part whose removal leaves an allocation: each operand of an operator takes the operator's
/// place once.
pub(super) fn parts(allocation: &Expr) -> Vec<Part> {
    let mut found = Vec::new();
    for (place, own) in nodes(allocation).into_iter().enumerate() {
        let Some(op) = own.op() else { continue };
        for (index, kept) in own.operands().iter().enumerate() {
            let others = own.operands().iter().enumerate().filter(|(other, _)| *other != index);
            let others: Vec<String> = others.map(|(_, other)| print::expr(other)).collect();
            let text = if others.is_empty() { op.name().to_owned() } else { others.join(", ") };
            let rest = replaced(allocation, place, kept.clone());
            if let Some(rest) = rest.filter(|rest| rest.ty() == allocation.ty()) {
                found.push(Part { text, size: own.size() - kept.size(), rest });
            }
        }
    }
    found
}

/// The part of a formula that edits may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only above the reductions, whose values then stay the same.
    Units,
    /// Every node.
    Everything,
}

/// Returns versions of an allocation that are smaller or have fewer digits.
pub(super) fn simpler(allocation: &Expr, reach: Reach) -> Vec<Expr> {
    let mut found = Vec::new();
    for (place, own) in nodes(allocation).into_iter().enumerate() {
        if reach == Reach::Units && !is_of_units(allocation, place) {
            continue;
        }
        let put = |new: Expr| replaced(allocation, place, new);
        found.extend(own.operands().iter().cloned().filter_map(put));
        found.extend(multiplied_through(own).into_iter().filter_map(put));
        found.extend(with_fewer_digits(own).into_iter().filter_map(put));
    }
    found.retain(|it| it.ty() == allocation.ty());
    found
}

/// Returns whether a node and all its ancestors have one value per unit, or a single one.
fn is_of_units(allocation: &Expr, place: usize) -> bool {
    let is = |expr: &Expr| matches!(expr.ty(), Type::Number | Type::Layer | Type::Sparsity);
    let mut at = allocation;
    let mut left = place;
    loop {
        if !is(at) {
            return false;
        }
        if left == 0 {
            return true;
        }
        left -= 1;
        let mut below = None;
        for operand in at.operands() {
            if left < operand.size() {
                below = Some(operand);
                break;
            }
            left -= operand.size();
        }
        match below {
            Some(operand) => at = operand,
            None => return false,
        }
    }
}

/// A formula as `factor * core + offset`.
struct Linear<'a> {
    factor: f64,
    core: &'a Expr,
    offset: f64,
}

/// Takes off, from the outside in, the constants that an expression is multiplied by or that are added to it.
fn linear(expr: &Expr) -> Linear<'_> {
    let (op, operands) = (expr.op(), expr.operands());
    let number = |index: usize| operands.get(index).and_then(Expr::as_number);
    let taken = match (op, operands) {
        (Some(Op::Negate), [x]) => Some((x, -1.0, 0.0)),
        (Some(Op::Add), [x, _]) if number(1).is_some() => number(1).map(|c| (x, 1.0, c)),
        (Some(Op::Add), [_, x]) => number(0).map(|c| (x, 1.0, c)),
        (Some(Op::Subtract), [x, _]) if number(1).is_some() => number(1).map(|c| (x, 1.0, -c)),
        (Some(Op::Subtract), [_, x]) => number(0).map(|c| (x, -1.0, c)),
        (Some(Op::Multiply), [x, _]) if number(1).is_some() => number(1).map(|c| (x, c, 0.0)),
        (Some(Op::Multiply), [_, x]) => number(0).map(|c| (x, c, 0.0)),
        (Some(Op::Divide), [x, _]) => number(1).map(|c| (x, c.recip(), 0.0)),
        _ => None,
    };
    match taken {
        None => Linear { factor: 1.0, core: expr, offset: 0.0 },
        Some((x, factor, offset)) => {
            let inner = linear(x);
            Linear { factor: factor * inner.factor, core: inner.core, offset: factor * inner.offset + offset }
        }
    }
}

/// Returns an expression with the constants around its core multiplied through, once exactly and once to
/// three digits; empty if there are no such constants.
fn multiplied_through(expr: &Expr) -> Vec<Expr> {
    let Linear { factor, core, offset } = linear(expr);
    if std::ptr::eq(core, expr) || !factor.is_finite() || !offset.is_finite() {
        return Vec::new();
    }
    let built = |factor: f64, offset: f64| -> Option<Expr> {
        let scaled = match factor {
            1.0 => core.clone(),
            -1.0 => Expr::apply(Op::Negate, vec![core.clone()]).ok()?,
            factor => Expr::apply(Op::Multiply, vec![Expr::number(factor), core.clone()]).ok()?,
        };
        match offset {
            0.0 => Some(scaled),
            offset => Expr::apply(Op::Add, vec![Expr::number(offset), scaled]).ok(),
        }
    };
    [built(factor, offset), built(rounded(factor, 3), rounded(offset, 3))].into_iter().flatten().collect()
}

/// Returns versions of a constant, or of a call with one parameter changed, with each smaller number of
/// digits.
fn with_fewer_digits(expr: &Expr) -> Vec<Expr> {
    let fewer = |value: f64| (1..digits(value)).map(move |digits| rounded(value, digits));
    if let Some(value) = expr.as_number() {
        return fewer(value).map(Expr::number).collect();
    }
    let Some(op) = expr.op() else { return Vec::new() };
    let mut found = Vec::new();
    for (index, setting) in expr.parameters().iter().enumerate() {
        let Some(value) = setting.number() else { continue };
        for value in fewer(value) {
            let mut parameters = expr.parameters().to_vec();
            parameters[index] = ParameterValue::Number(value);
            // Drops values outside the parameter's domain.
            found.extend(Expr::call(op, expr.operands().to_vec(), parameters));
        }
    }
    found
}

/// Returns a formula's reading cost: the number of operators and constants, then the digits of all numbers.
pub(super) fn weight(allocation: &Expr) -> (usize, usize) {
    let mut count = 0;
    allocation.walk(&mut |part| {
        let numbers = part.as_number().into_iter();
        count +=
            numbers.chain(part.parameters().iter().filter_map(|it| it.number())).map(digits).sum::<usize>();
    });
    (allocation.size(), count)
}

/// Returns the number of significant digits that a number is written with.
fn digits(value: f64) -> usize {
    let text = format!("{value:e}");
    text.split('e').next().unwrap_or_default().chars().filter(char::is_ascii_digit).count()
}

/// Returns a number rounded to some significant digits, at least one.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::canonical;
    use crate::lang::check::{CheckOptions, check};

    fn allocation(text: &str) -> Expr {
        let checked = check(text, CheckOptions::default());
        checked.script.and_then(|it| it.allocation).expect("it checks").without_spans()
    }

    fn texts(all: Vec<Expr>) -> Vec<String> {
        all.iter().map(|it| print::expr(&canonical::expr(it))).collect()
    }

    #[test]
    fn constants_are_multiplied_through() {
        let formula = allocation("2 * (0.25 * (mean(score) - 3) + 4) |> scale(lambda = 0.1)");
        let found = texts(simpler(&formula, Reach::Units));
        assert!(found.iter().any(|it| it == "scale(0.5 * mean(score) + 6.5, lambda = 0.1)"), "{found:#?}");
        let formula = allocation("-(mean(score) / 4) |> scale(lambda = 0.1)");
        let found = texts(simpler(&formula, Reach::Units));
        assert!(found.iter().any(|it| it == "scale(-0.25 * mean(score), lambda = 0.1)"), "{found:#?}");
    }

    #[test]
    fn digits_are_dropped_of_constants_and_parameters() {
        let formula = allocation("mean(score > 4.56) + 1.23 * depth |> scale(lambda = 0.0789)");
        let units = texts(simpler(&formula, Reach::Units));
        for expected in ["1.2 * depth", "1 * depth", "lambda = 0.079", "lambda = 0.08"] {
            let expected = expected.replace("1 * depth", "depth");
            assert!(units.iter().any(|it| it.contains(&expected)), "{expected}: {units:#?}");
        }
        assert!(units.iter().all(|it| it.contains("4.56") || !it.contains("score")), "{units:#?}");
        let all = texts(simpler(&formula, Reach::Everything));
        assert!(all.iter().any(|it| it.contains("4.6 <") || it.contains("> 4.6")), "{all:#?}");
    }

    #[test]
    fn parts_are_named_by_the_removed_operand_or_operator() {
        let formula = allocation("log(mean(score)) + 0.5 * depth |> scale(lambda = 0.1)");
        let found: Vec<(String, usize)> = parts(&formula).into_iter().map(|it| (it.text, it.size)).collect();
        let expected = [("0.5 * depth", 4), ("log(mean(score))", 4), ("log", 1), ("depth", 2), ("0.5", 2)];
        for (text, size) in expected {
            assert!(found.contains(&(text.to_owned(), size)), "{text}: {found:#?}");
        }
        // A matrix cannot take the place of a value per unit.
        assert_eq!(found.len(), expected.len(), "{found:#?}");
    }

    #[test]
    fn numbers_weigh_by_their_digits() {
        assert_eq!([0.08, 100.0, -1.25, 0.0].map(digits), [1, 1, 3, 1]);
        assert_eq!([rounded(0.0789, 1), rounded(-1.25, 2), rounded(1234.0, 2)], [0.08, -1.2, 1200.0]);
        assert_eq!(weight(&allocation("1.25 * mean(score) |> scale(lambda = 0.08)")), (5, 4));
    }
}
