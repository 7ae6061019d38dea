//! The formulas of a search: every drawn, varied or enumerated formula belongs to its space.

use std::collections::{BTreeMap, BTreeSet};

use allot::lang::canonical;
use allot::lang::check::{CheckOptions, check};
use allot::lang::ops::{Allocator, Class, Op};
use allot::lang::print;
use allot::lang::program::{Expr, Script};
use allot::lang::published::{self, PUBLISHED};
use allot::lang::types::{Type, UnitKind};
use allot::search::enumerate::{Grid, formulas};
use allot::search::space::{Space, SpaceKind, SpaceOptions, VARIATIONS, operator};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

fn space(kind: SpaceKind) -> Space {
    Space::new(&SpaceOptions { kind, ..SpaceOptions::default() }).expect("a space")
}

/// Fails unless a script is well-typed, belongs to its space, and is the same after printing and parsing.
fn assert_sound(space: &Space, script: &Script) -> Result<(), TestCaseError> {
    let text = print::script(script);
    prop_assert!(space.holds(script), "{text}");
    let allocation = script.allocation.as_ref().expect("an allocation");
    prop_assert_eq!(allocation.ty(), Type::Sparsity);
    let checked = check(&text, CheckOptions::default()).script;
    prop_assert_eq!(checked.as_ref(), Some(script), "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_formula_is_in_its_space(seed in any::<u64>(), full in any::<bool>(), steps in 1usize..40) {
        let space = space(if full { SpaceKind::Full } else { SpaceKind::Dsa });
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut parent = space.random(&mut random);
        let mut mate = space.random(&mut random);
        assert_sound(&space, &parent)?;
        for _ in 0..steps {
            let (child, _) = space.vary(&mut random, &parent, &mate, &[]);
            assert_sound(&space, &child)?;
            mate = parent;
            parent = child;
        }
    }

    #[test]
    fn formulas_of_rows_are_in_their_space(seed in any::<u64>(), all in any::<bool>(), steps in 1usize..40) {
        let units = if all { UnitKind::ALL.to_vec() } else { vec![UnitKind::Row] };
        let space = Space::new(&SpaceOptions { units, ..SpaceOptions::default() }).expect("a space");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut parent = space.random(&mut random);
        for _ in 0..steps {
            let mate = space.random(&mut random);
            assert_sound(&space, &mate)?;
            parent = space.vary(&mut random, &parent, &mate, &[]).0;
            assert_sound(&space, &parent)?;
        }
    }

    #[test]
    fn children_of_published_formulas_are_in_the_space(seed in any::<u64>(), full in any::<bool>()) {
        let space = space(if full { SpaceKind::Full } else { SpaceKind::Dsa });
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let scripts = PUBLISHED.iter().filter_map(|it| published::script(it.name));
        for seed in scripts.filter_map(|script| space.adapt(&script)) {
            let mate = space.random(&mut random);
            assert_sound(&space, &space.vary(&mut random, &seed, &mate, &[]).0)?;
        }
    }

    #[test]
    fn the_same_stream_gives_the_same_formula(seed in any::<u64>()) {
        let space = space(SpaceKind::Full);
        let draw = || {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let (a, b) = (space.random(&mut random), space.random(&mut random));
            print::script(&space.vary(&mut random, &a, &b, &[]).0)
        };
        prop_assert_eq!(draw(), draw());
    }
}

#[test]
fn every_variation_is_reached_and_changes_something() {
    for kind in SpaceKind::ALL {
        let space = space(kind);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
        for _ in 0..3000 {
            let (parent, mate) = (space.random(&mut random), space.random(&mut random));
            let (child, variation) = space.vary(&mut random, &parent, &mate, &[]);
            if let Some(variation) = variation {
                assert_ne!(
                    canonical::script(&child),
                    canonical::script(&parent),
                    "{}",
                    variation.info().name
                );
                *reached.entry(variation.info().name).or_default() += 1;
            }
        }
        for info in VARIATIONS {
            let weight = if kind == SpaceKind::Full { info.full } else { info.dsa };
            assert_eq!(weight > 0.0, reached.contains_key(info.name), "{} in {}", info.name, kind.name());
        }
    }
}

#[test]
fn rows_have_importances_of_their_own() {
    let space = Space::new(&SpaceOptions { units: vec![UnitKind::Row], ..SpaceOptions::default() });
    let space = space.expect("a space");
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let of_rows = (0..200).filter(|_| {
        let script = space.random(&mut random);
        script.allocator().and_then(|it| it.importance.map(|it| it.ty())) == Some(Type::Output)
    });
    assert!(of_rows.count() > 80);
}

#[test]
fn units_are_seen_among_their_neighbours_and_under_one_threshold() {
    let space = space(SpaceKind::Full);
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let (mut drawn, mut factors) = (BTreeSet::new(), 0);
    for _ in 0..2000 {
        let script = space.random(&mut random);
        let allocation = script.allocation.as_ref().expect("an allocation");
        for op in [Op::Previous, Op::Next, Op::BlockMean, Op::Global] {
            drawn.extend(allocation.uses(op).then(|| (op.name(), script.unit.map(UnitKind::name))));
        }
        let of_units = |it: &Expr| it.op() == Some(Op::Multiply) && it.uses(Op::Exponential);
        factors += usize::from(
            script
                .allocator()
                .is_some_and(|it| it.op == Allocator::Global && it.importance.is_some_and(of_units)),
        );
    }
    let (block, projection) = (Some("block"), Some("projection"));
    let expected = ["global", "next", "previous"].map(|name| [(name, block), (name, projection)]);
    let expected = expected.into_iter().flatten().chain([("block_mean", projection)]);
    // In a block, the mean over its units is the block's own value, so drawing it would be pointless.
    assert_eq!(drawn, expected.collect());
    assert!(factors > 10, "{factors}");
}

