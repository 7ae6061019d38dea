//! Searches for one function at several sparsities: reproducible, resumable, and reported at each sparsity.
#![cfg(unix)]

use std::fs;
use std::process::Command;

use allot::baselines::program::Baseline;
use allot::search::folder;
use allot::search::measured;
use allot::search::searcher::Searcher;
use allot::search::summary::Winner;
use serde_json::Value;

use crate::support::place::{MODEL, Place};

const SMALL: [&str; 8] = ["--length", "32", "--samples", "4", "--windows", "8", "--report-windows", "4"];

/// Returns the command for a small search at some sparsities.
fn search(place: &Place, run: &str, sparsity: &str, more: &[&str]) -> Command {
    let texts = format!("{MODEL}/text");
    let mut command =
        place.allot(&["search", MODEL, "--texts", &texts, "--sparsity", sparsity, "--out", run]);
    command.args(SMALL).args(["--evaluations", "40"]).args(more);
    command
}

#[test]
fn neither_threads_nor_a_kill_change_a_byte_at_any_lag() {
    let place = Place::new();
    let controls = ["--control", "evopress", "--report-sparsity", "0.6", "--lag"];
    for lag in ["1", "16"] {
        let [one, torn] = ["one", "torn"].map(|name| format!("{name}-{lag}"));
        for (run, threads) in [(&one, "1"), (&torn, "2")] {
            let mut command = search(&place, run, "0.5,0.7", &[&controls[..], &[lag]].concat());
            command.env("RAYON_NUM_THREADS", threads);
            place.run(command);
        }
        place.same(&one, &torn);
        // A killed run is left with some lines of the journal, and none of the results.
        let journal = place.path(&torn).join("journal.jsonl");
        let lines = fs::read_to_string(&journal).expect("a journal");
        let all = lines.lines().count();
        for kept in [all / 3, all - 2] {
            let some: String = lines.split_inclusive('\n').take(kept).collect();
            fs::write(&journal, some + "{\"text\":\"fit").expect("written");
            fs::remove_file(place.path(&torn).join("summary.json")).expect("removed");
            place.run(place.allot(&["search", "--resume", &torn]));
            place.same(&one, &torn);
        }
    }
}

#[test]
fn sparsities_in_a_list_are_settings() {
    let place = Place::new();
    place.run(search(&place, "list", "0.7,0.5", &[]));
    place.run(search(&place, "also", "0.7", &["--also", "0.5"]));
    place.same("list", "also");
}

#[test]
fn every_sparsity_is_reported_including_those_not_searched() {
    let place = Place::new();
    let more = ["--control", "random,evopress,ramp", "--report-sparsity", "0.6,0.4", "--seeds", "2"];
    let searched = place.run(search(&place, "run", "0.5,0.7", &more));
    let summary = folder::read(&place.path("run")).expect("a summary");
    assert_eq!(summary.unsearched, [0.6, 0.4]);
    let kl = |winner: &Winner| -> Vec<f64> {
        let searched = winner.report.iter().map(|it| it.kl);
        searched.chain(winner.unsearched.iter().flatten().map(|it| it.kl)).collect()
    };
    // More pruning does more damage: 0.4, 0.5, 0.6, 0.7.
    for winner in [&summary.best].into_iter().chain(&summary.published) {
        let [at_5, at_7, at_6, at_4] = kl(winner)[..] else { panic!("four sparsities: {winner:?}") };
        assert!(at_4 < at_5 && at_5 < at_6 && at_6 < at_7, "{winner:?}");
    }
    // Free ratios belong to their sparsity; formulas have ratios at any.
    for run in &summary.runs {
        let free = matches!(run.searcher, Searcher::Baseline(program) if program.is_of_one_target());
        assert_eq!(run.best.unsearched.len(), 2);
        assert!(run.best.unsearched.iter().all(|it| it.is_none() == free), "{:?}", run.best);
        assert_eq!(run.best.report.len(), 2);
    }
    // Random formulas, ramps, and two kinds of free levels, each at two settings.
    let settings: Vec<usize> = summary.comparisons.iter().map(|it| it.setting).collect();
    assert_eq!(settings, [0, 1].repeat(4));
    // The table, the page and the script state them.
    let shown = place.run(place.allot(&["show", "run"]));
    assert_eq!(searched.stdout, shown.stdout);
    let table = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(table.contains("60%†") && table.contains("at 40%, not searched"), "{table}");
    let page = fs::read_to_string(place.path("run").join("report.html")).expect("a page");
    assert!(page.contains("60%†") && page.contains("at 40%, not searched"));
    let script = fs::read_to_string(place.path("run").join("best.allot")).expect("a script");
    assert!(script.contains("at 60 % sparsity, where nothing was searched: divergence"), "{script}");

    // The figure is that of the script at that sparsity, pruned and measured by other commands.
    let script = place.path("run").join("best.allot");
    let script = script.to_str().expect("UTF-8");
    let calibration = format!("{MODEL}/text/calibration.jsonl");
    let mut prune = place.allot(&["prune", MODEL, script, "-s", "0.6", "--text", &calibration]);
    prune.args(["--length", "32", "--samples", "4", "--propagate", "dense", "--out", "pruned"]);
    place.run(prune);
    let report = format!("{MODEL}/text/report.jsonl");
    let measure = ["ppl", "pruned", "--text", &report, "--length", "32", "--limit", "4", "--format", "json"];
    let output = place.run(place.allot(&measure));
    let measured: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = measured["perplexity"].as_f64().expect("a number");
    let promised = summary.best.unsearched[0].as_ref().expect("a formula").perplexity;
    assert!((found / promised - 1.0).abs() < 1e-4, "{found} and {promised}");
}

