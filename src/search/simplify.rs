//! Simplification: smaller formulas that prune exactly the same weights, on every model and at every sparsity
//! of the search.
//!
//! A simpler formula is taken only if its whole-weight allocation is the same at every target, so no loss
//! changes and nothing is measured again. On another model, the two formulas may differ: parts without effect
//! on the search's models are removed.

use std::collections::BTreeSet;

use super::edits::{Reach, simpler, weight};
use super::error::SearchError;
use super::space::Space;
use crate::lang::canonical;
use crate::lang::print;
use crate::lang::program::{Expr, Script};
use crate::trial::candidate::{Candidate, Genome};
use crate::trial::evaluator::Evaluator;

/// How many versions of a formula are checked at a time.
const TOGETHER: usize = 48;
/// Maximum number of checks that read the weights again.
const READS: usize = 4;

/// Returns, for each of some scripts, whether it does the same as the script being simplified.
type Same<'a, E> = dyn FnMut(&[Script]) -> Result<Vec<bool>, E> + 'a;

/// Returns a candidate with the simplest formula found for its behaviour, or unchanged.
pub(super) fn simplified(
    evaluator: &Evaluator,
    space: &Space,
    candidate: &Candidate,
) -> Result<Candidate, SearchError> {
    let Genome::Formula(script) = &candidate.genome else { return Ok(candidate.clone()) };
    if candidate.published.is_some() {
        return Ok(candidate.clone());
    }
    // The formulas that a search starts with may lie outside its space.
    let held = space.holds(script);
    let fits = |script: &Script| !held || space.holds(script);
    let behaviour = &candidate.allotted.behaviour;
    let mut same = |scripts: &[Script]| -> Result<Vec<bool>, SearchError> {
        let found = evaluator.candidates(scripts.to_vec())?;
        let is_same =
            |it: &Option<Candidate>| it.as_ref().is_some_and(|it| it.allotted.behaviour == *behaviour);
        Ok(found.iter().map(is_same).collect())
    };
    let genome = Genome::Formula(simplest(script, &fits, &mut same)?);
    Ok(Candidate { genome, ..candidate.clone() })
}

/// Returns the simplest version of a script found step by step: each step takes the simplest version for
/// which `same` holds.
fn simplest<E>(script: &Script, fits: &dyn Fn(&Script) -> bool, same: &mut Same<'_, E>) -> Result<Script, E> {
    let mut current = canonical::script(script);
    let mut tried: BTreeSet<String> = BTreeSet::new();
    let mut reads = 0;
    let mut reach = Reach::Units;
    loop {
        let mut versions = versions(&current, reach, fits);
        versions.retain(|(_, text, _)| !tried.contains(text));
        versions.truncate(TOGETHER);
        if reach == Reach::Everything && (versions.is_empty() || reads == READS) {
            return Ok(current);
        }
        if versions.is_empty() {
            reach = Reach::Everything;
            continue;
        }
        reads += usize::from(reach == Reach::Everything);
        tried.extend(versions.iter().map(|(_, text, _)| text.clone()));
        let scripts: Vec<Script> = versions.into_iter().map(|(_, _, script)| script).collect();
        let found = same(&scripts)?;
        if let Some((simpler, _)) = scripts.into_iter().zip(found).find(|(_, same)| *same) {
            current = simpler;
            reach = Reach::Units;
        }
    }
}

