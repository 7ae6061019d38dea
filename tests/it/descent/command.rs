//! A descent from the command line: the files it leaves, which neither threads nor a kill change by a byte.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use allot::allocate::pruned_total;
use allot::exchange::AllocationFile;
use serde_json::Value;

use crate::support::place::{MODEL, Place};

/// The files of a descent at two sparsities.
const FILES: [&str; 5] = ["0.6.json", "0.7.json", "identity.json", "steps.jsonl", "summary.json"];

/// Returns the command for a small descent, with additional arguments.
fn descend(place: &Place, out: &str, more: &[&str]) -> Command {
    let texts = format!("{MODEL}/text");
    let mut arguments = vec!["descend", MODEL, "--texts", &texts, "--out", out, "--sparsity", "0.6,0.7"];
    arguments.extend(["--length", "32", "--samples", "4", "--windows", "4", "--report-windows", "4"]);
    arguments.extend(["--steps", "5", "--step-windows", "4", "--check", "2"]);
    arguments.extend(more);
    place.allot(&arguments)
}

/// Asserts that two descents left the same files, and all expected ones.
fn same(place: &Place, one: &str, other: &str) {
    assert_eq!(place.files(one).into_keys().collect::<Vec<_>>(), FILES.map(PathBuf::from));
    place.same(one, other);
}

#[test]
fn threads_do_not_change_a_byte_and_budgets_are_exact() {
    let place = Place::new();
    for unit in ["block", "projection", "row"] {
        for threads in ["1", "2"] {
            let mut command = descend(&place, &format!("{unit}-{threads}"), &["--unit", unit]);
            command.env("RAYON_NUM_THREADS", threads);
            place.run(command);
        }
        same(&place, &format!("{unit}-1"), &format!("{unit}-2"));
        for target in [0.6, 0.7] {
            let bytes = fs::read(place.path(&format!("{unit}-1")).join(format!("{target}.json")));
            let file = AllocationFile::read(&bytes.expect("a file")).expect("an allocation");
            assert_eq!(file.unit.name(), unit);
            assert_eq!(file.pruned, pruned_total(target, file.parameters).expect("a target"));
            assert!(file.units.iter().any(|it| (it.sparsity - target).abs() > 0.01), "it is not uniform");
            let parts = || file.units.iter().flat_map(|it| &it.projections);
            assert!(parts().all(|it| it.rows.is_some() == (unit == "row")));
            assert!(unit != "row" || parts().any(|it| it.rows.as_ref().is_some_and(|rows| !rows.are_even())));
        }
        let summary: Value =
            serde_json::from_slice(&place.files(&format!("{unit}-1"))[Path::new("summary.json")])
                .expect("JSON");
        for found in summary["found"].as_array().expect("a list") {
            let loss = |name: &str| found[name].as_f64().expect("a number");
            assert!(loss("selection") < 0.95 * loss("began"), "{unit}: {found}");
            assert!(found["report"]["kl"].as_f64() < found["uniform"]["kl"].as_f64(), "{unit}: {found}");
        }
    }
}

#[test]
fn a_stopped_descent_ends_like_an_uninterrupted_one() {
    let place = Place::new();
    let begun = Instant::now();
    place.run(descend(&place, "whole", &[]));
    let duration = begun.elapsed();
    let lines =
        |out: &str| place.files(out)[Path::new("steps.jsonl")].iter().filter(|byte| **byte == b'\n').count();
    // Five steps at each sparsity, or fewer if there is no further gain.
    let all = lines("whole");
    assert!((6..=10).contains(&all), "{all}");

    // Tears the last line and removes everything after it.
    place.run(descend(&place, "torn", &[]));
    let journal = place.path("torn").join("steps.jsonl");
    let bytes = fs::read(&journal).expect("a journal");
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).expect("lines").0 + 1;
    fs::write(&journal, &bytes[..third + 40]).expect("written");
    place.run(descend(&place, "torn", &[]));
    same(&place, "whole", "torn");

    // With rows, the next step depends on more than the ratios.
    let rows = ["--unit", "row", "--sparsity", "0.6"];
    place.run(descend(&place, "rows", &rows));
    place.run(descend(&place, "rows-torn", &rows));
    let journal = place.path("rows-torn").join("steps.jsonl");
    let bytes = fs::read(&journal).expect("a journal");
    let second = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).expect("lines").0 + 1;
    fs::write(&journal, &bytes[..second]).expect("written");
    place.run(descend(&place, "rows-torn", &rows));
    place.same("rows", "rows-torn");

    // Kills the process at an arbitrary point.
    for share in [0.5, 0.8] {
        let out = format!("killed-{share}");
        let mut child = descend(&place, &out, &[]).stdout(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(duration.mul_f64(share).max(Duration::from_millis(5)));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        place.run(descend(&place, &out, &[]));
        same(&place, "whole", &out);
    }
}

#[test]
fn another_descent_and_another_folder_are_left_alone() {
    let place = Place::new();
    place.run(descend(&place, "out", &["--sparsity", "0.5"]));
    let before = place.files("out");
    for more in [["--sparsity", "0.55"], ["--rule", "logits"], ["--step-size", "0.1"], ["--seed", "3"]] {
        let mut command = descend(&place, "out", &["--sparsity", "0.5"]);
        let output = command.args(more).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{more:?}: {error}");
        assert!(error.contains("out holds another descent"), "{more:?}: {error}");
        assert!(error.contains("choose another `--out`"), "{error}");
    }
    fs::create_dir(place.path("mine")).expect("a folder");
    fs::write(place.path("mine").join("notes.txt"), "mine").expect("written");
    let output = descend(&place, "mine", &[]).output().expect("the binary runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("something other than a descent"), "{error}");
    for (more, word) in [
        (["--unit", "row", "--method", "magnitude"], "over whole matrices"),
        (["--unit", "row", "--rule", "secant"], "not rows"),
        (["--unit", "row", "--row-cap", "1.5"], "the cap of rows is 1.5"),
        (["--unit", "row", "--row-cap", "0.65"], "no row may lose more than 0.65"),
        (["--unit", "row", "--row-momentum", "1"], "the momentum of rows is 1"),
    ] {
        let output = descend(&place, "new", &more).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(word), "{more:?}: {error}");
        assert!(!place.path("new").exists(), "{more:?}");
    }
    for (target, word) in
        [("0", "leaves nothing"), ("1", "leaves nothing"), ("nan", "a ratio is a number from 0 to 1")]
    {
        let output = descend(&place, "new", &["--sparsity", target]).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(word), "{target}: {error}");
        assert!(!place.path("new").exists());
    }
    assert_eq!(place.files("out"), before);
}
