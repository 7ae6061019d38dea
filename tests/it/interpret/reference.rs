//! Compares every reduction and normaliser with a plain reference in f64.

use allot::data::{LinearData, ModelData};
use allot::interpret::units::{UnitData, units};
use allot::lang::types::UnitKind;

use crate::support::models::{Stored, evaluate_one, model, values};

/// Shapes: a row, a column, rows longer than a chunk or just shorter, whole chunks, and shapes that do not divide them.
const SHAPES: [(usize, usize); 9] =
    [(7, 1), (1, 9), (3, 1500), (5, 2048), (2, 1024), (70, 100), (4, 1023), (64, 48), (1, 1)];

const REDUCTIONS: [&str; 19] = [
    "mean",
    "sum",
    "std",
    "var",
    "min",
    "max",
    "median",
    "l1",
    "l2",
    "geomean",
    "entropy",
    "kurtosis",
    "gini",
    "quantile 0",
    "quantile 0.1",
    "quantile 0.5",
    "quantile 0.93",
    "quantile 1",
    "dsa::var",
];

/// Returns the call of a reduction such as `quantile 0.5`.
fn call(reduction: &str, x: &str, over: Option<&str>) -> String {
    let (name, p) = reduction
        .split_once(' ')
        .map_or((reduction, String::new()), |(name, p)| (name, format!(", p = {p}")));
    let over = over.map_or(String::new(), |over| format!(", over = {over}"));
    format!("{name}({x}{p}{over})")
}

/// Returns the value of a reduction by its definition.
fn reduced(reduction: &str, values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let sum = |term: &dyn Fn(f64) -> f64| values.iter().map(|x| term(*x)).sum::<f64>();
    let log = |x: f64| if x <= 0.0 { 0.0 } else { x.ln() };
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mean = sum(&|x| x) / n;
    let var = sum(&|x| (x - mean).powi(2)) / n;
    if let Some(p) = reduction.strip_prefix("quantile ") {
        let place = p.parse::<f64>().expect("a number") * (n - 1.0);
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        return below + (above - below) * place.fract();
    }
    match reduction {
        "mean" => mean,
        "sum" => sum(&|x| x),
        "std" => var.sqrt(),
        "var" => var,
        "dsa::var" => var * n / (n - 1.0),
        "min" => sorted[0],
        "max" => sorted[values.len() - 1],
        "median" => sorted[(values.len() - 1) / 2],
        "l1" => sum(&f64::abs),
        "l2" => sum(&|x| x * x).sqrt(),
        "geomean" => (sum(&log) / n).exp(),
        "entropy" => -sum(&|x| x * log(x)),
        "kurtosis" if var < 1e-30 => 0.0,
        "kurtosis" => sum(&|x| (x - mean).powi(4)) / n / (var * var),
        _ => {
            let mut sizes: Vec<f64> = values.iter().map(|x| x.abs()).collect();
            sizes.sort_by(f64::total_cmp);
            let weighted: f64 = sizes.iter().zip(1..).map(|(x, i)| (2.0 * f64::from(i) - n - 1.0) * x).sum();
            if weighted == 0.0 { 0.0 } else { weighted / (n * sum(&f64::abs)) }
        }
    }
}

fn normalised(normaliser: &str, values: &[f64]) -> Vec<f64> {
    let mean = reduced("mean", values);
    let std = reduced("std", values);
    let (min, max) = (reduced("min", values), reduced("max", values));
    let divide = |x: f64, y: f64| if y == 0.0 { 0.0 } else { x / y };
    let powers: f64 = values.iter().map(|x| (x - max).exp()).sum();
    let one = |x: f64| match normaliser {
        "zscore" => divide(x - mean, std),
        "minmax" => divide(x - min, max - min),
        "center" => x - mean,
        "softmax" => (x - max).exp() / powers,
        _ => {
            let less = values.iter().filter(|y| **y < x).count() as f64;
            let equal = values.iter().filter(|y| **y == x).count() as f64;
            divide(less + (equal - 1.0) / 2.0, values.len() as f64 - 1.0)
        }
    };
    values.iter().map(|x| one(*x)).collect()
}

