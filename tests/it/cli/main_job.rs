//! The main job with the commands that a search prints: search, prune by the result, and measure what the table says. Also checks that
//! every command collects the statistics that a script needs, and that windows fit the model's context.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use allot::search::summary::Summary;
use serde_json::Value;
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");
const BINARY: &str = env!("CARGO_BIN_EXE_allot");

/// Scripts and methods that need more than the inputs' second moments.
const NEEDY: [(&str, &str); 5] = [
    ("gradient.allot", "mean(log(gradient)) |> scale\n"),
    ("through_metric.allot", "metric abs(weight) * gradient\nmean(score) |> scale\n"),
    ("hessian.allot", "metric(per = matrix) weight ^ 2 * hessian_diag\nmean(score) |> scale\n"),
    ("reconstruction.allot", "unit projection\nneg(log(reconstruction_error)) |> scale\n"),
    ("both.allot", "log(mean(gradient)) + log(reconstruction_error) |> scale\n"),
];

fn allot(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).output().expect("the binary runs")
}

fn fine(folder: &Path, arguments: &[&str]) -> String {
    let output = allot(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", error(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(name: &str) -> String {
    format!("{MODEL}/text/{name}.jsonl")
}

/// Runs a printed command as a user would paste it, and returns what it prints.
fn pasted(folder: &Path, command: &str) -> String {
    let binaries = Path::new(BINARY).parent().expect("a folder").display();
    let path = format!("{binaries}:{}", std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    let output =
        shell.arg("-c").arg(command).current_dir(folder).env("PATH", path).output().expect("a shell");
    assert_eq!(output.status.code(), Some(0), "{command}: {}", error(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs commands, the last of which measures perplexity, and compares the perplexity with the table's.
fn measures_what_the_table_says(folder: &Path, commands: &[String], summary: &Summary) {
    let printed: Vec<String> = commands.iter().map(|command| pasted(folder, command)).collect();
    let measured = printed.last().expect("a command");
    let perplexity: f64 =
        measured.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a perplexity");
    let said = summary.best.report[0].perplexity;
    assert!((perplexity / said - 1.0).abs() < 1e-5, "pruned: {perplexity}, in the table: {said}");
}

fn search(folder: &Path, more: &[&str]) -> (Output, Summary) {
    let texts = format!("{MODEL}/text");
    let mut arguments = vec!["search", MODEL, "--sparsity", "0.7", "--out", "run"];
    arguments.extend(["--length", "64", "--samples", "8", "--windows", "4", "--report-windows", "6"]);
    for default in [["--texts", &texts], ["--evaluations", "24"]] {
        if !more.contains(&default[0]) {
            arguments.extend(default);
        }
    }
    arguments.extend(more);
    let output = allot(folder, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let summary = fs::read(folder.join("run/summary.json")).expect("a summary");
    (output, serde_json::from_slice(&summary).expect("a summary"))
}

fn printed(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("allot "));
    lines.map(|line| line.replace("&apos;", "'").replace("&quot;", "\"").replace("&amp;", "&")).collect()
}

#[test]
fn printed_commands_reproduce_the_model_of_the_table() {
    // A function of gradients wins, as the space has no other terminals.
    let gradients = ["--only", "gradient,log,mean,scale,neg,std", "--unit", "block"];
    let magnitude = ["--method", "magnitude", "--pattern", "n:4", "--no-gradients"];
    let ria = ["--method", "ria", "--seed", "3"];
    for more in [&gradients[..], &magnitude, &ria] {
        let folder = TempDir::new().expect("a folder");
        let folder = folder.path();
        let (output, summary) = search(folder, more);
        let terminal = printed(&error(&output));
        assert_eq!(terminal.len(), 3, "{}", error(&output));
        measures_what_the_table_says(folder, &terminal, &summary);
        let page = fs::read_to_string(folder.join("run/report.html")).expect("a page");
        let (_, usage) = page.split_once("<h2 id=\"again\">").expect("the page says how to use it");
        let page: Vec<String> = printed(&usage.replace("<code>", "\n"));
        assert_eq!(page.len(), 4, "{usage}");
        measures_what_the_table_says(&folder.join("run"), &page[..3], &summary);
        pasted(&folder.join("run"), &page[3]);
    }
}

#[test]
fn printed_commands_quote_names_for_the_shell() {
    let folder = TempDir::new().expect("a folder");
    let spaced = folder.path().join("my texts");
    fs::create_dir(&spaced).expect("a folder");
    for name in ["calibration", "fitness", "report"] {
        fs::copy(text(name), spaced.join(format!("{name}.jsonl"))).expect("a copy");
    }
    let (output, summary) = search(folder.path(), &["--texts", "my texts", "--evaluations", "6"]);
    measures_what_the_table_says(folder.path(), &printed(&error(&output)), &summary);
}

#[test]
fn every_command_with_a_text_collects_what_a_script_needs() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    let calibration = text("calibration");
    let calibrated = ["--text", &calibration, "--length", "32", "--samples", "4"];
    let with = |first: &[&str], rest: &[&str]| -> Vec<String> {
        first.iter().chain(&calibrated).chain(rest).map(|it| (*it).to_owned()).collect()
    };
    let run =
        |arguments: Vec<String>| fine(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, script) in NEEDY {
        fs::write(folder.join(name), script).expect("a script");
        let eval = with(&["eval", MODEL, name, "--sparsity", "0.6", "--format", "json"], &[]);
        let eval = allot(folder, &eval.iter().map(String::as_str).collect::<Vec<_>>());
        let evaluated: Value = serde_json::from_slice(&eval.stdout).expect("JSON");
        assert_eq!(evaluated["noise"], false, "{name} gives uniform ratios on the model");
        for used in ["gradient", "reconstruction_error"].into_iter().filter(|used| script.contains(used)) {
            let said = format!("note: `{used}` is used, so it is collected on the calibration text\n");
            assert!(error(&eval).contains(&said), "{name}: {}", error(&eval));
        }
        run(with(&["diff", "uniform", name, "--model", MODEL, "--sparsity", "0.6"], &[]));
        run(with(&["export", name, "--to", "csv", "--model", MODEL, "--sparsity", "0.6"], &[]));
        run(with(&["prune", MODEL, name, "--sparsity", "0.6"], &["--out", &format!("{name}.pruned")]));
        let stats = format!("{name}.safetensors");
        run(with(&["stats", MODEL, "--reductions", name, "--out", &stats], &[]));
        // The statistics file made for the script is sufficient for it.
        fine(folder, &["eval", MODEL, name, "--sparsity", "0.6", "--stats", &stats]);
    }
}

#[test]
fn trials_collect_what_scripts_and_methods_need() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    let texts = format!("{MODEL}/text");
    for (name, script) in NEEDY {
        fs::write(folder.join(name), script).expect("a script");
    }
    let small =
        ["--texts", &texts, "--length", "32", "--samples", "4", "--windows", "2", "--report-windows", "2"];
    let trial = |arguments: &[&str]| allot(folder, &[arguments, &small].concat());
    let note = "note: `reconstruction_error` is used";
    let search = |out, more: &[&str]| {
        trial(&[&["search", MODEL, "-s", "0.6", "--evaluations", "4", "--out", out][..], more].concat())
    };
    let included = search("included", &["--include", "reconstruction.allot"]);
    assert_eq!(included.status.code(), Some(0), "{}", error(&included));
    assert!(error(&included).contains(note), "{}", error(&included));
    let refused = search("refused", &["--include", "gradient.allot", "--no-gradients"]);
    assert_eq!(refused.status.code(), Some(2), "{}", error(&refused));
    assert!(error(&refused).contains("gradient.allot uses `gradient`"), "{}", error(&refused));
    let by_method = search("by-method", &["--method", "pruner_zero", "--unit", "block", "--no-gradients"]);
    assert_eq!(by_method.status.code(), Some(0), "{}", error(&by_method));
    assert!(error(&by_method).contains("note: `gradient` is used"), "{}", error(&by_method));
    let compared = trial(&["compare", MODEL, "gradient.allot", "reconstruction.allot", "-s", "0.6"]);
    assert_eq!(compared.status.code(), Some(0), "{}", error(&compared));
    assert!(error(&compared).contains(note), "{}", error(&compared));
    assert!(!String::from_utf8_lossy(&compared.stdout).contains("failed"), "every script has a value");
}

#[test]
fn a_metric_that_depends_on_the_unit_is_searched_with_one_unit() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("own.allot"), "metric abs(weight) / mean(abs(weight))\n").expect("a script");
    let texts = format!("{MODEL}/text");
    let search = ["search", MODEL, "-s", "0.6", "--texts", &texts, "--method", "own.allot", "--out", "run"];
    let output = allot(folder.path(), &search);
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).contains("--unit block"), "{}", error(&output));
    assert!(!folder.path().join("run").exists());
    let (output, summary) =
        self::search(folder.path(), &["--method", "own.allot", "--unit", "block", "--evaluations", "6"]);
    measures_what_the_table_says(folder.path(), &printed(&error(&output)), &summary);
}

