//! `allot compare`: one table of allocations, which can be resumed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");

/// Returns the command of a small comparison, run in a folder.
fn command(place: &Path, more: &[&str]) -> Command {
    let texts = format!("{MODEL}/text");
    let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
    command.current_dir(place).stdin(Stdio::null()).args(["compare", MODEL, "--texts", &texts]);
    command.args(["--length", "32", "--samples", "4", "--windows", "4", "--report-windows", "4"]).args(more);
    command
}

fn run(place: &Path, more: &[&str]) -> Output {
    let output = command(place, more).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn fails(place: &Path, more: &[&str]) -> String {
    let output = command(place, more).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn journal(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("journal.jsonl")).expect("a journal");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_row_has_its_perplexities_and_their_cost() {
    let place = TempDir::new().expect("a folder");
    fs::write(place.path().join("broken.allot"), "dsa::asin(depth + 2) |> scale(lambda = 0.1)")
        .expect("a script");
    let arguments = ["uniform", "owl", "broken.allot", "evopress-block", "--sparsity", "0.8,0.5"];
    let more =
        [&arguments[..], &["--propagate", "dense", "--evaluations", "20", "--format", "json"]].concat();
    let found = json(&run(place.path(), &more));
    let rows = found["rows"].as_array().expect("rows");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["uniform", "owl", "broken", "evopress-block"]);
    assert_eq!(found["sparsities"], serde_json::json!([0.5, 0.8]));
    for row in [&rows[0], &rows[1], &rows[3]] {
        for (cell, target) in row["cells"].as_array().expect("cells").iter().zip([0.5, 0.8]) {
            let measured = &cell["measured"];
            assert!((measured["achieved"].as_f64().expect("a share") - target).abs() < 1e-6, "{row}");
            let perplexity = measured["damage"]["perplexity"].as_f64().expect("a number");
            assert!(perplexity > found["dense_perplexity"].as_f64().expect("a number"), "{row}");
        }
    }
    // Uniform reads nothing, OWL reads the calibration text, and a search also reads what it measures.
    let tokens = |row: usize| rows[row]["tokens"].as_u64().expect("a count");
    assert_eq!((tokens(0), tokens(1)), (0, 4 * 32));
    assert!(tokens(3) > tokens(1));
    assert_eq!(rows[3]["evaluations"], 40);
    assert_eq!(found["seconds"].as_array().expect("seconds").len(), 4);
    let broken = rows[2]["cells"][1].to_string();
    assert!(broken.contains("is NaN in block 0") && broken.contains("problem"), "{broken}");
}

#[test]
fn the_table_is_for_people_papers_and_pages() {
    let place = TempDir::new().expect("a folder");
    let arguments = ["dsa", "atp", "uniform", "--sparsity", "0.6,0.7", "--table"];
    let table = |form: &str| {
        let output = run(place.path(), &[&arguments[..], &[form]].concat());
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    insta::with_settings!({filters => vec![(r"(\| [\d,]+ \| )[\d.e-]+ \|", "$1[seconds] |")]}, {
        insta::assert_snapshot!("markdown", table("markdown"));
    });
    insta::assert_snapshot!("latex", table("latex"));
}

#[test]
fn known_measurements_are_not_repeated() {
    let place = TempDir::new().expect("a folder");
    let folder = place.path().join("compared");
    let arguments = ["uniform", "atp", "evopress-block", "--evaluations", "12", "--out", "compared"];
    let with = |sparsities: &'static str| [&arguments[..], &["--sparsity", sparsities]].concat();
    run(place.path(), &with("0.6"));
    let (once, first) = (journal(&folder), fs::read(folder.join("comparison.json")).expect("data"));
    run(place.path(), &with("0.6"));
    assert_eq!(journal(&folder), once);
    assert_eq!(fs::read(folder.join("comparison.json")).expect("data"), first);
    run(place.path(), &with("0.6,0.7"));
    let more = journal(&folder);
    assert_eq!(more[..once.len()], once);
    assert!(more.len() > once.len());
    for name in ["table.md", "table.tex", "perplexity.svg", "ratios.svg", "report.html", "timings.json"] {
        assert!(folder.join(name).exists(), "{name}");
    }

    // With the journal torn in the middle of a line, it resumes with the same result.
    let whole = fs::read(folder.join("comparison.json")).expect("data");
    let text = more.join("\n") + "\n";
    fs::write(folder.join("journal.jsonl"), &text[..text.len() / 2]).expect("a torn journal");
    run(place.path(), &with("0.6,0.7"));
    assert_eq!(fs::read(folder.join("comparison.json")).expect("data"), whole);

    for other in [["--method", "magnitude"], ["--seed", "1"]] {
        let error = fails(place.path(), &[&with("0.6")[..], &other].concat());
        assert!(error.contains("comparison with other inputs"), "{error}");
    }
}

#[test]
fn threads_change_nothing() {
    let place = TempDir::new().expect("a folder");
    let of = |threads: &str, out: &str| -> Vec<u8> {
        let mut command =
            command(place.path(), &["owl", "global", "besa", "evopress-projection", "--sparsity", "0.7"]);
        command.args(["--evaluations", "20", "--out", out]).env("RAYON_NUM_THREADS", threads);
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(place.path().join(out).join("comparison.json")).expect("data")
    };
    assert_eq!(of("1", "one"), of("3", "three"));
}

#[test]
fn besa_gives_every_block_the_target_and_its_projections_their_own() {
    let place = TempDir::new().expect("a folder");
    let arguments = ["uniform", "besa", "--sparsity", "0.7", "--propagate", "dense", "--format", "json"];
    let found = json(&run(place.path(), &arguments));
    let measured = |row: usize| &found["rows"][row]["cells"][0]["measured"];
    let ratios = &measured(1)["ratios"];
    for block in ratios["blocks"].as_array().expect("blocks") {
        assert!((block.as_f64().expect("a share") - 0.7).abs() < 1e-3, "{ratios}");
    }
    let shares: Vec<f64> = ratios["projections"]
        .as_array()
        .expect("projections")
        .iter()
        .filter_map(|it| it[1].as_f64())
        .collect();
    let spread = shares.iter().copied().fold(0.0, f64::max) - shares.iter().copied().fold(1.0, f64::min);
    assert!(spread > 0.05, "{shares:?}");
    // Its gradients use the text that it is measured on, so it has to be better than doing nothing.
    let kl = |row: usize| measured(row)["damage"]["kl"].as_f64().expect("a number");
    assert!(kl(1) < kl(0), "{} and {}", kl(1), kl(0));
}

#[test]
fn impossible_comparisons_are_refused_before_any_measurement() {
    let place = TempDir::new().expect("a folder");
    let error = fails(place.path(), &["owll", "--sparsity", "0.7"]);
    assert!(error.contains("owll") && error.contains("did you mean"), "{error}");
    let error = fails(place.path(), &["--method", "sparsegpt", "--propagate", "dense", "--sparsity", "0.7"]);
    assert!(error.contains("--propagate"), "{error}");
    let full: PathBuf = place.path().join("full");
    fs::create_dir(&full).expect("a folder");
    fs::write(full.join("mine.txt"), "mine").expect("a file");
    let error = fails(place.path(), &["uniform", "--sparsity", "0.7", "--out", "full"]);
    assert!(error.contains("not empty"), "{error}");
    assert_eq!(fs::read_dir(&full).expect("a folder").count(), 1);
}

#[test]
fn programs_give_rows_ratios() {
    let place = TempDir::new().expect("a folder");
    let found = json(&run(
        place.path(),
        &["uniform", "trim", "descent-row", "--sparsity", "0.6", "--propagate", "dense", "--format", "json"],
    ));
    let row = &found["rows"][2];
    assert_eq!((&row["name"], &row["unit"]), (&Value::from("descent-row"), &Value::from("row")));
    let loss =
        |row: usize| found["rows"][row]["cells"][0]["measured"]["damage"]["kl"].as_f64().expect("a number");
    assert!(loss(2) < loss(0), "{} and {}", loss(2), loss(0));
    for program in ["descent-row", "trim"] {
        let error = fails(place.path(), &[program, "--sparsity", "0.6", "--method", "magnitude"]);
        assert!(error.contains("over whole matrices"), "{program}: {error}");
    }
    let achieved = found["rows"][1]["cells"][0]["measured"]["achieved"].as_f64().expect("a number");
    assert!((achieved - 0.6).abs() < 1e-6, "{achieved}");
}

#[test]
fn published_programs_for_rows_meet_their_budget_and_give_rows_their_own_counts() {
    let place = TempDir::new().expect("a folder");
    let programs = ["besa-row", "neuroal-row"];
    let found = json(&run(
        place.path(),
        &[
            "uniform",
            programs[0],
            programs[1],
            "--sparsity",
            "0.6",
            "--propagate",
            "dense",
            "--format",
            "json",
        ],
    ));
    for (row, program) in programs.iter().enumerate() {
        let row = &found["rows"][row + 1];
        assert_eq!((&row["name"], &row["unit"]), (&Value::from(*program), &Value::from("row")));
        let measured = &row["cells"][0]["measured"];
        let achieved = measured["achieved"].as_f64().expect("a number");
        assert!((achieved - 0.6).abs() < 1e-6, "{program}: {achieved}");
        let error = fails(place.path(), &[program, "--sparsity", "0.6", "--method", "magnitude"]);
        assert!(error.contains("over whole matrices"), "{program}: {error}");
    }
    // BESA keeps every block at the target.
    for block in found["rows"][1]["cells"][0]["measured"]["ratios"]["blocks"].as_array().expect("blocks") {
        assert!((block.as_f64().expect("a share") - 0.6).abs() < 1e-3, "{block}");
    }
    // Its gradients use the text that it is measured on.
    let loss =
        |row: usize| found["rows"][row]["cells"][0]["measured"]["damage"]["kl"].as_f64().expect("a number");
    assert!(loss(1) < loss(0), "{} and {}", loss(1), loss(0));
}

/// TRIM moves sparsity only within projections, so their ratios are those of the script or file that it starts from.
#[test]
fn trim_keeps_the_ratios_of_its_base() {
    let place = TempDir::new().expect("a folder");
    let calibration = format!("{MODEL}/text/calibration.jsonl");
    let mut eval = Command::new(env!("CARGO_BIN_EXE_allot"));
    eval.current_dir(place.path()).args(["eval", MODEL, "owl", "--sparsity", "0.6", "--text", &calibration]);
    eval.args(["--length", "32", "--samples", "4", "--format", "json"]);
    let output = eval.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(place.path().join("ratios.json"), &output.stdout).expect("a file");
    let arguments =
        ["owl", "trim:owl", "trim:ratios.json", "trim", "--propagate", "dense", "--format", "json"];
    let found = json(&run(place.path(), &[&arguments[..], &["--sparsity", "0.6,0.7"]].concat()));
    let ratios = |row: usize| -> Vec<f64> {
        let projections = &found["rows"][row]["cells"][0]["measured"]["ratios"]["projections"];
        projections.as_array().expect("projections").iter().filter_map(|it| it[1].as_f64()).collect()
    };
    let furthest = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert_eq!(found["rows"][1]["name"], "trim:owl");
    assert_eq!(found["rows"][2]["name"], "trim:ratios.json");
    assert!(furthest(&ratios(0), &ratios(1)) < 5e-3, "{:?} and {:?}", ratios(0), ratios(1));
    assert_eq!(ratios(1), ratios(2));
    assert!(furthest(&ratios(1), &ratios(3)) > 0.02, "uniform projections are not OWL's");
    let problem = found["rows"][2]["cells"][1].to_string();
    assert!(problem.contains("its allocation is for 0.6"), "{problem}");
    let error = fails(place.path(), &["trim:owll", "--sparsity", "0.7"]);
    assert!(error.contains("owll") && error.contains("did you mean"), "{error}");
}
