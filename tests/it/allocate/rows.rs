//! One ratio for each output channel: properties of the ratios, of the counts of whole weights, and of scripts.

use allot::allocate::script::{Note, Outcome, Request, ScriptError, allocate};
use allot::allocate::{
    Bounds, RowCounts, Rows, RowsOf, budget, pruned_per_row, pruned_total, rescale, rescale_rows, scale,
    scale_rows,
};
use allot::data::ModelData;
use allot::interpret::error::InterpretError;
use allot::interpret::matrix::Processor;
use allot::lang::program::Metric;
use allot::lang::types::{Group, UnitKind};
use proptest::prelude::*;

use crate::support::models::{Stored, model, script, wanda};

/// Shapes of the models that scripts are evaluated on.
const SHAPES: [(usize, usize); 3] = [(40, 24), (17, 40), (230, 9)];

/// Projections with a few rows, and an importance for each row.
fn importances() -> impl Strategy<Value = (Rows, Vec<f64>)> {
    let projection = (1_usize..40, 1_usize..50);
    let value = prop_oneof![
        6 => -10.0..10.0_f64,
        2 => (-3..4).prop_map(f64::from),
        1 => (-300..300).prop_map(|exponent| 10.0_f64.powi(exponent)),
        1 => Just(0.0),
    ];
    prop::collection::vec(projection, 1..6).prop_flat_map(move |shapes| {
        let count = shapes.iter().map(|(rows, _)| rows).sum::<usize>();
        prop::collection::vec(value.clone(), count).prop_map(move |values| (rows(&shapes), values))
    })
}

fn rows(shapes: &[(usize, usize)]) -> Rows {
    let named = |(index, (rows, columns)): (usize, &(usize, usize))| RowsOf {
        name: format!("linear {index}"),
        rows: *rows,
        columns: *columns,
    };
    Rows::new(shapes.iter().enumerate().map(named).collect())
}

fn ratios(rows: &Rows, importances: &[f64], target: f64, lambda: f64, bounds: Bounds) -> Vec<f64> {
    let proposal = scale_rows(importances, rows, target, lambda).expect("a proposal");
    budget(&proposal, &rows.parameters(), target, bounds).expect("a budget")
}

