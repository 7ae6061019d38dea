//! The nodes of an expression, indexed in preorder.

use rand::rngs::ChaCha8Rng;

use super::grow::draw;
use crate::lang::program::Expr;

/// Returns all nodes, each before its operands.
pub(in crate::search) fn nodes(expr: &Expr) -> Vec<&Expr> {
    let mut found = Vec::with_capacity(expr.size());
    let mut left = vec![expr];
    while let Some(next) = left.pop() {
        found.push(next);
        left.extend(next.operands().iter().rev());
    }
    found
}

/// Returns the node at a place.
pub(in crate::search) fn node(expr: &Expr, place: usize) -> Option<&Expr> {
    if place == 0 {
        return Some(expr);
    }
    let mut before = 1;
    for operand in expr.operands() {
        if place < before + operand.size() {
            return node(operand, place - before);
        }
        before += operand.size();
    }
    None
}

/// Returns the expression with the node at a place replaced; `None` if the types do not fit.
pub(in crate::search) fn replaced(expr: &Expr, place: usize, new: Expr) -> Option<Expr> {
    if place == 0 {
        return Some(new);
    }
    let mut new = Some(new);
    let mut before = 1;
    let mut operands = Vec::with_capacity(expr.operands().len());
    for operand in expr.operands() {
        operands.push(match place >= before && place < before + operand.size() {
            true => replaced(operand, place - before, new.take()?)?,
            false => operand.clone(),
        });
        before += operand.size();
    }
    Expr::call(expr.op()?, operands, expr.parameters().to_vec()).ok()
}

/// Returns the places of a pipeline's stages, the last stage first: the expression, its first operand, that
/// operand's first operand, and so on down to the leaf that the pipeline starts with.
pub(super) fn stages(expr: &Expr) -> Vec<usize> {
    let mut places = vec![0];
    let mut current = expr;
    while let Some(first) = current.operands().first() {
        places.push(places.len());
        current = first;
    }
    places
}

/// Draws a node for which `fits` holds.
pub(super) fn pick(random: &mut ChaCha8Rng, expr: &Expr, fits: impl Fn(&Expr) -> bool) -> Option<usize> {
    let places: Vec<usize> =
        nodes(expr).iter().enumerate().filter(|(_, it)| fits(it)).map(|(place, _)| place).collect();
    draw(random, &places, |_| 1.0).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::check::{CheckOptions, check};
    use crate::lang::print;

    #[test]
    fn places_name_nodes() {
        let script =
            check("mean(score * 2) + depth - 0.5 * mean(abs(weight)) |> scale", CheckOptions::default());
        let allocation = script.script.and_then(|it| it.allocation).expect("it checks");
        let all = nodes(&allocation);
        assert_eq!(all.len(), allocation.size());
        for (place, expected) in all.iter().enumerate() {
            assert_eq!(node(&allocation, place), Some(*expected));
            assert_eq!(replaced(&allocation, place, (*expected).clone()).as_ref(), Some(&allocation));
        }
        let number = all.iter().position(|it| it.as_number() == Some(0.5)).expect("0.5");
        let other = replaced(&allocation, number, Expr::number(3.0)).expect("it fits");
        assert!(print::expr(&other).contains("3 * mean(abs(weight))"), "{}", print::expr(&other));
        let first: Vec<&Expr> = stages(&allocation).iter().filter_map(|it| node(&allocation, *it)).collect();
        assert_eq!(first.last().and_then(|it| it.op()).map(|op| op.name()), Some("score"));
    }
}
