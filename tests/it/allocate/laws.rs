//! Laws that every allocation keeps, over generated importances, sizes, targets and bounds.

use allot::allocate::{
    Allocation, AllocationError, Bounds, Projection, Proposal, Unit, budget, mean_sparsity, proportional,
    pruned_in_row, pruned_per_row, pruned_total, ramp, rescale, round, scale, uniform,
};
use proptest::prelude::*;

/// Importances of all kinds: ordinary, of huge and tiny magnitude, with ties.
fn importance() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -10.0..10.0_f64,
        2 => (-3..4).prop_map(f64::from),
        1 => (-300..300).prop_map(|exponent| 10.0_f64.powi(exponent)),
        1 => (-300..300).prop_map(|exponent| -(10.0_f64.powi(exponent))),
        1 => Just(f64::MAX),
        1 => Just(f64::MIN),
        1 => Just(0.0),
    ]
}

/// Sizes of units, some of them empty.
fn size() -> impl Strategy<Value = u64> {
    prop_oneof![
        1 => Just(0_u64),
        4 => 1..100_u64,
        4 => 1_000_000..300_000_000_u64,
    ]
}

/// Importances and sizes for the same units, with weights in at least one unit.
fn model() -> impl Strategy<Value = (Vec<f64>, Vec<u64>)> {
    let unequal =
        prop::collection::vec((importance(), size()), 1..40).prop_map(|units| units.into_iter().unzip());
    let equal = (importance(), prop::collection::vec(size(), 1..8))
        .prop_map(|(value, sizes)| (vec![value; sizes.len()], sizes));
    prop_oneof![4 => unequal, 1 => equal]
        .prop_filter("a unit has weights", |(_, sizes): &(Vec<f64>, Vec<u64>)| {
            sizes.iter().any(|&size| size > 0)
        })
}

fn target() -> impl Strategy<Value = f64> {
    prop_oneof![8 => 0.0..=1.0_f64, 1 => Just(0.0), 1 => Just(1.0), 2 => Just(0.5)]
}

/// A target and bounds that contain it.
fn feasible() -> impl Strategy<Value = (f64, Bounds)> {
    (target(), target(), target(), any::<bool>()).prop_map(|(a, b, c, full)| {
        let mut ends = [a, b, c];
        ends.sort_by(f64::total_cmp);
        let bounds = Bounds::new(ends[0], ends[2]).expect("sorted shares");
        (ends[1], if full { Bounds::default() } else { bounds })
    })
}