/// Returns the simpler versions of a script that fit, the simplest first, each with its weight and its text.
fn versions(
    script: &Script,
    reach: Reach,
    fits: &dyn Fn(&Script) -> bool,
) -> Vec<((usize, usize), String, Script)> {
    let Some(allocation) = &script.allocation else { return Vec::new() };
    let own = weight(allocation);
    let version = |expr: &Expr| {
        let version = canonical::script(&Script { allocation: Some(expr.clone()), ..script.clone() });
        let weight = version.allocation.as_ref().map(weight).filter(|weight| *weight < own)?;
        fits(&version).then(|| (weight, print::script(&version), version))
    };
    let mut all: Vec<_> = simpler(allocation, reach).iter().filter_map(version).collect();
    all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    all.dedup_by(|a, b| a.1 == b.1);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::check::{CheckOptions, check};
    use crate::lang::ops::Op;
    use crate::lang::scalar;

    /// Evaluates an importance on three units, with fixed values of `depth` and `mean(...)`.
    fn values(expr: &Expr) -> Option<[f64; 3]> {
        match expr.op() {
            None => expr.as_number().map(|it| [it; 3]),
            Some(Op::Depth) => Some([0.0, 0.5, 1.0]),
            Some(Op::Mean) => Some([0.3, 0.1, 0.7]),
            Some(Op::Elementwise(op)) => {
                let operands: Vec<[f64; 3]> = expr.operands().iter().map(values).collect::<Option<_>>()?;
                let at = |unit: usize| {
                    let operands: Vec<f64> = operands.iter().map(|it| it[unit]).collect();
                    scalar::apply(op, &operands)
                };
                Some([at(0)?, at(1)?, at(2)?])
            }
            Some(_) => None,
        }
    }

    /// Returns the behaviour of an allocation: the position of each unit between the lowest and the highest,
    /// to two decimals.
    fn behaviour(script: &Script) -> Option<Vec<i64>> {
        let values = values(script.allocator()?.importance?)?;
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(values.iter().map(|it| (100.0 * (it - low) / (high - low)).round() as i64).collect())
    }

    fn simple(text: &str) -> String {
        let script = check(text, CheckOptions::default()).script.expect("it checks");
        let script = Script { allocation: script.allocation.map(|it| it.without_spans()), ..script };
        let wanted = behaviour(&script).expect("a value");
        let mut same = |scripts: &[Script]| -> Result<Vec<bool>, ()> {
            Ok(scripts.iter().map(|it| behaviour(it).as_ref() == Some(&wanted)).collect())
        };
        let found = simplest(&script, &|_| true, &mut same).expect("nothing fails");
        assert_eq!(behaviour(&found).as_ref(), Some(&wanted), "{text}");
        print::script(&found).trim_end().to_owned()
    }

    #[test]
    fn parts_without_effect_are_removed_and_others_stay() {
        // A positive factor or an addend does not move a unit between the lowest and the highest.
        assert_eq!(
            simple("3 * (mean(score) + 0.25) |> scale(lambda = 0.1)"),
            "mean(score) |> scale(lambda = 0.1)"
        );
        assert_eq!(
            simple("-(2.4 * mean(score) - 7) |> scale(lambda = 0.1)"),
            "-mean(score) |> scale(lambda = 0.1)"
        );
        assert_eq!(
            simple("relu(mean(score)) + 0.001 * (1 - depth) |> scale(lambda = 0.1)"),
            "mean(score) |> scale(lambda = 0.1)"
        );
        assert_eq!(
            simple("mean(score) * mean(score) |> scale(lambda = 0.1)"),
            "square(mean(score)) |> scale(lambda = 0.1)"
        );
    }

    #[test]
    fn constants_keep_as_few_digits_as_possible() {
        let found = simple("mean(score) + 0.50123 * depth |> scale(lambda = 0.1)");
        assert_eq!(found, "0.5 * depth + mean(score) |> scale(lambda = 0.1)");
    }

    #[test]
    fn only_formulas_that_fit_are_returned() {
        let script = check("relu(mean(score)) |> scale(lambda = 0.1)", CheckOptions::default()).script;
        let script = script.expect("it checks");
        let mut same = |scripts: &[Script]| -> Result<Vec<bool>, ()> { Ok(vec![true; scripts.len()]) };
        let keeps = |it: &Script| it.allocation.as_ref().is_some_and(|it| it.uses(Op::Rectify));
        let found = simplest(&script, &keeps, &mut same).expect("nothing fails");
        assert_eq!(print::script(&found), print::script(&script));
    }
}
