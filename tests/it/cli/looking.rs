//! Showing a search while it runs or after a stop, listing every measured formula, and extending or limiting a search.
#![cfg(unix)]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::place::{MODEL, Place};

fn search<'a>(texts: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let small =
        ["--texts", texts, "--length", "32", "--samples", "2", "--windows", "4", "--report-windows", "2"];
    [&["search", MODEL, "-s", "0.6", "--only", "score,depth,mean,std,neg,scale,multiply"][..], &small, more]
        .concat()
}

fn stdout(place: &Place, arguments: &[&str]) -> String {
    String::from_utf8(place.run(place.allot(arguments)).stdout).expect("UTF-8")
}

#[test]
fn an_unfinished_search_can_be_shown() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    let mut command = place.allot(&search(&texts, &["--evaluations", "100000", "--out", "run"]));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let begun = Instant::now();
    let measured = place.path("run/measured.jsonl");
    while fs::read_to_string(&measured).map_or(0, |text| text.lines().count()) < 30 {
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing is measured");
        std::thread::sleep(Duration::from_millis(50));
    }
    // The search runs.
    let said = stdout(&place, &["show", "run"]);
    assert!(said.contains("The search is not finished: search 1 of 1, evolution, seed 0: "), "{said}");
    assert!(said.contains("of 100,000 allocations measured") && said.contains("scale"), "{said}");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    child.wait_with_output().expect("it ends");
    // The search was stopped.
    let said = stdout(&place, &["show", "run"]);
    assert!(said.contains("continue with `allot search --resume run`"), "{said}");
    let all = stdout(&place, &["show", "run", "--all"]);
    assert!(all.lines().count() > 30, "{all}");
    let data: Value =
        serde_json::from_str(&stdout(&place, &["show", "run", "--format", "json"])).expect("JSON");
    assert_eq!(data["finished"], false);
}

#[test]
fn every_measured_formula_is_listed() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    place.run(place.allot(&search(&texts, &["--evaluations", "20", "--control", "random", "--out", "run"])));
    let csv = stdout(&place, &["show", "run", "--csv"]);
    assert!(csv.starts_with("search,searcher,seed,loss,full,size,hash,script\n"), "{csv}");
    let summary: Value =
        serde_json::from_slice(&fs::read(place.path("run/summary.json")).expect("a file")).expect("JSON");
    for (index, run) in summary["runs"].as_array().expect("runs").iter().enumerate() {
        let evaluations = run["spent"]["evaluations"].as_u64().expect("a count") as usize;
        let rows =
            csv.matches(&format!("\n{},{},0,", index + 1, run["searcher"].as_str().expect("a key"))).count();
        assert_eq!(rows, evaluations);
    }
    let shown: Value =
        serde_json::from_str(&stdout(&place, &["show", "run", "--all", "--format", "json"])).expect("JSON");
    let all = shown["formulas"].as_array().expect("formulas");
    let best = summary["best"]["formula"]["hash"].as_str().expect("a hash");
    assert!(all.iter().any(|it| it["hash"] == best || it["full"] == true));
    let table = stdout(&place, &["show", "run", "--all"]);
    let losses: Vec<f64> = table
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.trim_start_matches('~').parse().ok())
        .collect();
    assert_eq!(losses.len(), all.len());
    assert!(losses.is_sorted(), "{table}");
}

#[test]
fn an_extended_run_equals_a_run_with_more_evaluations() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    place.run(place.allot(&search(&texts, &["--evaluations", "12", "--out", "further"])));
    let fewer =
        place.allot(&["search", "--resume", "further", "--evaluations", "5"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&fewer.stderr).into_owned();
    assert!(said.contains("was started with 12 evaluations and cannot be resumed with 5"), "{said}");
    place.run(place.allot(&["search", "--resume", "further", "--evaluations", "30"]));
    place.run(place.allot(&search(&texts, &["--evaluations", "30", "--out", "whole"])));
    for file in ["summary.json", "best.allot", "measured.jsonl", "settings.json", "report.html"] {
        let [one, other] =
            ["further", "whole"].map(|run| fs::read(place.path(&format!("{run}/{file}"))).expect("a file"));
        assert!(one == other, "{file} differs");
    }
}

#[test]
fn patience_and_a_time_limit_end_a_search_with_results() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    let evaluations = |run: &str| {
        let bytes = fs::read(place.path(&format!("{run}/summary.json"))).expect("a summary");
        let summary: Value = serde_json::from_slice(&bytes).expect("JSON");
        summary["runs"][0]["spent"]["evaluations"].as_u64().expect("a count")
    };
    place
        .run(place.allot(&search(&texts, &["--evaluations", "400", "--patience", "24", "--out", "patient"])));
    assert!(evaluations("patient") < 400, "{}", evaluations("patient"));
    place.run(
        place.allot(&search(&texts, &["--evaluations", "100000", "--time-limit", "3s", "--out", "limited"])),
    );
    assert!(place.path("limited/best.allot").exists());
    assert!(evaluations("limited") < 100_000);
    let wrong =
        place.allot(&search(&texts, &["--time-limit", "soon", "--out", "w"])).output().expect("it runs");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("such as `45s`, `90m`, `8h` or `2d`"));
}