/// Every allocator's proposal for the model, with `scale` and `rescale` first, which take any importance.
fn proposals(importances: &[f64], sizes: &[u64], target: f64, strength: f64) -> Vec<Proposal> {
    let positive: Vec<f64> = importances.iter().map(|value| value.abs()).collect();
    let positions: Vec<f64> = (0..sizes.len()).map(|index| index as f64).collect();
    let made = [
        scale(importances, sizes, target, strength),
        rescale(importances, sizes, target, strength),
        proportional(&positive, sizes, target),
        ramp(&positions, target, strength),
        uniform(sizes.len(), target),
        Ok(Proposal::Sparsity(importances.to_vec())),
        Ok(Proposal::RelativeSparsity(importances.to_vec())),
        Ok(Proposal::RelativeDensity(importances.to_vec())),
    ];
    made.into_iter().map(|proposal| proposal.expect("finite importances")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_budget_holds_within_bounds(
        (importances, sizes) in model(), (target, bounds) in feasible(), strength in 0.0..3.0_f64,
    ) {
        for proposal in proposals(&importances, &sizes, target, strength) {
            let sparsity = budget(&proposal, &sizes, target, bounds).expect("a feasible target");
            for &value in &sparsity {
                prop_assert!(bounds.lower() <= value && value <= bounds.upper(), "{value} for {proposal:?}");
            }
            let mean = mean_sparsity(&sparsity, &sizes).expect("weights");
            prop_assert!((mean - target).abs() <= 1e-12, "{mean} is not {target} for {proposal:?}");
        }
    }

    #[test]
    fn the_budget_is_idempotent(
        (importances, sizes) in model(), (target, bounds) in feasible(), strength in 0.0..3.0_f64,
    ) {
        for proposal in proposals(&importances, &sizes, target, strength) {
            let once = budget(&proposal, &sizes, target, bounds).expect("a feasible target");
            for again in [Proposal::Sparsity(once.clone()), Proposal::RelativeSparsity(once.clone())] {
                let twice = budget(&again, &sizes, target, bounds).expect("a feasible target");
                prop_assert_eq!(&once, &twice);
            }
        }
    }

    #[test]
    fn one_number_moves_all_units(
        units in prop::collection::vec((-1.0..2.0_f64, 1..100_u64), 1..40), (target, bounds) in feasible(),
    ) {
        let (values, sizes): (Vec<f64>, Vec<u64>) = units.into_iter().unzip();
        let free = |sparsity: f64| bounds.lower() < sparsity && sparsity < bounds.upper();
        let pairs = || (0..values.len()).flat_map(|i| (0..values.len()).map(move |j| (i, j)));

        let moved = budget(&Proposal::Sparsity(values.clone()), &sizes, target, bounds).expect("feasible");
        for (i, j) in pairs().filter(|&(i, j)| free(moved[i]) && free(moved[j])) {
            let (was, is) = (values[i] - values[j], moved[i] - moved[j]);
            prop_assert!((was - is).abs() < 1e-12, "{was} became {is}");
        }
        let moved = budget(&Proposal::RelativeSparsity(values.clone()), &sizes, target, bounds).expect("feasible");
        for (i, j) in pairs().filter(|&(i, j)| values[i] > 0.0 && values[j] > 0.0 && free(moved[i]) && free(moved[j])) {
            prop_assert!((values[i] * moved[j] - values[j] * moved[i]).abs() < 1e-12);
        }
        let moved = budget(&Proposal::RelativeDensity(values.clone()), &sizes, target, bounds).expect("feasible");
        for (i, j) in pairs().filter(|&(i, j)| values[i] > 0.0 && values[j] > 0.0 && free(moved[i]) && free(moved[j])) {
            prop_assert!((values[i] * (1.0 - moved[j]) - values[j] * (1.0 - moved[i])).abs() < 1e-12);
        }
    }

    #[test]
    fn more_important_units_keep_more(
        (importances, sizes) in model(), (target, bounds) in feasible(), strength in 0.0..3.0_f64,
    ) {
        for proposal in &proposals(&importances, &sizes, target, strength)[..2] {
            let sparsity = budget(proposal, &sizes, target, bounds).expect("a feasible target");
            for (i, j) in (0..sizes.len()).flat_map(|i| (0..sizes.len()).map(move |j| (i, j))) {
                if importances[i] > importances[j] {
                    prop_assert!(sparsity[i] <= sparsity[j], "{i} and {j} of {sparsity:?}");
                } else if importances[i] == importances[j] {
                    prop_assert_eq!(sparsity[i], sparsity[j]);
                }
            }
        }
    }

    #[test]
    fn counts_are_exact_at_every_level(
        (importances, sizes) in model(), target in target(), strength in 0.0..3.0_f64,
        cuts in prop::collection::vec(0.0..=1.0_f64, 0..6),
    ) {
        // Each unit is cut into the same shares, and the last one gets the rest.
        let projections: Vec<Vec<u64>> = sizes
            .iter()
            .map(|&size| {
                let mut left = size;
                let mut parts: Vec<u64> = Vec::new();
                for cut in &cuts {
                    let part = (left as f64 * cut) as u64;
                    parts.push(part);
                    left -= part;
                }
                parts.push(left);
                parts
            })
            .collect();
        let total: u64 = sizes.iter().sum();
        for proposal in proposals(&importances, &sizes, target, strength) {
            let sparsity = budget(&proposal, &sizes, target, Bounds::default()).expect("a feasible target");
            let counts = round(&sparsity, &projections, target).expect("on budget");
            prop_assert_eq!(counts.total(), (target * total as f64).round() as u64);
            for (unit, &size) in sizes.iter().enumerate() {
                let pruned = counts.units[unit];
                prop_assert!(pruned <= size);
                prop_assert!((pruned as f64 - sparsity[unit] * size as f64).abs() < 1.0 + 1e-6);
                prop_assert_eq!(counts.projections[unit].iter().sum::<u64>(), pruned);
                for (&part, &most) in counts.projections[unit].iter().zip(&projections[unit]) {
                    prop_assert!(part <= most);
                    let exact = pruned as f64 * most as f64 / size.max(1) as f64;
                    prop_assert!((part as f64 - exact).abs() < 1.0 + 1e-6);
                }
            }
        }
    }

    #[test]
    fn rows_add_up_and_differ_by_one(rows in 1..300_u64, columns in 1..1_000_000_000_u64, share in 0.0..=1.0_f64) {
        let pruned = ((rows * columns) as f64 * share) as u64;
        let counts: Vec<u64> = pruned_per_row(rows, columns, pruned).expect("enough weights").collect();
        prop_assert_eq!(counts.len() as u64, rows);
        prop_assert_eq!(counts.iter().sum::<u64>(), pruned);
        let (least, most) = (counts.iter().min().expect("rows"), counts.iter().max().expect("rows"));
        prop_assert!(most - least <= 1 && *most <= columns);
    }
}

#[test]
fn a_factor_that_saturates_a_huge_value_keeps_it_saturated() {
    for small in [5.0, 1e-300] {
        let proposal = Proposal::RelativeSparsity(vec![small, -f64::MAX, f64::MAX]);
        let sparsity = budget(&proposal, &[26, 26, 52], 0.5, Bounds::default()).unwrap();
        assert!(sparsity[0] < 1e-12 && sparsity[1] == 0.0 && sparsity[2] == 1.0, "{sparsity:?}");
    }
}

#[test]
fn one_unit_gets_the_target() {
    for target in [0.0, 0.3, 0.7, 1.0] {
        for proposal in proposals(&[f64::MAX], &[12_345], target, 0.1) {
            let sparsity = budget(&proposal, &[12_345], target, Bounds::default()).unwrap();
            assert!((sparsity[0] - target).abs() <= 1e-12, "{sparsity:?}");
        }
    }
}

#[test]
fn a_hundred_thousand_units_take_no_time() {
    let units = 100_000;
    let importances: Vec<f64> = (0..units).map(|i| f64::from(i).sin() * 1e6).collect();
    let sizes: Vec<u64> = (0..u64::from(units as u32)).map(|i| 1 + i * 7919 % 100_003).collect();
    let start = std::time::Instant::now();
    let proposal = scale(&importances, &sizes, 0.7, 2.0).unwrap();
    let sparsity = budget(&proposal, &sizes, 0.7, Bounds::default()).unwrap();
    assert!((mean_sparsity(&sparsity, &sizes).unwrap() - 0.7).abs() <= 1e-12);
    assert!(start.elapsed().as_secs_f64() < 2.0, "{:?}", start.elapsed());
}

#[test]
fn counts_hold_for_a_trillion_weights() {
    let sizes: Vec<Vec<u64>> = (0..1000).map(|i| vec![900_000_000 + i, 100_000_000 - 7 * i]).collect();
    let parameters: Vec<u64> = sizes.iter().map(|unit| unit.iter().sum()).collect();
    let importances: Vec<f64> = (0..1000).map(|i| f64::from(i).cos()).collect();
    let proposal = scale(&importances, &parameters, 0.7, 0.3).unwrap();
    let sparsity = budget(&proposal, &parameters, 0.7, Bounds::default()).unwrap();
    let counts = round(&sparsity, &sizes, 0.7).unwrap();
    let total: u64 = parameters.iter().sum();
    assert_eq!(counts.total(), pruned_total(0.7, total).unwrap());
    assert_eq!(counts.projections.iter().flatten().sum::<u64>(), counts.total());
    let rows: u64 = (0..1_000_000).map(|row| pruned_in_row(row, 1_000_000, 700_000_000_003)).sum();
    assert_eq!(rows, 700_000_000_003);
}

#[test]
fn published_formulas_by_hand() {
    // OWL: keep = 1 - T + 2 lambda (z - mean z), with z = 0, 1/2, 1 and so no clamp.
    let owl = scale(&[1.0, 2.0, 3.0], &[10, 10, 10], 0.7, 0.08).unwrap();
    assert_close(owl.values(), &[0.78, 0.7, 0.62]);
    // AlphaPruning: ratios 1.3, 1, 0.7, and eta = 0.7.
    let alpha = rescale(&[1.0, 2.0, 3.0], &[10, 10, 10], 0.7, 0.3).unwrap();
    assert_close(alpha.values(), &[0.91, 0.7, 0.49]);
    // ER: densities 1 : 2 : 5 that add up to 1.5 would be 3/16, 3/8, 15/16.
    let er = proportional(&[1.0, 2.0, 5.0], &[10, 10, 10], 0.5).unwrap();
    assert_close(er.values(), &[0.1875, 0.375, 0.9375]);
    // With 2 : 3 : 10 the last would be 1 exactly; with 1 : 1 : 10 it is capped, and the others share the rest.
    let capped = proportional(&[1.0, 1.0, 10.0], &[10, 10, 10], 0.5).unwrap();
    let sparsity = budget(&capped, &[10, 10, 10], 0.5, Bounds::default()).unwrap();
    assert_close(&sparsity, &[0.75, 0.75, 0.0]);
    // ATP: T - beta (L - 1) / 2 + beta i.
    let atp = ramp(&[0.0, 1.0, 2.0, 3.0], 0.7, 0.02).unwrap();
    assert_close(atp.values(), &[0.67, 0.69, 0.71, 0.73]);
    // Weighted by parameters, the mean of z is 3/4 here.
    let weighted = scale(&[0.0, 1.0], &[1, 3], 0.5, 0.1).unwrap();
    assert_close(weighted.values(), &[0.65, 0.45]);
}

#[test]
fn huge_proposals_keep_their_small_differences() {
    // 1e15 + 1/8, /4 and /2 are closer together than the resolution of a shift by 1e15, if it were computed.
    let proposal = Proposal::Sparsity(vec![1e15 + 0.125, 1e15 + 0.25, 1e15 + 0.5, -1e300]);
    let sparsity = budget(&proposal, &[1, 1, 1, 1], 0.5, Bounds::default()).unwrap();
    assert_close(&sparsity, &[0.5, 0.625, 0.875, 0.0]);
    let proposal = Proposal::RelativeDensity(vec![1e300, 1e-300, 3e-300, 0.0]);
    let sparsity = budget(&proposal, &[1, 1, 1, 1], 0.5, Bounds::default()).unwrap();
    assert_close(&sparsity, &[0.0, 0.75, 0.25, 1.0]);
}

#[test]
fn units_that_no_factor_moves_share_the_rest() {
    // The proportion can keep at most half of the weights; the target keeps 80 %.
    let proposal = proportional(&[1.0, 0.0, 0.0], &[2, 1, 1], 0.2).unwrap();
    let sparsity = budget(&proposal, &[2, 1, 1], 0.2, Bounds::default()).unwrap();
    assert_close(&sparsity, &[0.0, 0.4, 0.4]);
}

#[test]
fn equal_importances_are_uniform_to_the_bit() {
    for made in [
        scale(&[3.0; 4], &[1, 2, 3, 4], 0.7, 0.08),
        rescale(&[-3.0; 4], &[1, 2, 3, 4], 0.7, 0.3),
        proportional(&[0.0; 4], &[1, 2, 3, 4], 0.7),
    ] {
        let sparsity = budget(&made.unwrap(), &[1, 2, 3, 4], 0.7, Bounds::default()).unwrap();
        assert_eq!(sparsity, [0.7; 4]);
    }
}

#[test]
fn ties_go_to_the_lower_index() {
    let counts = round(&[0.5; 3], &[vec![1, 2], vec![3], vec![3]], 0.5).unwrap();
    assert_eq!(counts.units, [2, 2, 1]);
    assert_eq!(counts.projections, [vec![1, 1], vec![2], vec![1]]);
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let bounds = |lower, upper| Bounds::new(lower, upper).unwrap();
    let even = uniform(2, 0.7).unwrap();
    let infinite = Proposal::Sparsity(vec![0.5, f64::NEG_INFINITY]);
    let halves = [vec![50], vec![50]];
    let errors: [AllocationError; 14] = [
        budget(&even, &[1, 1], 0.7, bounds(0.8, 0.9)).unwrap_err(),
        budget(&even, &[1, 1], 0.7, bounds(0.2, 0.6)).unwrap_err(),
        budget(&infinite, &[1, 1], 0.7, Bounds::default()).unwrap_err(),
        Bounds::new(0.9, 0.8).unwrap_err(),
        Bounds::new(0.0, f64::NAN).unwrap_err(),
        proportional(&[1.0, -2.5], &[1, 1], 0.7).unwrap_err(),
        scale(&[1.0, f64::NAN], &[1, 1], 0.7, 0.08).unwrap_err(),
        scale(&[1.0, 2.0], &[1, 1], 70.0, 0.08).unwrap_err(),
        scale(&[1.0, 2.0], &[1, 1], 0.7, f64::INFINITY).unwrap_err(),
        scale(&[1.0], &[1, 1], 0.7, 0.08).unwrap_err(),
        scale(&[1.0, 2.0], &[0, 0], 0.7, 0.08).unwrap_err(),
        round(&[0.5, 0.5], &halves, 0.7).unwrap_err(),
        round(&[0.5, 1.5], &halves, 0.7).unwrap_err(),
        pruned_per_row(2, 3, 7).map(|_| ()).unwrap_err(),
    ];
    let messages: Vec<String> = errors.iter().map(|error| error.to_string()).collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn an_allocation_counts_what_it_realises() {
    let unit = |name: &str, sizes: [u64; 2]| Unit {
        name: name.to_owned(),
        projections: (["a", "b"].iter().zip(sizes))
            .map(|(part, parameters)| Projection { name: format!("{name}.{part}"), parameters })
            .collect(),
    };
    let units = [unit("block 0", [10, 7]), unit("block 1", [10, 6])];
    let sparsity =
        budget(&scale(&[2.0, 1.0], &[17, 16], 0.7, 0.1).unwrap(), &[17, 16], 0.7, Bounds::default()).unwrap();
    let allocation = Allocation::new(0.7, &units, Some(&[2.0, 1.0]), &sparsity).unwrap();
    assert_eq!((allocation.pruned(), allocation.parameters()), (23, 33));
    assert_eq!(allocation.achieved(), 23.0 / 33.0);
    let text = serde_json::to_string(&allocation).unwrap();
    assert_eq!(serde_json::from_str::<Allocation>(&text).unwrap(), allocation);
    insta::assert_snapshot!(serde_json::to_string_pretty(&allocation).unwrap());
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }
}