#[test]
fn a_control_of_one_sparsity_runs_at_each() {
    let place = Place::new();
    let more = ["--control", "neuroal,evopress,descent"];
    place.run(search(&place, "both", "0.5,0.7", &more));
    place.run(search(&place, "alone", "0.7", &["--control", "neuroal"]));
    let [both, alone] = ["both", "alone"].map(|run| folder::read(&place.path(run)).expect("a summary"));
    let of = |program| {
        let found = both.runs.iter().find(|it| it.searcher == Searcher::Baseline(program));
        found.expect("a run")
    };
    // NeuroAL does not depend on a budget: at 0.7 it is the same as in a search at 0.7 alone.
    let single = alone.runs.iter().find(|it| it.searcher == Searcher::Baseline(Baseline::Neuroal));
    let single = single.expect("a run");
    assert_eq!(of(Baseline::Neuroal).best.report[1], single.best.report[0]);
    assert_ne!(of(Baseline::Neuroal).best.report[0], single.best.report[0]);
    let search = both.runs.iter().find(|it| it.searcher == Searcher::Evolution).expect("a search");
    for program in [Baseline::EvopressBlock, Baseline::EvopressProjection] {
        let control = of(program);
        // Each sparsity may exceed its half by the batch that started before the last token was spent.
        assert!(control.spent.tokens + 1 >= search.spent.tokens, "{control:?}");
        assert!(control.spent.tokens < search.spent.tokens + 2 * 32 * 8 * 32, "{control:?}");
        assert!(control.best.fitness <= 0.0, "it starts at uniform sparsity: {control:?}");
    }
    for program in [Baseline::DescentBlock, Baseline::Descent] {
        assert!(of(program).spent.tokens <= search.spent.tokens, "{:?}", of(program));
        assert_eq!(of(program).best.report.len(), 2);
    }
    // Candidates at one sparsity are marked, with losses relative to uniform sparsity's there.
    let measured = measured::read(&place.path("both")).expect("a file");
    let marked = |searcher: Searcher| measured.iter().filter(move |it| it.searcher == searcher);
    assert!(marked(Searcher::Evolution).all(|it| it.setting.is_none()));
    let levels = Searcher::Baseline(Baseline::EvopressBlock);
    for setting in [0, 1] {
        let first = marked(levels).find(|it| it.setting == Some(setting)).expect("uniform sparsity");
        assert!(first.loss.abs() < 1e-12, "{first:?}");
    }
    let csv = place.run(place.allot(&["show", "both", "--csv"]));
    assert!(
        String::from_utf8_lossy(&csv.stdout)
            .starts_with("search,searcher,seed,loss,full,size,hash,script,setting\n")
    );
}

#[test]
fn what_cannot_run_is_refused_before_any_work() {
    let place = Place::new();
    for (sparsity, more, words) in [
        (
            "0.5,0.7",
            &["--control", "besa", "--pattern", "n:4"][..],
            "`besa` cannot run here: it does not support",
        ),
        ("0.7,1", &["--control", "descent"], "a sparsity of 1 leaves nothing to share out"),
        ("0.5,0.7", &["--report-sparsity", "0.7"], "the table has the search's own sparsities anyway"),
    ] {
        let output = search(&place, "run", sparsity, more).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(words), "{more:?}: {error}");
        assert!(!place.path("run").exists());
    }
    // Statistics from a file without marginals at the reported sparsity.
    let calibration = format!("{MODEL}/text/calibration.jsonl");
    let mut stats =
        place.allot(&["stats", MODEL, "--text", &calibration, "--length", "32", "--samples", "4"]);
    stats.args(["--marginals", "--sparsity", "0.5", "--out", "s.safetensors"]);
    place.run(stats);
    let texts = format!("{MODEL}/text");
    let mut command = place.allot(&["search", MODEL, "--texts", &texts, "-s", "0.5", "--out", "run"]);
    command.args(["--stats", "s.safetensors", "--length", "32", "--windows", "4", "--report-windows", "4"]);
    command.args(["--evaluations", "20", "--report-sparsity", "0.6"]);
    let output = command.output().expect("the binary runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(2) && error.contains("no marginals at a sparsity of 0.6"),
        "{error}"
    );
    assert!(!place.path("run").exists());
    let output = command.args(["--without", "marginal,marginal_slope"]);
    assert_eq!(output.output().expect("the binary runs").status.code(), Some(0));
}

#[test]
fn descent_has_rows_as_a_control_where_weights_are_compared_within_rows() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    for (run, sparsity, more) in [
        ("one", "0.7", &["--evaluations", "40"][..]),
        ("two", "0.5,0.7", &["--evaluations", "40"]),
        ("matrix", "0.7", &["--evaluations", "15", "--method", "magnitude"]),
    ] {
        let mut command = place.allot(&["search", MODEL, "--texts", &texts, "--sparsity", sparsity]);
        command.args(SMALL).args(["--control", "descent", "--out", run]).args(more);
        place.run(command);
        let summary = folder::read(&place.path(run)).expect("a summary");
        let of_rows = Searcher::Baseline(Baseline::DescentRow);
        let rows = summary.runs.iter().find(|it| it.searcher == of_rows);
        assert_eq!(rows.is_some(), run != "matrix");
        let Some(rows) = rows else { continue };
        // A ratio for each row is finer than one for each projection.
        let measured = measured::read(&place.path(run)).expect("a file");
        let size = |program: Baseline| {
            let of = |it: &&measured::MeasuredFormula| it.searcher == Searcher::Baseline(program);
            measured.iter().find(of).map(|it| it.size).expect("a measured control")
        };
        assert!(size(Baseline::DescentRow) > 100 * size(Baseline::Descent));
        assert!(rows.best.report.iter().all(|it| it.kl.is_finite()), "{:?}", rows.best.report);
    }
}