proptest! {
    #[test]
    fn the_sum_is_exact_and_every_row_is_within_bounds(
        (rows, importances) in importances(),
        target in 0.0..=1.0_f64,
        lambda in 0.0..=1.0_f64,
        room in 0.0..=1.0_f64,
    ) {
        let bounds = Bounds::new(target * room, target + (1.0 - target) * (1.0 - room)).expect("bounds");
        let sparsity = ratios(&rows, &importances, target, lambda, bounds);
        prop_assert!(sparsity.iter().all(|it| (bounds.lower()..=bounds.upper()).contains(it)));
        let allocation = rows.allocation(target, Some(&importances), &sparsity).expect("an allocation");
        let total = rows.parameters().iter().sum();
        prop_assert_eq!(allocation.pruned(), pruned_total(target, total).expect("a share"));
        let mut sparsity = sparsity.iter();
        for (unit, of) in allocation.units.iter().zip(rows.projections()) {
            let counts = unit.projections[0].rows.as_ref().expect("counts of rows");
            prop_assert_eq!(counts.total(), unit.pruned);
            prop_assert_eq!(counts.counts().len(), of.rows);
            for count in counts.counts() {
                let wanted = sparsity.next().expect("a ratio") * of.columns as f64;
                prop_assert!((f64::from(*count) - wanted).abs() < 1.0 + 1e-6, "{} for {}", count, wanted);
                prop_assert!(*count as usize <= of.columns);
            }
        }
    }

    /// Where remainders are equal, other rows may be rounded up; nothing else may differ.
    #[test]
    fn rows_in_another_order_keep_their_counts(
        (rows, importances) in importances(),
        target in 0.0..=1.0_f64,
        turn in any::<prop::sample::Index>(),
    ) {
        let turned: Vec<f64> = rows
            .split(&importances)
            .flat_map(|of| {
                let mut of = of.to_vec();
                let by = turn.index(of.len());
                of.rotate_left(by);
                of
            })
            .collect();
        let before = ratios(&rows, &importances, target, 0.3, Bounds::default());
        let after = ratios(&rows, &turned, target, 0.3, Bounds::default());
        for (before, after) in rows.split(&before).zip(rows.split(&after)) {
            let mut before = before.to_vec();
            before.rotate_left(turn.index(after.len()));
            for (before, after) in before.iter().zip(after) {
                prop_assert!((before - after).abs() < 1e-12, "{} and {}", before, after);
            }
        }
        let counts = |sparsity: &[f64]| -> Vec<Vec<u32>> {
            let allocation = rows.allocation(target, None, sparsity).expect("an allocation");
            let of = |unit: &allot::allocate::UnitAllocation| unit.projections[0].rows.clone();
            allocation.units.iter().map(|unit| of(unit).expect("rows").into()).collect()
        };
        let ratios = rows.split(&before).zip(rows.projections());
        for ((mut counted, found), (ratios, of)) in counts(&before).into_iter().zip(counts(&after)).zip(ratios) {
            let by = turn.index(found.len());
            counted.rotate_left(by);
            let mut left: Vec<f64> = ratios.iter().map(|it| (it * of.columns as f64).fract()).collect();
            left.rotate_left(by);
            for row in 0..found.len() {
                let apart = |other: usize| (left[row] - left[other]).abs().min(1.0 - (left[row] - left[other]).abs());
                let alone = (0..found.len()).all(|other| other == row || apart(other) > 1e-6);
                prop_assert!(!alone || counted[row] == found[row], "row {}: {:?}, then {:?}", row, counted, found);
                prop_assert!(counted[row].abs_diff(found[row]) <= 1);
            }
        }
    }

    #[test]
    fn equal_importances_are_uniform(
        shapes in prop::collection::vec((1_usize..40, 1_usize..50), 1..6),
        value in -10.0..10.0_f64,
        target in 0.0..=1.0_f64,
    ) {
        let rows = rows(&shapes);
        let sparsity = ratios(&rows, &vec![value; rows.count()], target, 0.3, Bounds::default());
        prop_assert!(sparsity.iter().all(|it| *it == target));
        let allocation = rows.allocation(target, None, &sparsity).expect("an allocation");
        for (unit, (rows, columns)) in allocation.units.iter().zip(&shapes) {
            let even: Vec<u64> =
                pruned_per_row(*rows as u64, *columns as u64, unit.pruned).expect("room").collect();
            let counts = unit.projections[0].rows.as_ref().expect("rows");
            prop_assert!(counts.are_even());
            prop_assert_eq!(counts.counts().iter().map(|it| u64::from(*it)).collect::<Vec<_>>(), even);
        }
    }

    /// Importances that are equal within projections give the ratios of projections as units.
    #[test]
    fn rows_that_are_equal_within_a_projection_get_its_ratio(
        shapes in prop::collection::vec((1_usize..40, 1_usize..50), 2..6),
        values in prop::collection::vec(-10.0..10.0_f64, 6),
        target in 0.0..=1.0_f64,
    ) {
        let rows = rows(&shapes);
        let values = &values[..shapes.len()];
        let parameters: Vec<u64> = shapes.iter().map(|(rows, columns)| (rows * columns) as u64).collect();
        let each: Vec<f64> =
            shapes.iter().zip(values).flat_map(|((rows, _), value)| vec![*value; *rows]).collect();
        for (of_rows, of_projections) in [
            (scale_rows(&each, &rows, target, 0.2), scale(values, &parameters, target, 0.2)),
            (rescale_rows(&each, &rows, target, 0.2), rescale(values, &parameters, target, 0.2)),
        ] {
            let on = |proposal, parameters: &[u64]| {
                budget(&proposal, parameters, target, Bounds::default()).expect("a budget")
            };
            let of_rows = on(of_rows.expect("a proposal"), &rows.parameters());
            let of_projections = on(of_projections.expect("a proposal"), &parameters);
            for (rows, ratio) in rows.split(&of_rows).zip(of_projections) {
                prop_assert!(rows.iter().all(|it| (it - ratio).abs() < 1e-12), "{:?}, not {}", rows, ratio);
            }
        }
    }
}

