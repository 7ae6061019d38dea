//! Edge cases of the search's spaces: formulas do not use operators that are switched off, the smallest
//! spaces have formulas, and every drawn or varied formula has a value on a model or a reason why not.

use std::collections::BTreeSet;

use crate::support::models::{Stored, model, script, wanda};
use allot::allocate::script::{Request, ScriptError, allocate_all};
use allot::allocate::{AllocationError, Bounds};
use allot::interpret::error::InterpretError;
use allot::interpret::matrix::Processor;
use allot::lang::check::{CheckOptions, check};
use allot::lang::ops::{CATALOGUE, Class, Op};
use allot::lang::print;
use allot::lang::program::{Metric, Script};
use allot::lang::types::{Group, UnitKind};
use allot::search::enumerate::{Grid, formulas};
use allot::search::space::{Space, SpaceError, SpaceKind, SpaceOptions, VARIATIONS, Variation, operator};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// Operators that canonical forms introduce, such as `square(x)` for `x * x`; `neg` also belongs to the
/// direction.
const OF_CANONICAL_FORMS: [Op; 8] =
    [Op::Less, Op::LessEqual, Op::Negate, Op::Reciprocal, Op::Square, Op::SquareRoot, Op::Add, Op::Subtract];

fn operators(names: &[&str]) -> Vec<Op> {
    names.iter().map(|name| operator(name).expect("an operator")).collect()
}

fn only(ops: &[&str], max_size: usize) -> SpaceOptions {
    SpaceOptions { only: operators(ops), max_size, ..SpaceOptions::default() }
}

/// Returns the operators of a formula.
fn ops(script: &Script) -> BTreeSet<Op> {
    let mut found = BTreeSet::new();
    if let Some(allocation) = &script.allocation {
        allocation.walk(&mut |part| found.extend(part.op()));
    }
    found
}

/// Draws formulas, and varies them in every possible way.
fn family(space: &Space, seed: u64, generations: usize) -> Vec<Script> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut all = vec![space.random(&mut random), space.random(&mut random)];
    for generation in 0..generations {
        let (parent, mate) = (all[all.len() - 1].clone(), all[generation].clone());
        let children =
            VARIATIONS.iter().map(|info| space.varied(&mut random, info.variation, &parent, &mate));
        let children: Vec<Script> = children.flatten().collect();
        all.extend(children);
        all.push(space.random(&mut random));
    }
    all
}

/// Returns the chosen operators of the space, and those that every formula needs.
fn subset(kind: SpaceKind, chosen: &[bool]) -> Vec<Op> {
    let all = Space::new(&SpaceOptions { kind, ..SpaceOptions::default() }).expect("the whole space");
    let named = all.operators().iter().zip(chosen.iter().cycle()).filter(|(_, chosen)| **chosen);
    let mut ops: BTreeSet<Op> = named.map(|(op, _)| *op).collect();
    ops.extend(operators(&["score", "mean", "scale"]));
    ops.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formulas_use_only_the_requested_operators(
        seed in any::<u64>(),
        full in any::<bool>(),
        chosen in prop::collection::vec(prop::bool::weighted(0.3), 97),
    ) {
        let kind = if full { SpaceKind::Full } else { SpaceKind::Dsa };
        let only = subset(kind, &chosen);
        let space = Space::new(&SpaceOptions { kind, only: only.clone(), ..SpaceOptions::default() }).expect("a space");
        for script in family(&space, seed, 6) {
            for op in ops(&script) {
                prop_assert!(
                    only.contains(&op) || OF_CANONICAL_FORMS.contains(&op),
                    "{} is not among {only:?}, in\n{}", op.name(), print::script(&script)
                );
            }
        }
    }

    #[test]
    fn formulas_drawn_from_the_smallest_spaces_are_in_them(
        seed in any::<u64>(),
        full in any::<bool>(),
        max_size in 0_usize..9,
        chosen in prop::collection::vec(prop::bool::weighted(0.1), 97),
    ) {
        let kind = if full { SpaceKind::Full } else { SpaceKind::Dsa };
        let space = Space::new(&SpaceOptions { kind, max_size, only: subset(kind, &chosen), ..SpaceOptions::default() });
        // `mean(score) |> scale`, unless something smaller is left.
        prop_assert!(space.is_ok() || max_size < 3, "{space:?}");
        let Ok(space) = space else { return Ok(()) };
        for script in family(&space, seed, 3) {
            prop_assert!(space.holds(&script), "{}", print::script(&script));
            prop_assert!(script.allocation.as_ref().is_some_and(|it| it.size() <= max_size));
        }
    }

    #[test]
    fn every_formula_has_a_value_or_says_why_not(seed in any::<u64>(), full in any::<bool>()) {
        let kind = if full { SpaceKind::Full } else { SpaceKind::Dsa };
        let space = Space::new(&SpaceOptions { kind, ..SpaceOptions::default() }).expect("a space");
        let scripts = family(&space, seed, 2);
        let model = model(4, &[(6, 9), (5, 6), (9, 4), (6, 6), (8, 6), (3, 6), (6, 8)], Stored::F32, seed);
        let metric = Metric { per: Group::Row, score: wanda() };
        let request = Request {
            metric: &metric, unit: None, target: 0.6, bounds: Bounds::default(), reductions: None,
            backend: &Processor,
        };
        let outcomes = allocate_all(&scripts.iter().collect::<Vec<_>>(), &model, request);
        for (script, outcome) in scripts.iter().zip(outcomes) {
            match outcome {
                Ok(outcome) => {
                    prop_assert_eq!(Some(outcome.unit), script.unit);
                    let (all, pruned) = outcome.allocation.units.iter().fold((0, 0), |(all, pruned), unit| {
                        (all + unit.parameters, pruned + unit.pruned)
                    });
                    prop_assert_eq!(pruned, (0.6 * all as f64).round() as u64, "{}", print::script(script));
                }
                // Overflows of the arithmetic, and values that `proportional` refuses, differ from model to
                // model.
                Err(ScriptError::Interpret(InterpretError::NotFinite(_))) => {}
                Err(ScriptError::Allocation { error: AllocationError::NegativeImportance { .. }, .. }) => {}
                Err(error) => prop_assert!(false, "{}{error}", print::script(script)),
            }
        }
    }

    #[test]
    fn constants_stay_numbers_that_a_script_can_write(seed in any::<u64>()) {
        let space = Space::new(&SpaceOptions::default()).expect("a space");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let extreme = format!("{} * depth + {} * mean(score)", f64::MAX, f64::MIN_POSITIVE);
        let mut parent = with_unit(&format!("{extreme} |> scale"), UnitKind::Block);
        for _ in 0..60 {
            for variation in [Variation::ConstantMutation, Variation::ConstantsMutation] {
                let Some(child) = space.varied(&mut random, variation, &parent, &parent) else { continue };
                let text = print::script(&child);
                let read = check(&text, CheckOptions::default()).script;
                prop_assert_eq!(read.as_ref(), Some(&child), "{}", text);
                parent = child;
            }
        }
    }
}

