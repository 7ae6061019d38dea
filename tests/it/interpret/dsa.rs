//! Compares DSA's graph strings with the results of its released engine.

use crate::support::reference::{TinyStories, furthest, json, number, numbers};
use allot::allocate::Bounds;
use allot::allocate::script::{Note, Outcome, Request, ScriptError, allocate_all};
use allot::exchange::dsa;
use allot::interpret::matrix::Processor;
use allot::lang::check::{CheckOptions, check};
use allot::lang::program::{Metric, Script};
use allot::lang::published;

struct Record {
    graph: String,
    status: String,
    stable: bool,
    moved: f64,
    sparsity: Vec<f64>,
    importance: Vec<f64>,
}

fn records() -> Option<Vec<Record>> {
    let mut records = Vec::new();
    for file in ["dsa.json", "dsa_exhaustive.json"] {
        let json = json(&format!("tiny-stories-12l/{file}"))?;
        for record in json["records"].as_array().expect("records") {
            let list = |key: &str| record.get(key).map(numbers).unwrap_or_default();
            records.push(Record {
                graph: record["graph"].as_str().expect("a graph").to_owned(),
                status: record["status"].as_str().expect("a status").to_owned(),
                stable: record["numerically_stable"].as_bool().unwrap_or(false),
                moved: record.get("float64_max_s_difference").filter(|x| !x.is_null()).map_or(0.0, number),
                sparsity: list("s_per_block"),
                importance: list("importance"),
            });
        }
    }
    Some(records)
}

fn wanda() -> Metric {
    let source = published::find("wanda").expect("published").source;
    check(source, CheckOptions::default()).script.expect("well typed").metric.expect("a metric")
}

/// Evaluates graph strings together.
fn outcomes(model: &TinyStories, graphs: &[&str]) -> Vec<Result<Outcome, ScriptError>> {
    let scripts: Vec<Script> = graphs.iter().map(|graph| dsa::import(graph).expect("importable")).collect();
    let metric = wanda();
    let request = Request {
        metric: &metric,
        unit: None,
        target: 0.7,
        bounds: Bounds::default(),
        reductions: None,
        backend: &Processor,
    };
    allocate_all(&scripts.iter().collect::<Vec<_>>(), &model.data(), request)
}

fn sparsity(outcome: &Outcome) -> Vec<f64> {
    outcome.allocation.units.iter().map(|unit| unit.sparsity).collect()
}

/// Returns the ratios of the engine's importances, by the formula that all of its callers share.
fn scaled(importance: &[f64]) -> Vec<f64> {
    let least = importance.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = importance.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let keep: Vec<f64> = importance.iter().map(|x| 1.0 - (x - least) / (greatest - least)).collect();
    let mean = keep.iter().sum::<f64>() / keep.len() as f64;
    keep.iter().map(|keep| 0.7 - 0.16 * (keep - mean)).collect()
}

#[test]
fn stable_formulas_give_the_engines_ratios() {
    let (Some(records), Some(model)) = (records(), TinyStories::open()) else { return };
    let wanted: Vec<&Record> = records.iter().filter(|record| record.stable).collect();
    let graphs: Vec<&str> = wanted.iter().map(|record| record.graph.as_str()).collect();
    let mut worst = Vec::new();
    for (record, outcome) in wanted.iter().zip(outcomes(&model, &graphs)) {
        let found = sparsity(&outcome.expect("a value"));
        let expected =
            if record.sparsity.is_empty() { scaled(&record.importance) } else { record.sparsity.clone() };
        let allowed = (3.0 * record.moved).max(1e-6);
        let difference = furthest(&found, &expected);
        if difference > allowed {
            worst.push(format!(
                "{} ({}): {difference:.2e}, allowed {allowed:.2e}",
                record.graph, record.status
            ));
        }
    }
    assert!(worst.is_empty(), "{} of {}:\n{}", worst.len(), wanted.len(), worst.join("\n"));
    assert!(wanted.len() > 300);
}

#[test]
fn constant_and_unstable_formulas_are_uniform_with_a_warning() {
    let (Some(records), Some(model)) = (records(), TinyStories::open()) else { return };
    let wanted: Vec<&Record> =
        records.iter().filter(|record| record.status != "raises" && !record.stable).collect();
    let graphs: Vec<&str> = wanted.iter().map(|record| record.graph.as_str()).collect();
    let mut wrong = Vec::new();
    for (record, outcome) in wanted.iter().zip(outcomes(&model, &graphs)) {
        let outcome = outcome.expect("a value");
        let found = sparsity(&outcome);
        let uniform = furthest(&found, &[0.7; 12]) < 1e-12;
        // A formula that the engine's rounding moves by less than a hundredth of the window counts as signal here.
        let signal = record.moved < 0.01 * 0.16
            && !record.importance.is_empty()
            && furthest(&found, &scaled(&record.importance)) <= 3.0 * record.moved;
        if signal {
            continue;
        }
        let warned = outcome.notes.iter().any(|note| matches!(note, Note::Noise | Note::Constant));
        if !uniform || !warned {
            let values: Vec<_> = outcome.allocation.units.iter().map(|unit| unit.importance).collect();
            wrong.push(format!("{} ({}, {:.1e}): {values:?}", record.graph, record.status, record.moved));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), wanted.len(), wrong.join("\n"));
    assert!(wanted.len() > 100);
}

#[test]
fn formulas_that_crash_the_engine_have_a_value_where_they_are_defined() {
    let Some(model) = TinyStories::open() else { return };
    let graphs = [
        "W:(NO_OP)-(GRAM)-(NO_OP)-(7)",
        "W:(NO_OP)-(RANK)-(NO_OP)-(7)",
        "W:(NO_OP)-(SLOGDET)-(ATAN)-(7)",
        "W:(ABS)-(CORREF)-(NO_OP)-(7)",
        "W:(LOG)-(DIAGONAL)-(NO_OP)-(7)",
    ];
    for (graph, outcome) in graphs.iter().zip(outcomes(&model, &graphs)) {
        let outcome = outcome.unwrap_or_else(|error| panic!("{graph}: {error}"));
        assert!(
            outcome.allocation.units.iter().all(|unit| unit.importance.is_some_and(f64::is_finite)),
            "{graph}"
        );
    }
}
