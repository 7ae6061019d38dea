//! The command line: help texts, output and exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");

fn allot(arguments: &[&str]) -> Output {
    allot_with_input(arguments, "")
}

fn allot_with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_allot"))
        .args(arguments)
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .env("ALLOT_NO_PROGRESS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("the binary ends")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn help_of_every_command() {
    insta::assert_snapshot!("help", out(&allot(&["--help"])));
    for command in [
        "check",
        "fmt",
        "eval",
        "inspect",
        "stats",
        "prune",
        "ppl",
        "kl",
        "search",
        "descend",
        "enumerate",
        "show",
        "ops",
        "explain",
        "import-dsa",
        "export",
        "snapshot",
    ] {
        insta::assert_snapshot!(format!("help_{command}"), out(&allot(&[command, "--help"])));
    }
}

#[test]
fn eval_prints_a_table() {
    let output = allot(&["eval", MODEL, "owl", "--method", "magnitude", "--sparsity", "0.7"]);
    insta::assert_snapshot!(out(&output));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn eval_prints_json() {
    let arguments =
        ["eval", MODEL, "er", "--method", "magnitude", "--sparsity", "0.7", "--format", "json", "--quiet"];
    let data: serde_json::Value = serde_json::from_str(&out(&allot(&arguments))).expect("JSON");
    assert_eq!(data["target"], 0.7);
    assert_eq!(data["params"], 1_216_512);
    assert_eq!(data["pruned"], 851_558);
    assert_eq!(data["unit"], "projection");
    assert_eq!(data["noise"], false);
    let units = data["units"].as_array().expect("a list");
    assert_eq!(units.len(), 84);
    assert_eq!(units[0]["name"], "model.layers.0.self_attn.q_proj");
    for key in ["params", "importance", "sparsity", "pruned"] {
        assert!(units[0][key].is_number(), "{key}");
    }
}

#[test]
fn eval_writes_a_complete_figure() {
    let folder = tempfile::tempdir().expect("a folder");
    let figure = folder.path().join("ratios.svg");
    let path = figure.to_str().expect("UTF-8");
    let output = allot(&["eval", MODEL, "atp", "--sparsity", "0.5", "--figure", path]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = std::fs::read_to_string(&figure).expect("written");
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1, "no other file is left");
}

#[test]
fn what_goes_wrong_is_said_under_the_code() {
    let cases = [
        ("missing statistics", "mean(score) |> scale", &["--sparsity", "0.7"][..]),
        ("overflow", "mean(exp(1000 * abs(weight))) |> scale", &["--sparsity", "0.7"]),
        ("negative density", "neg(mean(abs(weight))) |> proportional", &["--sparsity", "0.7"]),
        ("impossible bounds", "uniform()", &["--sparsity", "0.7", "--least", "0.8"]),
        ("impossible target", "uniform()", &["--sparsity", "1.7"]),
        ("only a metric", "metric abs(weight)", &["--sparsity", "0.7"]),
        ("a mistake in the script", "mean(abs(weight)) |> softmx |> scale", &["--sparsity", "0.7"]),
    ];
    let mut said = String::new();
    for (what, script, arguments) in cases {
        let output = allot_with_input(&[&["eval", MODEL, "-"], arguments].concat(), script);
        assert_eq!(output.status.code(), Some(2), "{what}");
        said.push_str(&format!("## {what}\n{}\n", err(&output)));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn noise_is_uniform_with_a_warning() {
    for script in ["var(zscore(weight)) |> scale", "log(var(zscore(weight))) |> scale"] {
        let arguments = ["eval", MODEL, "-", "--sparsity", "0.7", "--format", "json"];
        let output = allot_with_input(&arguments, script);
        let data: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
        assert_eq!(data["noise"], true, "{script}");
        assert!(data["units"].as_array().expect("a list").iter().all(|unit| unit["sparsity"] == 0.7));
        assert!(err(&output).contains("rounding"), "{}", err(&output));
    }
}

#[test]
fn unknown_names_get_suggestions() {
    let unknown = allot(&["eval", MODEL, "owll", "--sparsity", "0.7"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).contains("did you mean `owl`"), "{}", err(&unknown));
    let operator = allot(&["explain", "scal"]);
    assert!(err(&operator).contains("did you mean `scale`"), "{}", err(&operator));
}

#[test]
fn operators_are_listed_and_explained() {
    insta::assert_snapshot!("ops", out(&allot(&["ops", "--all"])));
    insta::assert_snapshot!("explain_scale", out(&allot(&["explain", "scale"])));
    insta::assert_snapshot!("explain_greater", out(&allot(&["explain", ">"])));
}

#[test]
fn plans_show_rounds_and_reads() {
    let script = "zscore(mean(score)) + mean(score > zscore(std(score))) + median(score) |> scale";
    insta::assert_snapshot!(out(&allot_with_input(&["check", "--plan", "-"], script)));
}

#[test]
fn every_published_script_is_well_typed_and_in_the_standard_layout() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("readable")
        .map(|entry| entry.expect("readable").path().display().to_string())
        .filter(|path| path.ends_with(".allot"))
        .collect();
    files.sort();
    assert!(files.len() > 8);
    for command in [&["check"][..], &["fmt", "--check"]] {
        let arguments: Vec<&str> = command.iter().copied().chain(files.iter().map(String::as_str)).collect();
        let output = allot(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    }
}

#[test]
fn a_graph_string_comes_in_and_goes_out() {
    let graph = "W:(ABSLOG)-(VAR)-(ATAN,ASIN)-(8)";
    let script = out(&allot(&["import-dsa", graph]));
    insta::assert_snapshot!(script);
    assert_eq!(out(&allot_with_input(&["export", "-", "--to", "dsa"], &script)).trim(), graph);
}

#[test]
fn a_pruned_folder_evaluates_and_measures_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let pruned = folder.path().join("pruned");
    let path = pruned.to_str().expect("UTF-8");
    let arguments = ["prune", MODEL, "atp", "--sparsity", "0.6", "--method", "magnitude", "--out", path];
    let first = allot(&arguments);
    assert_eq!(first.status.code(), Some(0), "{}", err(&first));
    let again = allot(&arguments);
    assert_eq!(again.status.code(), Some(2), "a folder is not overwritten");
    let summary: serde_json::Value =
        serde_json::from_str(&out(&allot(&["inspect", path, "--format", "json"]))).expect("JSON");
    assert!(summary["zeros"].as_u64().expect("a count") >= 729_907);
    let provenance: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(pruned.join("allot.json")).expect("written"))
            .expect("JSON");
    assert_eq!(provenance["pruned"], 729_907);
    assert_eq!(provenance["script"]["name"], "atp");
}
