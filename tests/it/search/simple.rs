//! The scripts that a search writes: simplified formulas that prune the same weights, the value of their
//! parts, and comments on how they were found.

use std::fs;

use allot::search::summary::{Formula, Summary};
use serde_json::Value;

use crate::support::place::{MODEL, Place};

const WINDOWS: [&str; 4] = ["--length", "32", "--samples", "4"];

/// A function that performs well, with constants and an operator that have no effect.
const SILLY: &str =
    "unit projection\n3 * (0.46 * gate + relu(geomean(gradient))) + 0.125 |> scale(lambda = 0.6)\n";

/// Runs a small search that starts with that function too.
fn searched() -> (Place, Summary) {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    let small = ["--texts", &texts, "--windows", "4", "--report-windows", "2", "--evaluations", "40"];
    fs::write(place.path("silly.allot"), SILLY).expect("written");
    let own = ["search", MODEL, "-s", "0.6", "--include", "silly.allot", "--out", "run"];
    let words = [&own[..], &WINDOWS, &small];
    place.run(place.allot(&words.concat()));
    let summary = fs::read(place.path("run/summary.json")).expect("a summary");
    (place, serde_json::from_slice(&summary).expect("a summary"))
}

/// Returns the number of weights that each projection loses with a script.
fn pruned(place: &Place, script: &str) -> Vec<u64> {
    fs::write(place.path("one.allot"), script).expect("written");
    let text = format!("{MODEL}/text/calibration.jsonl");
    let words = [&["eval", MODEL, "one.allot", "-s", "0.6", "--text", &text][..], &WINDOWS];
    let output = place.run(place.allot(&[&words.concat()[..], &["--format", "json"]].concat()));
    let data: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let units = data["units"].as_array().expect("units");
    let projections = units.iter().flat_map(|it| it["projections"].as_array().expect("projections"));
    projections.map(|it| it["pruned"].as_u64().expect("a count")).collect()
}

#[test]
fn simplified_formulas_prune_the_same_weights() {
    let (place, summary) = searched();
    let runs = summary.runs.iter().map(|it| &it.best);
    let all = summary.front.iter().chain(runs).chain([&summary.best]).filter_map(|it| it.formula.as_ref());
    let simplified: Vec<(&Formula, &String)> = all.filter_map(|it| Some((it, it.found.as_ref()?))).collect();
    assert!(!simplified.is_empty(), "nothing was simplified: {summary:#?}");
    for (formula, found) in simplified {
        assert_ne!(formula.script, *found);
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
        let (now, before) = (formula.script.len(), found.len());
        assert!(now < before || digits(&formula.script) < digits(found), "{found}{}", formula.script);
        assert_eq!(pruned(&place, &formula.script), pruned(&place, found), "{found}{}", formula.script);
    }
    // The front is still a front after simplification.
    let sizes: Vec<usize> = summary.front.iter().filter_map(|it| Some(it.formula.as_ref()?.size)).collect();
    assert!(sizes.is_sorted_by(|a, b| a < b), "{sizes:?}");
    let losses: Vec<f64> = summary.front.iter().filter_map(|it| it.selection).collect();
    assert!(losses.is_sorted_by(|a, b| a > b), "{losses:?}");

    // Each part of the winner was left out.
    let script = &summary.best.formula.as_ref().expect("a formula").script;
    assert!((1..=8).contains(&summary.leaving_out.len()), "{:#?}", summary.leaving_out);
    let metric = script.lines().next().expect("a metric");
    for part in &summary.leaving_out {
        let rest = format!("{metric}\n{}", part.rest);
        assert_ne!(pruned(&place, &rest), pruned(&place, script), "{part:?}");
    }

    // The head of the script lists the texts and settings that it was found and measured with.
    let best = fs::read_to_string(place.path("run/best.allot")).expect("a script");
    for said in [
        "at 60 % sparsity.",
        "# Search: 40 evaluations, seed 0.",
        "# Learned on statistics of calibration.jsonl (4 windows, seed 0) and the fitness text fitness.jsonl (at most 4 windows), \
         chosen on the selection text selection.jsonl (at most 4 windows).",
        "# A window of a text has 32 tokens.",
        "# Measured at the end on the report text report.jsonl, 2 windows.",
    ] {
        assert!(best.contains(said), "{said}: {best}");
    }
}
