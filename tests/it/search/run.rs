//! A search from the command line: the files it leaves, which neither threads nor a kill change by a byte.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use allot::baselines::program::Baseline;
use allot::search::folder;
use allot::search::searcher::Searcher;
use allot::search::summary::Winner;
use serde_json::Value;

use crate::support::place::{MODEL, Place};

/// Returns the command for a small search, with additional arguments.
fn search(place: &Place, run: &str, more: &[&str]) -> Command {
    let texts = format!("{MODEL}/text");
    let mut arguments = vec!["search", MODEL, "--sparsity", "0.7", "--texts", &texts, "--out", run];
    arguments.extend(["--length", "32", "--samples", "4", "--windows", "8", "--report-windows", "8"]);
    if !more.contains(&"--evaluations") {
        arguments.extend(["--evaluations", "40"]);
    }
    arguments.extend(more);
    place.allot(&arguments)
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn threads_do_not_change_a_byte() {
    let place = Place::new();
    for threads in ["1", "2", "8"] {
        let mut command =
            search(&place, threads, &["--control", "random", "--control", "evopress", "--control", "ramp"]);
        command.env("RAYON_NUM_THREADS", threads);
        place.run(command);
    }
    place.same("1", "2");
    place.same("1", "8");
}

#[test]
fn a_killed_search_ends_like_an_uninterrupted_one() {
    let place = Place::new();
    place.run(search(&place, "whole", &[]));
    let whole = Instant::now();
    place.run(search(&place, "again", &[]));
    let duration = whole.elapsed();
    place.same("whole", "again");
    // Kills at random times, different in every run of the test.
    let mut moment = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").subsec_nanos();
    for trial in 0..5 {
        let run = format!("killed-{trial}");
        let mut first = true;
        let mut kills = 0;
        loop {
            let command = match first || !place.path(&run).join("settings.json").exists() {
                true => search(&place, &run, &[]),
                false => place.allot(&["search", "--resume", &run]),
            };
            let mut command = command;
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            moment = moment.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let share = f64::from(moment >> 8) / f64::from(1 << 24);
            // The last time, it may finish.
            if kills < 3 {
                std::thread::sleep(duration.mul_f64(0.9 * share).max(Duration::from_millis(5)));
                child.kill().expect("it can be killed");
                kills += 1;
            }
            let status = child.wait().expect("it ends");
            first = false;
            if status.success() {
                break;
            }
        }
        place.same("whole", &run);
    }
}

#[test]
fn a_torn_line_is_cut_off_and_a_changed_one_refused() {
    let place = Place::new();
    place.run(search(&place, "whole", &[]));
    place.run(search(&place, "torn", &[]));
    let journal = place.path("torn").join("journal.jsonl");
    let bytes = fs::read(&journal).expect("a journal");
    let kept = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(20).expect("20 lines").0 + 1;
    fs::write(&journal, &bytes[..kept + 30]).expect("written");
    place.run(place.allot(&["search", "--resume", "torn"]));
    place.same("whole", "torn");

    let mut changed = bytes[..kept].to_vec();
    changed[3] = b'?';
    changed.write_all(&bytes[kept..]).expect("in memory");
    fs::write(&journal, changed).expect("written");
    let output = place.allot(&["search", "--resume", "torn"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).contains("journal.jsonl:1"), "{}", error(&output));
}

#[test]
fn ctrl_c_stops_and_says_how_to_resume() {
    let place = Place::new();
    let mut command = search(&place, "stopped", &["--evaluations", "2000"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let journal = place.path("stopped").join("journal.jsonl");
    let begun = Instant::now();
    while fs::metadata(&journal).map_or(0, |it| it.len()) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(120), "the search does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(error(&output).contains("allot search --resume stopped"), "{}", error(&output));
    let measured = fs::read(&journal).expect("a journal").len();
    // Nothing is measured twice: the journal continues where it ended.
    let mut command = place.allot(&["search", "--resume", "stopped"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    while fs::metadata(&journal).map_or(0, |it| it.len()) <= measured as u64 {
        assert!(begun.elapsed() < Duration::from_secs(120), "the search does not continue");
        std::thread::sleep(Duration::from_millis(20));
    }
    let bytes = fs::read(&journal).expect("a journal");
    let mut child = child;
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut distinct = lines.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), lines.len());
}

#[test]
fn the_result_is_a_script_like_any_other() {
    let place = Place::new();
    place.run(search(&place, "run", &[]));
    let summary = folder::read(&place.path("run")).expect("a summary");
    let best = place.path("run").join("best.allot");
    let best = best.to_str().expect("UTF-8");
    place.run(place.allot(&["check", best]));
    place.run(place.allot(&["fmt", "--check", best]));
    let calibration = format!("{MODEL}/text/calibration.jsonl");
    let mut stats =
        vec!["stats", MODEL, "--text", &calibration, "--length", "32", "--samples", "4", "--out", "s"];
    // The winner may use them.
    stats.push("--gradients");
    place.run(place.allot(&stats));
    // Pruned with dense statistics, the folder has the perplexity that the search reported.
    let prune =
        ["prune", MODEL, best, "-s", "0.7", "--stats", "s", "--propagate", "dense", "--out", "pruned"];
    place.run(place.allot(&prune));
    let report = format!("{MODEL}/text/report.jsonl");
    let measure = ["ppl", "pruned", "--text", &report, "--length", "32", "--limit", "8", "--format", "json"];
    let output = place.run(place.allot(&measure));
    let measured: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let (found, promised) =
        (measured["perplexity"].as_f64().expect("a number"), summary.best.report[0].perplexity);
    assert!((found / promised - 1.0).abs() < 1e-4, "{found} and {promised}");
    // Each formula of the front is larger and better than the one before.
    for pair in summary.front.windows(2) {
        let size = |it: &Winner| it.formula.as_ref().expect("a formula").size;
        assert!(size(&pair[0]) < size(&pair[1]) && pair[1].selection < pair[0].selection);
    }
    for entry in fs::read_dir(place.path("run").join("front")).expect("a folder").flatten() {
        place.run(place.allot(&["check", entry.path().to_str().expect("UTF-8")]));
    }
    // A search starts with the published allocations, so it is never worse on the text that chooses.
    // The ratios are plotted beside those of the best published function.
    let plotted: Vec<&str> = summary.ratios.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(plotted[..2], ["discovered", &*summary.published[0].name.to_string()]);
    assert!(plotted.contains(&"owl") && plotted.contains(&"uniform"), "{plotted:?}");
    let best = summary.best.selection.expect("a selection text");
    assert!(summary.published.iter().all(|it| best <= it.selection.expect("a selection text")));
}

#[test]
fn searches_and_controls_spend_the_same_tokens() {
    let place = Place::new();
    place.run(search(&place, "run", &["--seeds", "2", "--control", "random", "--control", "evopress"]));
    let summary = folder::read(&place.path("run")).expect("a summary");
    for seed in 0..2 {
        let of = |searcher| {
            summary.runs.iter().find(|it| it.searcher == searcher && it.seed == seed).expect("a run")
        };
        let search = of(Searcher::Evolution);
        assert_eq!(search.spent.evaluations, 40);
        assert_eq!(search.points.len(), 40);
        let levels = [Baseline::EvopressBlock, Baseline::EvopressProjection].map(Searcher::Baseline);
        for control in [Searcher::Random].into_iter().chain(levels) {
            let control = of(control);
            // It may exceed the budget by the batch that started before the last token was spent.
            assert!(control.spent.tokens >= search.spent.tokens, "{control:?}");
            assert!(control.spent.tokens < search.spent.tokens + 32 * 8 * 32, "{control:?}");
        }
    }
    assert_eq!(summary.comparisons.len(), 3);
}

#[test]
fn a_search_without_selection_and_report_can_be_shown() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    let (calibration, fitness) = (format!("{texts}/calibration.jsonl"), format!("{texts}/fitness.jsonl"));
    let mut arguments =
        vec!["search", MODEL, "-s", "0.7", "--calibration", &calibration, "--fitness", &fitness];
    arguments.extend([
        "--length",
        "32",
        "--samples",
        "4",
        "--windows",
        "4",
        "--evaluations",
        "20",
        "--out",
        "run",
    ]);
    let searched = place.run(place.allot(&arguments));
    let shown = place.run(place.allot(&["show", "run"]));
    assert_eq!(searched.stdout, shown.stdout);
    for form in [&["--front"][..], &["--markdown"], &["--format", "json"], &["--front", "--format", "json"]] {
        let mut arguments = vec!["show", "run"];
        arguments.extend(form);
        assert!(!place.run(place.allot(&arguments)).stdout.is_empty());
    }
}

#[test]
fn several_settings_share_one_function() {
    let place = Place::new();
    place.run(search(&place, "run", &["--also", "0.5"]));
    let summary = folder::read(&place.path("run")).expect("a summary");
    assert_eq!(summary.settings.iter().map(|it| it.target).collect::<Vec<_>>(), [0.7, 0.5]);
    let uniform = summary.published("uniform").expect("uniform");
    assert!(uniform.fitness.abs() < 1e-12, "losses are divided by uniform's: {}", uniform.fitness);
    assert!(summary.best.fitness < 0.0);
    assert_eq!(summary.best.report.len(), 2);
    assert!(summary.best.report[1].kl < summary.best.report[0].kl);
}

#[test]
fn an_enumeration_measures_a_whole_space() {
    let place = Place::new();
    let texts = format!("{MODEL}/text");
    let mut arguments = vec!["enumerate", MODEL, "-s", "0.7", "--texts", &texts, "--out", "all"];
    arguments.extend(["--length", "32", "--samples", "4", "--windows", "4", "--report-windows", "4"]);
    arguments.extend(["--max-size", "4", "--unit", "block", "--only", "score,depth,mean,std,sqrt,neg,scale"]);
    arguments.extend(["--window", "0.1,0.2"]);
    place.run(place.allot(&arguments));
    let summary = folder::read(&place.path("all")).expect("a summary");
    let spent = &summary.runs[0].spent;
    assert_eq!(spent.evaluations, spent.full_evaluations);
    assert_eq!(spent.proposals, spent.evaluations + spent.known_behaviours + spent.invalid);
    let least = summary.runs[0].points.iter().map(|it| it.loss).fold(f64::INFINITY, f64::min);
    assert!((summary.front.iter().map(|it| it.fitness).fold(f64::INFINITY, f64::min) - least).abs() < 1e-12);
}

#[test]
fn impossible_requests_are_refused_in_one_line() {
    let place = Place::new();
    place.run(search(&place, "run", &[]));
    let refused = |mut command: Command, what: &str| {
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{what}: {}", error(&output));
        assert!(error(&output).contains(what), "{what}: {}", error(&output));
    };
    refused(search(&place, "run", &[]), "run already exists");
    refused(place.allot(&["search", "--resume", "nowhere"]), "is not a search's folder");
    refused(place.allot(&["show", "nowhere"]), "there is no file `nowhere`");
    refused(search(&place, "new", &["--without", "maen"]), "did you mean `mean`");
    refused(search(&place, "new", &["--space", "dsa", "--only", "mean,scale"]), "no score or weight");
    refused(place.allot(&["search", MODEL, "-s", "0.7", "--out", "new"]), "there is no fitness text");
    // A changed text makes it another search.
    let (texts, own) = (PathBuf::from(MODEL).join("text"), place.path("texts"));
    fs::create_dir(&own).expect("a folder");
    for name in ["calibration", "fitness", "selection", "report"] {
        fs::copy(texts.join(format!("{name}.jsonl")), own.join(format!("{name}.jsonl"))).expect("a copy");
    }
    let mut arguments = vec!["search", MODEL, "-s", "0.7", "--texts", "texts", "--out", "changed"];
    arguments.extend(["--length", "32", "--samples", "4", "--windows", "4", "--evaluations", "20"]);
    arguments.extend(["--report-windows", "4"]);
    place.run(place.allot(&arguments));
    fs::copy(texts.join("report.jsonl"), own.join("fitness.jsonl")).expect("a copy");
    refused(place.allot(&["search", "--resume", "changed"]), "the fitness text was");
}
