//! Compares published methods as scripts with the results of their released code.

use allot::allocate::Bounds;
use allot::allocate::script::{Request, allocate};
use allot::interpret::evaluate::removed_by_threshold;
use allot::interpret::matrix::Processor;
use allot::lang::program::Metric;
use allot::lang::published;
use allot::lang::types::{Group, UnitKind};
use serde_json::Value;

use crate::support::models::{context, evaluate_one, matrix, script, wanda};
use crate::support::reference::{TinyStories, furthest, json, numbers};

#[test]
fn alpha_hill_is_that_of_alphapruning() {
    let (Some(json), Some(model)) = (json("tiny-stories-12l/alpha_metrics.json"), TinyStories::open()) else {
        return;
    };
    for (fit, key, allowed) in [("mid", "alpha_mid", 1e-6), ("peak_as_coded", "alpha_peak", 1e-3)] {
        let expected = numbers(&json["metrics"][key]["alpha"]);
        let text = format!("alpha_hill(weight, fit = {fit})");
        let found = evaluate_one(&text, &model.data(), UnitKind::Projection).expect("a value").values;
        let difference = found.iter().zip(&expected).map(|(a, b)| ((a - b) / b).abs()).fold(0.0, f64::max);
        assert!(difference <= allowed, "{fit}: {difference:.1e}");
    }
}

/// Returns a published script's text.
fn example(name: &str) -> String {
    published::find(name).unwrap_or_else(|| panic!("{name} is published")).source.to_owned()
}

/// Returns the script of a published method, and the largest allowed difference from its ratios.
fn said(record: &Value) -> Option<(String, f64)> {
    let parameter = |name: &str| record["params"][name].as_f64().expect("a parameter");
    Some(match record["method"].as_str()? {
        "uniform" => ("uniform()".to_owned(), 1e-12),
        "owl" => {
            let (outliers, lambda) = (parameter("M"), parameter("Lamda"));
            (format!("mean(score > {outliers} * mean(score)) |> scale(lambda = {lambda})"), 1e-6)
        }
        "dlp_mean_as_coded" => (format!("neg(mean(score)) |> scale(lambda = {})", parameter("alpha")), 1e-6),
        "dlp_median_paper" => (format!("neg(median(score)) |> scale(lambda = {})", parameter("alpha")), 1e-6),
        "alphapruning" => {
            // The code's q rises with prunability, so the importance is its negative. Its peak depends on a histogram's edges.
            let (fit, allowed) = match record["params"]["metric"].as_str()? {
                "alpha_mid" => ("mid", 1e-6),
                _ => ("peak_as_coded", 1e-4),
            };
            let epsilon = parameter("epsilon");
            (format!("neg(alpha_hill(weight, fit = {fit})) |> rescale(epsilon = {epsilon})"), allowed)
        }
        "atp" => (format!("ramp(beta = {})", parameter("beta")), 1e-9),
        "er" => ("unit projection\n(fan_in + fan_out) / (fan_in * fan_out) |> proportional".to_owned(), 1e-6),
        "er_plus_last_linear_dense" => (example("er_plus"), 1e-6),
        "er_plus_as_coded_all_down_proj_dense" => (example("er_plus_as_coded"), 1e-6),
        "er_plus_last_block_dense" => {
            let er = "(fan_in + fan_out) / (fan_in * fan_out)";
            (format!("unit projection\n{er} + 1e6 * (depth >= 1) |> proportional"), 1e-6)
        }
        _ => return None,
    })
}

#[test]
fn published_allocations_are_those_of_the_released_code() {
    let (Some(json), Some(model)) = (json("tiny-stories-12l/alloc.json"), TinyStories::open()) else {
        return;
    };
    let data = model.data();
    let metric = Metric { per: Group::Row, score: wanda() };
    let mut compared = 0;
    let mut wrong = Vec::new();
    for record in json["records"].as_array().expect("records") {
        let Some((source, allowed)) = said(record) else { continue };
        let target = record["S"].as_f64().expect("a sparsity");
        let key = if source.contains("unit projection") { "s_per_linear" } else { "s_per_block" };
        // Where the reference refuses a target, it has no ratios; here the budget clamps.
        if record[key].is_null() {
            continue;
        }
        let expected = numbers(&record[key]);
        // The reference may ask for more than all weights; here the budget clamps and moves the rest elsewhere.
        if expected.iter().any(|share| *share > 1.0) {
            continue;
        }
        let request = Request {
            metric: &metric,
            unit: None,
            target,
            bounds: Bounds::default(),
            reductions: None,
            backend: &Processor,
        };
        let outcome = allocate(&script(&source), &data, request).expect("an allocation");
        let found: Vec<f64> = outcome.allocation.units.iter().map(|unit| unit.sparsity).collect();
        let difference = furthest(&found, &expected);
        if difference > allowed {
            wrong.push(format!("{source} at {target}: {difference:.1e}"));
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 47, "{compared}");
}

/// The released code removes every weight up to the threshold, including ties beyond the budget; ours stops at the budget. So the
/// linears agree exactly for the released count.
#[test]
fn a_global_threshold_removes_what_the_released_code_removes() {
    let (Some(json), Some(model)) = (json("tiny-stories-12l/alloc.json"), TinyStories::open()) else {
        return;
    };
    let data = model.data();
    let (metric, expr) = (wanda(), matrix("abs(weight)"));
    let context = context(&data, UnitKind::Projection, &metric);
    let mut compared = 0;
    for record in json["records"].as_array().expect("records") {
        if record["method"] != "global_magnitude" {
            continue;
        }
        let sizes = data.linears.iter().map(|linear| (linear.rows * linear.columns) as f64);
        let expected: Vec<u64> = numbers(&record["s_per_linear"])
            .iter()
            .zip(sizes)
            .map(|(share, size)| (share * size).round() as u64)
            .collect();
        let total: u64 = expected.iter().sum();
        let removed = removed_by_threshold(&expr, context, total).expect("counts");
        assert_eq!(removed, expected);
        // The exact budget is smaller only by the ties.
        let parameters: u64 = data.linears.iter().map(|linear| (linear.rows * linear.columns) as u64).sum();
        let budget = (record["S"].as_f64().expect("a sparsity") * parameters as f64).round() as u64;
        assert!(total >= budget && total - budget < parameters / 1000, "{total} and {budget}");
        compared += 1;
    }
    assert_eq!(compared, 3);
}
