//! `allot eval --marginals`: where an exchange of budget would still help.
#![cfg(unix)]

use serde_json::Value;

use crate::support::place::{MODEL, Place};

fn marginals(place: &Place, script: &str, more: &[&str]) -> Value {
    let texts = [format!("{MODEL}/text/calibration.jsonl"), format!("{MODEL}/text/report.jsonl")];
    let mut arguments =
        vec!["eval", MODEL, script, "--text", &texts[0], "--length", "128", "--samples", "16"];
    arguments.extend(["--marginals", &texts[1], "--marginal-windows", "8", "--format", "json"]);
    arguments.extend(more);
    serde_json::from_slice(&place.run(place.allot(&arguments)).stdout).expect("JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn a_descended_allocation_is_flatter_than_uniform() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    let mut arguments = vec!["descend", MODEL, "--texts", &texts, "--sparsity", "0.6", "--length", "128"];
    arguments.extend([
        "--samples",
        "16",
        "--steps",
        "6",
        "--step-windows",
        "8",
        "--check",
        "6",
        "--windows",
        "4",
    ]);
    arguments.extend(["--report-windows", "1", "--out"]);
    for unit in ["projection", "row"] {
        place.run(place.allot(&[&arguments[..], &[unit, "--unit", unit]].concat()));
        let uniform = marginals(&place, "uniform", &["--sparsity", "0.6", "--unit", unit]);
        let found = marginals(&place, &format!("{unit}/0.6.json"), &[]);
        assert!(number(&found["unevenness"]) < 0.8 * number(&uniform["unevenness"]), "{unit}: {found}");
        assert!(number(&found["loss"]) < number(&uniform["loss"]), "{unit}: {found}");
        let units = found["units"].as_array().expect("a list");
        assert_eq!(units.len(), 84);
        assert!(units.iter().all(|it| number(&it["error"]) > 0.0), "{found}");
        assert_eq!(found["tokens"], 3 * 8 * 128);
        assert_eq!(found["rows"].is_null(), unit == "projection");
        if unit == "row" {
            let spread = |it: &Value| number(&it["rows"]["unevenness"]);
            assert!(spread(&found) < spread(&uniform), "{found}");
        }
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = Place::new();
    let text = format!("{MODEL}/text/fitness.jsonl");
    let base = ["eval", MODEL, "uniform", "--sparsity", "0.6", "--marginals", &text, "--length", "32"];
    for (more, word) in [
        (&["--marginal-windows", "1"][..], "scores weights by their inputs"),
        (&["--method", "magnitude", "--unit", "row"], "over whole matrices"),
        (&["--rows"], "cannot be used with"),
    ] {
        let output = place.allot(&[&base[..], more].concat()).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(word), "{more:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}