/// Returns the matrix of an expression in a linear, rounded to f32 as elementwise chains are.
fn matrix(text: &str, linear: &LinearData<'_>) -> Vec<f64> {
    let norm = input(linear);
    (0..linear.rows * linear.columns)
        .map(|place| {
            let weight = linear.weight.get(place);
            match text {
                "weight" => f64::from(weight),
                _ => f64::from(weight.abs() * norm[place % linear.columns] as f32),
            }
        })
        .collect()
}

fn input(linear: &LinearData<'_>) -> Vec<f64> {
    linear.second_moment.iter().flat_map(|moment| moment.iter()).map(|x| f64::from(*x).sqrt()).collect()
}

/// Returns one number for each row or column.
fn along(reduction: &str, over: &str, linear: &LinearData<'_>, values: &[f64]) -> Vec<f64> {
    match over {
        "inputs" => values.chunks(linear.columns).map(|row| reduced(reduction, row)).collect(),
        _ => (0..linear.columns)
            .map(|column| {
                let column: Vec<f64> = values.iter().skip(column).step_by(linear.columns).copied().collect();
                reduced(reduction, &column)
            })
            .collect(),
    }
}

fn linears<'m>(model: &'m ModelData<'m>, unit: &UnitData) -> Vec<&'m LinearData<'m>> {
    unit.linears.iter().map(|linear| &model.linears[*linear]).collect()
}

#[track_caller]
fn assert_near(found: f64, expected: f64, scale: f64, exact: bool, what: &str) {
    let allowed = if exact { 0.0 } else { 1e-6 * scale.max(expected.abs()) + 1e-300 };
    assert!((found - expected).abs() <= allowed, "{what}: {found}, not {expected}");
}