#[test]
fn every_command_with_a_text_collects_what_a_method_needs() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    let (calibration, report) = (text("calibration"), text("report"));
    fs::write(folder.join("obd.allot"), "metric weight ^ 2 * hessian_diag\n").expect("a script");
    fine(folder, &["export", "uniform", "--to", "json", "--model", MODEL, "-s", "0.5", "-o", "half.json"]);
    for method in ["pruner_zero", "obd.allot"] {
        let out = format!("{method}.pruned");
        let short = ["--length", "32", "--samples", "4"];
        let mut prune = vec!["prune", MODEL, "-s", "0.5", "--method", method, "--text", &calibration];
        prune.extend(["--propagate", "dense", "--out", &out]);
        prune.extend(short);
        fine(folder, &prune);
        let measure = ["--text", &report, "--length", "32", "--limit", "4"];
        let saved = fine(folder, &[&["ppl", &out][..], &measure].concat());
        let in_memory = ["--allocation", "half.json", "--method", method, "--calibration", &calibration];
        let ppl = [&["ppl", MODEL][..], &measure, &in_memory, &["--samples", "4"]].concat();
        assert_eq!(saved, fine(folder, &ppl), "{method}");
    }
}

#[test]
fn an_explicit_method_overrides_the_metric_of_the_script() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("own.allot"), "metric(per = matrix) abs(weight)\nuniform()\n").expect("a script");
    let method = |more: &[&str], out: &str| -> Value {
        let calibration = text("calibration");
        let mut arguments = vec!["prune", MODEL, "own.allot", "-s", "0.5", "--out", out, "--format", "json"];
        arguments.extend(["--text", &calibration, "--length", "32", "--samples", "2"]);
        arguments.extend(more);
        let report: Value = serde_json::from_str(&fine(folder, &arguments)).expect("JSON");
        report["method"].clone()
    };
    assert_eq!(method(&[], "own"), "metric");
    assert_eq!(method(&["--method", "wanda"], "wanda"), "wanda");
    assert_eq!(method(&["--method", "ria"], "ria"), "ria");
}