#[test]
fn one_outlier_leaves_the_other_rows_unchanged() {
    let shapes = [(300, 8), (200, 8)];
    let rows = rows(&shapes);
    let ordinary: Vec<f64> = (0..500).map(|row| f64::from(row * 37 % 101)).collect();
    let before = ratios(&rows, &ordinary, 0.6, 0.2, Bounds::default());
    for (row, value) in [(3, 1e30), (3, -1e30), (299, 1e300), (480, 1e9)] {
        let mut strange = ordinary.clone();
        strange[row] = value;
        let after = ratios(&rows, &strange, 0.6, 0.2, Bounds::default());
        for (place, (before, after)) in before.iter().zip(&after).enumerate() {
            assert!(place == row || (before - after).abs() < 0.01, "row {place}: {after}, not {before}");
        }
    }
}

#[test]
fn remainders_are_spread_over_equal_rows() {
    let counts = |sparsity: &[f64], columns, pruned| -> Vec<u32> {
        RowCounts::round(sparsity, columns, pruned).into()
    };
    assert_eq!(counts(&[0.5; 8], 5, 20), [2, 3, 2, 3, 2, 3, 2, 3]);
    assert_eq!(counts(&[0.5; 8], 5, 18), [2, 2, 2, 3, 2, 2, 2, 3]);
    // The rows with the largest remainders come first, then the equal ones evenly.
    assert_eq!(counts(&[0.58, 0.5, 0.5, 0.5, 0.5], 5, 13), [3, 2, 3, 2, 3]);
    // Ratios that differ by rounding are equal.
    let third = 1.0 / 3.0;
    assert_eq!(counts(&[third, 0.1 + third - 0.1, third, third], 6, 8), [2, 2, 2, 2]);
    assert_eq!(counts(&[1.0, 0.0], 4, 4), [4, 0]);
    assert_eq!(RowCounts::round(&[1.0, 0.25, 1.0], 4, 9).dead(4), 2);
}

fn request(metric: &Metric) -> Request<'_> {
    Request {
        metric,
        unit: None,
        target: 0.6,
        bounds: Bounds::default(),
        reductions: None,
        backend: &Processor,
    }
}

fn outcome(text: &str, model: &ModelData<'_>) -> Result<Outcome, ScriptError> {
    let metric = Metric { per: Group::Row, score: wanda() };
    allocate(&script(text), model, request(&metric))
}

#[test]
fn a_script_gives_each_row_a_ratio() {
    let model = model(2, &SHAPES, Stored::F32, 9);
    for text in [
        "mean(score, over = inputs) |> scale(lambda = 0.2)",
        "log(sum(score, over = inputs)) |> rescale",
        "mean(score, over = inputs) |> proportional",
        "zscore(mean(score, over = inputs)) + depth |> scale",
        "ranks(mean(score, over = inputs)) * mean(score) |> scale",
        "score |> global",
    ] {
        let outcome = outcome(&format!("unit row\n{text}"), &model).expect("an allocation");
        assert_eq!(outcome.unit, UnitKind::Row);
        let counts = |unit: &allot::allocate::UnitAllocation| unit.projections[0].rows.clone();
        let rows: Vec<RowCounts> =
            outcome.allocation.units.iter().map(|unit| counts(unit).expect("rows")).collect();
        assert!(rows.iter().zip(&model.linears).all(|(it, linear)| it.counts().len() == linear.rows));
        assert!(rows.iter().any(|it| !it.are_even()), "{text} tells rows apart");
        assert_eq!(outcome.allocation.achieved(), (0.6 * 7420.0_f64).round() / 7420.0, "{text}");
    }
}