fn with_unit(text: &str, unit: UnitKind) -> Script {
    let script = script(&format!("unit {unit}\n{text}"));
    Script { allocation: script.allocation.map(|it| it.without_spans()), ..script }
}

#[test]
fn most_formulas_have_a_value() {
    let model = model(4, &[(6, 9), (5, 6), (9, 4), (6, 6), (8, 6), (3, 6), (6, 8)], Stored::F32, 5);
    let metric = Metric { per: Group::Row, score: wanda() };
    let request = Request {
        metric: &metric,
        unit: None,
        target: 0.6,
        bounds: Bounds::default(),
        reductions: None,
        backend: &Processor,
    };
    for kind in SpaceKind::ALL {
        let space = Space::new(&SpaceOptions { kind, ..SpaceOptions::default() }).expect("a space");
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let scripts: Vec<Script> = (0..400).map(|_| space.random(&mut random)).collect();
        let outcomes = allocate_all(&scripts.iter().collect::<Vec<_>>(), &model, request);
        let valued = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(valued >= 340, "{valued} of 400 in {}", kind.name());
    }
}

#[test]
fn a_terminal_without_statistics_is_in_no_formula() {
    let space = Space::new(&SpaceOptions::default()).expect("a space");
    let foreign = with_unit("mean(abs(weight) * gradient) + reconstruction_error |> scale", UnitKind::Block);
    assert!(!space.holds(&foreign));
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut children = 0;
    for _ in 0..200 {
        let mate = space.random(&mut random);
        for info in VARIATIONS {
            let Some(child) = space.varied(&mut random, info.variation, &foreign, &mate) else { continue };
            let text = print::script(&child);
            assert!(!text.contains("gradient") && !text.contains("reconstruction_error"), "{text}");
            children += 1;
        }
    }
    // Hoisting and crossover can remove the foreign parts.
    assert!(children > 0);
}

#[test]
fn the_unit_mutation_uses_no_channels_in_blocks() {
    let space = Space::new(&SpaceOptions::default()).expect("a space");
    let er = with_unit("(fan_in + fan_out) / (fan_in * fan_out) |> proportional", UnitKind::Projection);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let child = space.varied(&mut random, Variation::UnitMutation, &er, &er).expect("a child");
    assert_eq!(child.unit, Some(UnitKind::Block));
    assert_eq!(print::script(&child), "unit block\n(params + params) / square(params) |> proportional\n");
}

