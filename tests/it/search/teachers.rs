//! Searches that learn from a descent: they approach it, they are reproducible, and unsuitable descents are
//! refused.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;

use allot::search::folder;
use serde_json::Value;

use crate::support::place::{MODEL, Place};

const SMALL: [&str; 8] = ["--length", "32", "--samples", "4", "--windows", "4", "--report-windows", "4"];

/// Descends for a few steps.
fn descend(place: &Place, out: &str, more: &[&str]) {
    let texts = format!("{MODEL}/text");
    let mut command = place.allot(&["descend", MODEL, "--texts", &texts, "--out", out, "--steps", "6"]);
    command.args(SMALL).args(["--step-windows", "4", "--check", "3"]);
    if !more.contains(&"--sparsity") {
        command.args(["--sparsity", "0.7"]);
    }
    command.args(more);
    place.run(command);
}

/// Returns the command for a small search with a teacher.
fn search(place: &Place, run: &str, teacher: &str, more: &[&str]) -> Command {
    let texts = format!("{MODEL}/text");
    let mut command = place.allot(&["search", MODEL, "--texts", &texts, "--out", run, "--teacher", teacher]);
    command.args(SMALL).args(["--evaluations", "40"]);
    if !more.contains(&"--sparsity") {
        command.args(["--sparsity", "0.7"]);
    }
    command.args(more);
    command
}

/// Returns the distances of all measured allocations, in order.
fn distances(place: &Place, run: &str) -> Vec<f64> {
    let text = fs::read_to_string(place.path(run).join("measured.jsonl")).expect("a file");
    let distance = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["distance"].as_f64().expect("a search with teachers")
    };
    text.lines().map(distance).collect()
}

#[test]
fn a_search_approaches_its_teacher_with_any_number_of_threads() {
    let place = Place::new();
    descend(&place, "found", &[]);
    descend(&place, "other", &["--seed", "1"]);
    for threads in ["1", "2"] {
        let mut command = search(&place, threads, "found", &["--held-out-teacher", "other", "--lag", "8"]);
        command.env("RAYON_NUM_THREADS", threads);
        let output = place.run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("teachers judged") && said.contains("a second"), "{said}");
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(table.contains("Distance from") && table.contains("which was held out"), "{table}");
    }
    place.same("1", "2");

    let summary = folder::read(&place.path("1")).expect("a summary");
    let held_out: Vec<bool> = summary.teachers.iter().map(|it| it.held_out).collect();
    assert_eq!(held_out, [false, true]);
    let spent = &summary.runs[0].spent;
    assert!(spent.judged.formulas > 20 * spent.evaluations, "{spent:?}");
    // The published allocations come first, and uniform sparsity is one of them.
    let distances = distances(&place, "1");
    let published = summary.published.len();
    let lowest = |some: &[f64]| some.iter().copied().fold(f64::INFINITY, f64::min);
    assert!((distances[..published].iter().any(|it| (it - 1.0).abs() < 1e-3)), "{distances:?}");
    let (before, after) = (lowest(&distances[..published]), lowest(&distances[published..]));
    assert!(after < 0.8 * before, "{before} {after}");
    let script = fs::read_to_string(place.path("1").join("best.allot")).expect("a script");
    assert!(script.contains("# Teachers: ") && script.contains("found"), "{script}");
}

#[test]
fn a_search_resumes_only_with_its_own_teacher() {
    let place = Place::new();
    descend(&place, "found", &[]);
    descend(&place, "other", &["--seed", "1"]);
    place.run(search(&place, "whole", "found", &[]));
    place.run(search(&place, "torn", "found", &[]));
    let journal = place.path("torn").join("journal.jsonl");
    let lines = fs::read_to_string(&journal).expect("a journal");
    fs::write(&journal, lines.split_inclusive('\n').take(9).collect::<String>()).expect("written");
    place.run(place.allot(&["search", "--resume", "torn"]));
    place.same("whole", "torn");

    fs::copy(place.path("other").join("0.7.json"), place.path("found").join("0.7.json")).expect("copied");
    let output = place.allot(&["search", "--resume", "torn"]).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("was started with other inputs: the teacher"), "{error}");
    let refused =
        place.allot(&["search", "--resume", "torn", "--teacher", "other"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
    place.same("whole", "torn");
}

#[test]
fn descents_that_do_not_fit_are_refused_before_anything_is_written() {
    let place = Place::new();
    descend(&place, "found", &[]);
    descend(&place, "blocks", &["--unit", "block"]);
    descend(&place, "magnitude", &["--method", "magnitude"]);
    descend(&place, "half", &["--sparsity", "0.5,0.6"]);
    fs::create_dir(place.path("mine")).expect("a folder");
    let copied = |name: &str, change: &dyn Fn(String) -> String| {
        fs::create_dir(place.path(name)).expect("a folder");
        for file in ["identity.json", "0.7.json"] {
            let text = fs::read_to_string(place.path("found").join(file)).expect("a file");
            let text = if file == "0.7.json" { change(text) } else { text };
            fs::write(place.path(name).join(file), text).expect("written");
        }
    };
    let fingerprint = |text: String| {
        let mut file: Value = serde_json::from_str(&text).expect("JSON");
        file["model"]["fingerprint"] = "sha256:0".into();
        file.to_string()
    };
    copied("elsewhere", &fingerprint);
    copied("torn", &|text| text[..text.len() / 2].to_owned());
    for (teacher, more, words) in [
        ("nowhere", &[][..], "nowhere"),
        ("mine", &[], "does not hold a finished descent"),
        ("torn", &[], "does not hold a finished descent"),
        ("elsewhere", &[], "another model"),
        ("half", &[], "it has 0.5 and 0.6"),
        ("magnitude", &[], "chose weights by"),
        ("blocks", &[], "one ratio to each block"),
        ("found", &["--unit", "block"], "one ratio to each projection"),
        ("found", &["--unit", "row"], "rows cannot learn"),
        ("found", &["--pattern", "2:4"], "by a pattern"),
        ("found", &["--held-out-teacher", "found"], "both a teacher and held out"),
        ("found", &["--dry-run"], "the plan does not include"),
    ] {
        let output = search(&place, "run", teacher, more).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(words), "{teacher} {more:?}: {error}");
        assert!(!place.path("run").exists(), "{teacher} {more:?}");
    }
    let alone = ["search", MODEL, "--sparsity", "0.7", "--out", "run", "--held-out-teacher", "found"];
    let output = place.allot(&alone).output().expect("the binary runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("without a teacher"));
    // A descent at several sparsities teaches at those of the search.
    let more = ["--sparsity", "0.6", "--also", "0.5"];
    place.run(search(&place, "several", "half", &more));
    let summary = folder::read(&place.path("several")).expect("a summary");
    let targets: Vec<(usize, f64)> = summary.teachers.iter().map(|it| (it.target, it.sparsity)).collect();
    assert_eq!(targets, [(0, 0.6), (1, 0.5)]);
    assert!(Path::new(&summary.teachers[0].teacher).ends_with("half"));
}