#[test]
fn one_threshold_removes_the_smaller_weights_of_each_row() {
    let model = model(2, &SHAPES, Stored::F32, 9);
    let outcome = outcome("unit row\nscore |> global", &model).expect("an allocation");
    let mut scores: Vec<(f32, usize, usize)> = Vec::new();
    for (place, linear) in model.linears.iter().enumerate() {
        let norms: Vec<f32> =
            linear.second_moment.as_ref().expect("moments").iter().map(|it| it.sqrt()).collect();
        for at in 0..linear.rows * linear.columns {
            scores.push((
                linear.weight.get(at).abs() * norms[at % linear.columns],
                place,
                at / linear.columns,
            ));
        }
    }
    scores.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut expected: Vec<Vec<u32>> = model.linears.iter().map(|it| vec![0; it.rows]).collect();
    let pruned = outcome.allocation.pruned() as usize;
    assert!(scores[pruned - 1].0 < scores[pruned].0, "no ties at the threshold");
    for (_, linear, row) in &scores[..pruned] {
        expected[*linear][*row] += 1;
    }
    for (unit, expected) in outcome.allocation.units.iter().zip(expected) {
        assert_eq!(unit.projections[0].rows, Some(RowCounts::from(expected)), "{}", unit.name);
    }
}

#[test]
fn an_importance_of_projections_gives_rows_their_ratio() {
    let model = model(2, &SHAPES, Stored::F32, 9);
    for text in ["mean(score) |> scale", "uniform()", "ramp(beta = 0.1)", "fan_in + depth |> scale"] {
        let of_rows = outcome(&format!("unit row\n{text}"), &model).expect("an allocation");
        let of_projections = outcome(&format!("unit projection\n{text}"), &model).expect("an allocation");
        assert_eq!(of_rows.allocation, of_projections.allocation, "{text}");
    }
    // The same numbers, one for each row.
    let text = "mean(score) + 0 * sum(score, over = inputs) |> scale";
    let of_rows = outcome(&format!("unit row\n{text}"), &model).expect("an allocation").allocation;
    let of_projections =
        outcome("unit projection\nmean(score) |> scale", &model).expect("an allocation").allocation;
    for (rows, projection) in of_rows.units.iter().zip(&of_projections.units) {
        assert_eq!(rows.pruned, projection.pruned, "{}", rows.name);
        assert!(rows.projections[0].rows.as_ref().expect("rows").are_even(), "{}", rows.name);
    }
}

#[test]
fn an_importance_of_rows_needs_rows_as_units() {
    let model = model(1, &SHAPES, Stored::F32, 9);
    let metric = Metric { per: Group::Row, score: wanda() };
    let script = script("unit row\nmean(score, over = inputs) |> scale");
    let asked = Request { unit: Some(UnitKind::Projection), ..request(&metric) };
    let error = allocate(&script, &model, asked).expect_err("projections have one ratio");
    assert!(
        matches!(error, ScriptError::Interpret(InterpretError::NeedsRows { unit: UnitKind::Projection, .. })),
        "{error}"
    );
}

#[test]
fn rounding_is_not_an_importance_of_rows() {
    let model = model(2, &SHAPES, Stored::F32, 9);
    let noise = outcome("unit row\nmean(score / mean(score, over = inputs), over = inputs) |> scale", &model);
    let noise = noise.expect("an allocation");
    assert_eq!(noise.notes, [Note::Noise]);
    assert!(noise.allocation.units.iter().all(|unit| unit.sparsity == 0.6));
    let signal = outcome("unit row\nmean(score, over = inputs) |> scale", &model).expect("an allocation");
    assert!(!signal.allocation.noise);
}

#[test]
fn dead_rows_are_counted() {
    let model = model(2, &SHAPES, Stored::F32, 9);
    let outcome = outcome("unit row\nmean(score, over = inputs) |> scale(lambda = 1)", &model);
    let outcome = outcome.expect("an allocation");
    let dead = outcome.allocation.dead_rows();
    assert!(dead > 0);
    assert_eq!(outcome.notes, [Note::DeadRows { rows: dead }]);
}