/// Returns a copy of the bundled model whose context is `positions` tokens.
fn with_context(folder: &Path, positions: u64) -> PathBuf {
    let copy = folder.join(format!("context-{positions}"));
    fs::create_dir(&copy).expect("a folder");
    for entry in fs::read_dir(MODEL).expect("a folder").flatten().filter(|it| it.path().is_file()) {
        fs::copy(entry.path(), copy.join(entry.file_name())).expect("a copy");
    }
    let config = copy.join("config.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&config).expect("a config")).expect("JSON");
    json["max_position_embeddings"] = positions.into();
    fs::write(&config, json.to_string()).expect("a config");
    copy
}

#[test]
fn windows_longer_than_the_context_are_refused_by_every_command() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    let small = with_context(folder, 48);
    let small = small.to_str().expect("UTF-8");
    let (calibration, report, texts) = (text("calibration"), text("report"), format!("{MODEL}/text"));
    fine(folder, &["export", "uniform", "--to", "json", "--model", small, "-s", "0.5", "-o", "half.json"]);
    let commands: [&[&str]; 13] = [
        &["ppl", small, "--text", &report, "--length", "49"],
        &["kl", MODEL, small, "--text", &report, "--length", "49"],
        &["kl", small, MODEL, "--text", &report, "--length", "49"],
        &["stats", small, "--text", &calibration, "--length", "49", "--out", "s"],
        &["eval", small, "owl", "-s", "0.5", "--text", &calibration, "--length", "49"],
        &["diff", "owl", "dsa", "--model", small, "-s", "0.5", "--text", &calibration, "--length", "49"],
        &[
            "export",
            "owl",
            "--to",
            "csv",
            "--model",
            small,
            "-s",
            "0.5",
            "--text",
            &calibration,
            "--length",
            "49",
        ],
        &["search", MODEL, "-s", "0.5", "--also", small, "--texts", &texts, "--length", "49", "--out", "r"],
        &["prune", small, "-s", "0.5", "--text", &calibration, "--length", "49", "--out", "p"],
        &[
            "ppl",
            small,
            "--text",
            &report,
            "--length",
            "49",
            "--allocation",
            "half.json",
            "--calibration",
            &report,
        ],
        &["search", small, "-s", "0.5", "--texts", &texts, "--length", "49", "--out", "r"],
        &["enumerate", small, "-s", "0.5", "--texts", &texts, "--length", "49", "--out", "r"],
        &["compare", small, "uniform", "-s", "0.5", "--texts", &texts, "--length", "49", "--out", "c"],
    ];
    for command in commands {
        let output = allot(folder, command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let said = error(&output);
        assert!(said.contains("49 tokens") && said.contains("context of 48"), "{command:?}: {said}");
    }
    for left in ["s", "p", "r", "c"] {
        assert!(!folder.join(left).exists(), "{left} was written");
    }
}

#[test]
fn the_default_window_is_the_context_if_that_is_shorter() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    let small = with_context(folder, 48);
    let small = small.to_str().expect("UTF-8");
    let (calibration, report, texts) = (text("calibration"), text("report"), format!("{MODEL}/text"));
    let length = |arguments: &[&str]| -> Value {
        let printed = fine(folder, &[arguments, &["--format", "json"]].concat());
        serde_json::from_str::<Value>(&printed).expect("JSON")["length"].clone()
    };
    assert_eq!(length(&["ppl", small, "--text", &report, "--limit", "2"]), 48);
    assert_eq!(length(&["ppl", MODEL, "--text", &report, "--limit", "2"]), 512);
    // The shorter context of two models counts.
    assert_eq!(length(&["kl", small, MODEL, "--text", &report, "--limit", "2"]), 48);
    assert_eq!(length(&["kl", MODEL, small, "--text", &report, "--limit", "2"]), 48);
    assert_eq!(length(&["stats", small, "--text", &calibration, "--samples", "2", "--out", "s"]), 48);
    let mut search = vec!["search", MODEL, "-s", "0.6", "--also", small, "--texts", &texts, "--out", "run"];
    search.extend(["--samples", "2", "--windows", "2", "--report-windows", "2", "--evaluations", "4"]);
    fine(folder, &search);
    let settings: Value =
        serde_json::from_slice(&fs::read(folder.join("run/settings.json")).expect("settings")).expect("JSON");
    assert_eq!(settings["texts"]["length"], 48);
}