#[test]
fn a_space_needs_an_allocator_and_an_operand_for_it() {
    let empty = |ops: &[&str]| Space::new(&only(ops, 40)).map(|_| ());
    assert!(matches!(empty(&["score", "scale"]), Err(SpaceError::Empty { .. })));
    assert!(matches!(empty(&["score", "mean"]), Err(SpaceError::Empty { .. })));
    assert_eq!(empty(&["score", "mean", "scale"]), Ok(()));
    // These do not take a Layer.
    assert_eq!(empty(&["score", "global"]), Ok(()));
    assert_eq!(empty(&["ramp"]), Ok(()));
    for ops in [&["score", "global"][..], &["ramp"], &["uniform", "score", "scale"]] {
        let space = Space::new(&only(ops, 40)).expect("a space");
        let mut random = ChaCha8Rng::seed_from_u64(0);
        for _ in 0..20 {
            let script = space.random(&mut random);
            assert!(space.holds(&script), "{ops:?}: {}", print::script(&script));
        }
    }
}

#[test]
fn a_space_that_is_too_small_says_what_it_takes() {
    let small = |kind, ops: &[&str], max_size| {
        let space = Space::new(&SpaceOptions { kind, ..only(ops, max_size) });
        space.map(|_| ()).map_err(|error| error.to_string())
    };
    let two = "the smallest formula has 3 operators and constants, and at most 2 are allowed";
    for kind in SpaceKind::ALL {
        assert_eq!(small(kind, &["score", "mean", "scale"], 2), Err(two.to_owned()));
        assert_eq!(small(kind, &["score", "mean", "scale"], 3), Ok(()));
    }
    assert_eq!(small(SpaceKind::Full, &["depth", "mean", "score", "scale"], 2), Ok(()));
}

#[test]
fn small_formulas_are_drawn_where_only_small_ones_fit() {
    let space = Space::new(&SpaceOptions { max_size: 6, ..SpaceOptions::default() }).expect("a space");
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let drawn: BTreeSet<String> = (0..500).map(|_| print::script(&space.random(&mut random))).collect();
    assert!(drawn.len() >= 300, "{} of 500", drawn.len());
}

#[test]
fn a_random_formula_in_the_place_of_a_variation_keeps_the_unit() {
    // In this space, the only possible change of `global(score)` is another unit.
    let space = Space::new(&only(&["score", "mean", "scale"], 40)).expect("a space");
    let parent = with_unit("score |> global", UnitKind::Projection);
    for seed in 0..60 {
        let (child, variation) = space.vary(&mut ChaCha8Rng::seed_from_u64(seed), &parent, &parent, &[]);
        assert_eq!((child.unit, variation), (parent.unit, None), "{}", print::script(&child));
        assert!(space.holds(&child));
    }
}

#[test]
fn the_enumerated_chains_are_those_of_the_space() {
    let grid = Grid { constants: Vec::new(), windows: vec![0.08] };
    let of = |ops: &[&str], max_size| {
        let options =
            SpaceOptions { kind: SpaceKind::Dsa, units: vec![UnitKind::Block], ..only(ops, max_size) };
        let space = Space::new(&options).expect("a space");
        let all = formulas(&space, &grid).expect("formulas");
        for script in &all {
            assert!(space.holds(script), "{}", print::script(script));
        }
        all.iter().map(print::script).collect::<BTreeSet<String>>()
    };
    let with_score = of(&["score", "abs", "mean", "atan", "scale"], 40);
    let with_weight = of(&["weight", "abs", "mean", "atan", "scale"], 40);
    // Two at each of two places (`abs` may also follow the reduction), and both directions; then the weight's
    // own.
    assert_eq!(with_score.len(), 2 * 3 * 2);
    assert_eq!(with_weight, with_score.iter().map(|text| text.replace("score", "weight")).collect());
    let small = of(&["score", "abs", "mean", "atan", "scale"], 4);
    let sizes = with_score.iter().filter(|text| {
        check(text, CheckOptions::default())
            .script
            .and_then(|it| it.allocation)
            .is_some_and(|it| it.size() <= 4)
    });
    assert_eq!(small, sizes.cloned().collect());
    assert!(small.len() < with_score.len() && !small.is_empty());
}

#[test]
fn every_operator_of_the_full_space_is_drawn() {
    let options = SpaceOptions {
        collected: operators(&[
            "input_norm",
            "hessian_diag",
            "gradient",
            "reconstruction_error",
            "input_kurtosis",
            "block_similarity",
            "block_change",
            "damage",
            "marginal",
            "marginal_slope",
        ]),
        ..SpaceOptions::default()
    };
    let space = Space::new(&options).expect("a space");
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut found = BTreeSet::new();
    for _ in 0..30_000 {
        found.extend(ops(&space.random(&mut random)));
    }
    let wanted = CATALOGUE.iter().filter(|row| row.full && !matches!(row.op, Op::Greater | Op::GreaterEqual));
    let missing: Vec<&str> = wanted.filter(|row| !found.contains(&row.op)).map(|row| row.name).collect();
    assert_eq!(missing, Vec::<&str>::new());
    assert!(found.iter().any(|op| matches!(op.info().class, Class::MatrixReduction)));
}