#[test]
fn random_formulas_differ() {
    for (kind, least) in [(SpaceKind::Full, 900), (SpaceKind::Dsa, 900)] {
        let space = space(kind);
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let drawn: BTreeSet<String> = (0..1000).map(|_| print::script(&space.random(&mut random))).collect();
        assert!(drawn.len() >= least, "{} of 1000 in {}", drawn.len(), kind.name());
    }
}

#[test]
fn operators_are_switched_on_and_off() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let without = SpaceOptions {
        without: vec![Op::Scale, Op::Square],
        units: vec![UnitKind::Block],
        ..SpaceOptions::default()
    };
    let space = Space::new(&without).expect("a space");
    let only = ["score", "mean", "add", "depth", "rescale"];
    let only = only.map(|name| operator(name).expect("an operator")).to_vec();
    let small = Space::new(&SpaceOptions { only, ..SpaceOptions::default() }).expect("a space");
    for _ in 0..300 {
        let script = space.random(&mut random);
        assert_eq!(script.unit, Some(UnitKind::Block));
        let allocation = script.allocation.expect("an allocation");
        assert!(!allocation.uses(Op::Scale) && !allocation.uses(Op::Square));
        let allocation = small.random(&mut random).allocation.expect("an allocation");
        assert!(!allocation.uses(Op::Scale) && !allocation.uses(Op::StandardDeviation));
    }
}

#[test]
fn statistics_that_were_not_collected_are_not_asked_for() {
    let none = SpaceOptions { collected: Vec::new(), ..SpaceOptions::default() };
    let space = Space::new(&none).expect("a space");
    for op in [Op::InputNorm, Op::HessianDiagonal, Op::Gradient, Op::ReconstructionError] {
        assert!(!space.operators().contains(&op), "{}", op.name());
    }
}

#[test]
fn the_size_of_the_small_dsa_space_is_the_product_of_its_stages() {
    let options =
        SpaceOptions { kind: SpaceKind::Dsa, units: vec![UnitKind::Block], ..SpaceOptions::default() };
    let space = Space::new(&options).expect("a space");
    let of = |stage| space.operators().iter().filter(|op| op.info().stages.contains(&stage)).count();
    use allot::lang::ops::DsaStage;
    let last = space.operators().iter().filter(|op| {
        op.info().stages.contains(&DsaStage::Transform) || op.info().stages.contains(&DsaStage::PostProcess)
    });
    let chains = (1 + of(DsaStage::PreProcess)) * of(DsaStage::Reduce) * (1 + last.count());
    let grid = Grid { constants: Vec::new(), windows: vec![0.08] };
    let all = formulas(&space, &grid).expect("formulas");
    // Both directions; there are fewer canonical forms, because for example `abs(abs(x))` and `abs(x)` are
    // one formula.
    assert!(all.len() <= 2 * chains && all.len() > 2 * chains * 8 / 10, "{} of {}", all.len(), 2 * chains);
    let hashes: BTreeSet<String> = all.iter().map(canonical::hash).collect();
    assert_eq!(hashes.len(), all.len());
    for script in &all {
        assert!(space.holds(script), "{}", print::script(script));
    }
}

#[test]
fn trees_are_enumerated_up_to_their_size() {
    let options = SpaceOptions {
        max_size: 5,
        units: vec![UnitKind::Block],
        only: ["score", "depth", "mean", "sqrt", "add", "multiply", "scale", "uniform"]
            .map(|name| operator(name).expect("an operator"))
            .to_vec(),
        ..SpaceOptions::default()
    };
    let space = Space::new(&options).expect("a space");
    let grid = Grid { constants: vec![0.5, 2.0], windows: vec![0.1] };
    let all = formulas(&space, &grid).expect("formulas");
    let texts: BTreeSet<String> = all.iter().map(print::script).collect();
    assert_eq!(texts.len(), all.len());
    for expected in [
        "unit block\nuniform()\n",
        "unit block\ndepth |> scale(lambda = 0.1)\n",
        "unit block\nmean(sqrt(score)) |> scale(lambda = 0.1)\n",
        "unit block\n0.5 * mean(score) |> scale(lambda = 0.1)\n",
        "unit block\ndepth + mean(score) |> scale(lambda = 0.1)\n",
    ] {
        assert!(texts.contains(expected), "{expected}{texts:#?}");
    }
    assert!(all.iter().all(|it| it.allocation.as_ref().is_some_and(|it| it.size() <= 5)));
    let classes = all.iter().filter_map(|it| it.allocator()).map(|it| it.op.info().class);
    assert!(classes.into_iter().all(|class| matches!(class, Class::Allocator(_))));
}