#[test]
fn reductions_of_every_shape_are_those_of_f64() {
    for (seed, stored) in [Stored::F32, Stored::F16, Stored::Bf16].into_iter().enumerate() {
        let model = model(2, &SHAPES, stored, 11 + seed as u64);
        for kind in UnitKind::ALL {
            let units = units(&model, kind);
            for reduction in REDUCTIONS {
                for operand in [
                    "weight",
                    "score",
                    "input_norm",
                    "sum(score, over = inputs)",
                    "mean(weight, over = outputs)",
                ] {
                    if reduction == "dsa::var" && kind != UnitKind::Block {
                        // NaN for the unit with one value.
                        continue;
                    }
                    let text = call(reduction, operand, None);
                    let found = evaluate_one(&text, &model, kind)
                        .unwrap_or_else(|error| panic!("{text}: {error}"))
                        .values;
                    for (unit, found) in units.iter().zip(found) {
                        let all: Vec<f64> = linears(&model, unit)
                            .into_iter()
                            .flat_map(|linear| match operand {
                                "input_norm" => input(linear),
                                "sum(score, over = inputs)" => {
                                    along("sum", "inputs", linear, &matrix("score", linear))
                                }
                                "mean(weight, over = outputs)" => {
                                    along("mean", "outputs", linear, &matrix("weight", linear))
                                }
                                _ => matrix(operand, linear),
                            })
                            .collect();
                        // Order statistics of weights are weights, so they are exact; sums have errors on the scale of their terms.
                        let exact =
                            matches!(reduction, "median" | "min" | "max" | "quantile 0" | "quantile 1")
                                && matches!(operand, "weight" | "score");
                        let scale = match reduction {
                            "sum" | "entropy" => reduced("l1", &all),
                            "mean" => reduced("l1", &all) / all.len() as f64,
                            _ => 0.0,
                        };
                        assert_near(
                            found,
                            reduced(reduction, &all),
                            scale,
                            exact,
                            &format!("{text}, {stored:?}, {}", unit.name),
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn reductions_along_channels_are_those_of_f64() {
    let model = model(1, &SHAPES, Stored::Bf16, 5);
    for reduction in REDUCTIONS.into_iter().filter(|reduction| *reduction != "dsa::var") {
        for over in ["inputs", "outputs"] {
            let text = format!("weight * 0 + {}", call(reduction, "score", Some(over)));
            for (index, linear) in model.linears.iter().enumerate() {
                let found = values(&text, &model, UnitKind::Block, index).expect("values");
                let scores = matrix("score", linear);
                let expected = along(reduction, over, linear, &scores);
                let scale = if reduction == "entropy" { reduced("max", &scores) } else { 0.0 };
                for (place, found) in found.into_iter().enumerate() {
                    let channel =
                        if over == "inputs" { place / linear.columns } else { place % linear.columns };
                    assert_near(found, expected[channel], scale, false, &format!("{text}, {}", linear.name));
                }
            }
        }
    }
}

#[test]
fn normalisers_of_every_shape_are_those_of_f64() {
    let model = model(2, &SHAPES[2..], Stored::F16, 23);
    for kind in UnitKind::ALL {
        for normaliser in ["zscore", "minmax", "center", "softmax", "ranks"] {
            for operand in ["weight", "score", "input_norm", "sum(score, over = inputs)"] {
                let text = format!("weight * 0 + {normaliser}({operand})");
                for unit in units(&model, kind) {
                    let linears = linears(&model, &unit);
                    let of = |linear: &LinearData<'_>| match operand {
                        "input_norm" => input(linear),
                        "weight" | "score" => matrix(operand, linear),
                        _ => along("sum", "inputs", linear, &matrix("score", linear)),
                    };
                    let all: Vec<f64> = linears.iter().flat_map(|linear| of(linear)).collect();
                    // The plain definition of ranks takes quadratic time.
                    if normaliser == "ranks" && all.len() > 8192 {
                        continue;
                    }
                    let mut expected = normalised(normaliser, &all).into_iter();
                    for (index, linear) in unit.linears.iter().zip(&linears) {
                        let found = values(&text, &model, kind, *index).expect("values");
                        let expected: Vec<f64> = expected.by_ref().take(of(linear).len()).collect();
                        let scale = expected.iter().fold(0.0_f64, |scale, x| scale.max(x.abs()));
                        for (place, found) in found.into_iter().enumerate() {
                            let expected = match operand {
                                "input_norm" => expected[place % linear.columns],
                                "weight" | "score" => expected[place],
                                _ => expected[place / linear.columns],
                            };
                            assert_near(found, expected, scale, false, &format!("{text}, {}", linear.name));
                        }
                    }
                }
            }
            let found =
                evaluate_one(&format!("{normaliser}(mean(score))"), &model, kind).expect("a value").values;
            let means = evaluate_one("mean(score)", &model, kind).expect("a value").values;
            for (found, expected) in found.into_iter().zip(normalised(normaliser, &means)) {
                assert_near(found, expected, 1.0, false, normaliser);
            }
        }
    }
}

#[test]
fn ranks_are_known_in_later_rounds_and_reads() {
    let model = model(3, &[(16, 20), (8, 30)], Stored::F32, 3);
    for text in [
        "mean(ranks(ranks(score) * weight) > 0.5)",
        // Another read, because smooth mixes the units.
        "mean(ranks(score) > mean(ranks(weight)) + 0 * smooth(mean(score)))",
        "mean(ranks(score) * minmax(mean(score)))",
    ] {
        let found =
            evaluate_one(text, &model, UnitKind::Block).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(found.values.iter().all(|value| (0.0..=1.0).contains(value)), "{text}: {:?}", found.values);
    }
}

#[test]
fn units_without_weights_and_scripts_without_reductions_do_no_harm() {
    let mut model = model(2, &[(4, 6), (0, 6), (3, 0)], Stored::F32, 3);
    let found = evaluate_one("mean(score) + sum(weight, over = inputs) |> sum", &model, UnitKind::Block);
    assert!(found.is_ok(), "{found:?}");
    assert!(evaluate_one("median(weight)", &model, UnitKind::Projection).is_err());
    assert!(evaluate_one("alpha_hill(weight)", &model, UnitKind::Projection).is_err());
    assert!(evaluate_one("dsa::determinant(weight)", &model, UnitKind::Block).is_err());
    let depth = evaluate_one("depth * 2 + target", &model, UnitKind::Block).expect("a value");
    assert_eq!(depth.values, [0.6, 2.6]);
    model.linears.clear();
    assert!(evaluate_one("depth", &model, UnitKind::Block).is_err());
}

#[test]
fn a_normaliser_of_one_value_is_zero() {
    let model = model(2, &[(1, 1)], Stored::F32, 3);
    for text in [
        "mean(dsa::normalize(weight))",
        "mean(zscore(weight))",
        "mean(minmax(input_norm))",
        "mean(dsa::normalize(input_norm))",
        "mean(ranks(weight))",
    ] {
        let found =
            evaluate_one(text, &model, UnitKind::Block).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found.values, [0.0, 0.0], "{text}");
    }
}
