//! Results with different inputs are never mixed: comparisons, searches and statistics name the changed input
//! and stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use allot::session::Search;
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");

/// A folder with its own model and texts.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().expect("a folder"));
        fs::create_dir_all(place.path("model/text")).expect("a folder");
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            fs::copy(Path::new(MODEL).join(name), place.path("model").join(name)).expect("a copy");
        }
        for name in ["calibration", "fitness", "selection", "report"] {
            let file = format!("text/{name}.jsonl");
            fs::copy(Path::new(MODEL).join(&file), place.path("model").join(&file)).expect("a copy");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn allot(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
        command.current_dir(self.0.path()).args(arguments).stdin(Stdio::null());
        command.output().expect("the binary runs")
    }

    fn runs(&self, arguments: &[&str]) -> String {
        let output = self.allot(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        error
    }

    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let output = self.allot(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        for word in words {
            assert!(error.contains(word), "no `{word}` in: {error}");
        }
    }

    /// Changes a text file of the model, runs `check`, and changes it back.
    fn with(&self, file: &str, from: &str, to: &str, check: impl FnOnce()) {
        let path = self.path("model").join(file);
        let before = fs::read_to_string(&path).expect("a file");
        assert!(before.contains(from), "{file} has {from}");
        fs::write(&path, before.replacen(from, to, 1)).expect("a change");
        check();
        fs::write(&path, before).expect("the file as it was");
    }

    /// Stops the tokenizer from starting texts with a special token, runs `check`, and restores the
    /// tokenizer.
    fn with_another_rule(&self, check: impl FnOnce()) {
        let path = self.path("model/tokenizer.json");
        let before = fs::read(&path).expect("a tokenizer");
        let mut after: serde_json::Value = serde_json::from_slice(&before).expect("JSON");
        after["post_processor"] = serde_json::Value::Null;
        fs::write(&path, after.to_string()).expect("another tokenizer");
        check();
        fs::write(&path, before).expect("the tokenizer as it was");
    }

    /// Flips the lowest bit of a weight far from every tensor's ends, runs `check`, and flips it back.
    fn with_another_weight(&self, check: impl FnOnce()) {
        let path = self.path("model/model.safetensors");
        let before = fs::read(&path).expect("weights");
        let mut after = before.clone();
        let at = after.len() / 2 + 6000;
        after[at & !1] ^= 1;
        fs::write(&path, after).expect("a change");
        check();
        fs::write(&path, before).expect("the weights as they were");
    }
}

const SMALL: [&str; 8] = ["--length", "16", "--samples", "2", "--windows", "2", "--report-windows", "2"];

#[test]
fn a_comparison_with_changed_inputs_is_refused_by_name() {
    let place = Place::new();
    let compare = |more: &[&'static str]| {
        let mut arguments = vec!["compare", "model", "uniform", "-s", "0.6", "--texts", "model/text"];
        arguments.extend(SMALL);
        arguments.extend(["--out", "out"]);
        arguments.extend(more);
        arguments
    };
    place.runs(&compare(&[]));
    let again = || compare(&[]);
    place.runs(&again());
    place.with("config.json", "1e-05", "1e-04", || place.refuses(&again(), &["`rms_norm_eps`", "0.0001"]));
    // The version of another program that wrote the file does not change any number.
    place.with("config.json", "5.23.0", "5.24.0", || drop(place.runs(&again())));
    place.with_another_rule(|| place.refuses(&again(), &["reads a document of the", "tokenizer"]));
    place.with_another_weight(|| place.refuses(&again(), &["the fingerprint of the weights"]));
    place.with("text/report.jsonl", "the", "an", || place.refuses(&again(), &["the report text"]));
    place.refuses(&compare(&["--pattern", "n:4"]), &["the pattern was unstructured and is now n:4"]);
    place.refuses(&compare(&["--method", "magnitude"]), &["the method"]);
    place.refuses(&compare(&["--seed", "3"]), &["calibration text"]);
    let mut longer = again();
    let at = longer.iter().position(|it| *it == "16").expect("a length");
    longer[at] = "32";
    place.refuses(&longer, &["windows of 32"]);
    // A file of an earlier version records less than is needed.
    fs::write(place.path("out/identity.json"), r#"[["the model model","a04"]]"#).expect("a file");
    place.refuses(&again(), &["the version of allot", "not recorded"]);
}

#[test]
fn a_search_resumes_only_with_its_own_inputs() {
    let place = Place::new();
    let mut begin = vec!["search", "model", "-s", "0.6", "--texts", "model/text", "--evaluations", "20"];
    begin.extend(SMALL);
    begin.extend(["--out", "run"]);
    place.runs(&begin);
    let resume = ["search", "--resume", "run", "--quiet"];
    place.runs(&resume);
    place.with("config.json", "10000.0", "20.0", || place.refuses(&resume, &["`rope_parameters`"]));
    place.with_another_rule(|| place.refuses(&resume, &["reads a document of the"]));
    place.with_another_weight(|| place.refuses(&resume, &["the fingerprint of the weights"]));
    let settings = place.path("run/settings.json");
    let kept = fs::read_to_string(&settings).expect("settings");
    for (from, to, what) in [
        (r#""seed": 0"#, r#""seed": 5"#, "calibration text"),
        (r#""pattern": "unstructured""#, r#""pattern": "n:4""#, "the pattern"),
        (r#""method": "wanda""#, r#""method": "magnitude""#, "the ranking of weights"),
    ] {
        assert!(kept.contains(from), "{from}");
        fs::write(&settings, kept.replacen(from, to, 1)).expect("other settings");
        place.refuses(&resume, &[what]);
    }
}

#[test]
fn changed_inputs_are_refused_before_the_one_off_work() {
    let place = Place::new();
    let mut begin = vec!["search", "model", "-s", "0.6", "--texts", "model/text", "--evaluations", "4"];
    begin.extend(SMALL);
    begin.extend(["--out", "run"]);
    place.runs(&begin);
    let resumed = || {
        let mut done = Vec::new();
        let search = Search::resume(place.path("run")).expect("a run");
        let refused = search.prepare(&mut |what, _| done.push(what.to_owned())).is_err();
        (refused, done)
    };
    let (refused, done) = resumed();
    assert!(!refused && done.iter().any(|it| it == "calibrating"), "{done:?}");
    place.with_another_weight(|| assert_eq!(resumed(), (true, Vec::new())));
}

#[test]
fn special_tokens_of_a_text_are_recorded() {
    let place = Place::new();
    let compare =
        [&["compare", "model", "uniform", "-s", "0.6", "--texts", "model/text"][..], &SMALL].concat();
    place.runs(&[&compare[..], &["--out", "compared"]].concat());
    let kept = fs::read_to_string(place.path("compared/identity.json")).expect("an identity");
    assert!(kept.contains("begin with <s> (0), by tokenizer.json"), "{kept}");
    place.with_another_rule(|| {
        place.refuses(&[&compare[..], &["--out", "compared"]].concat(), &["reads a document of the"])
    });
}

#[test]
fn options_of_a_new_search_are_refused_beside_resume() {
    let place = Place::new();
    let options = [
        ["--sparsity", "0.6"],
        ["--out", "other"],
        ["--texts", "t"],
        ["--fitness", "f.txt"],
        ["--stats", "s"],
        ["--length", "8"],
        ["--samples", "8"],
        ["--windows", "8"],
        ["--report-windows", "8"],
        ["--also", "0.5"],
        ["--measure", "perplexity"],
        ["--method", "magnitude"],
        ["--pattern", "2:4"],
        ["--space", "dsa"],
        ["--max-size", "9"],
        ["--unit", "block"],
        ["--only", "score"],
        ["--without", "score"],
        ["--include", "owl"],
        ["--patience", "5"],
        ["--seeds", "2"],
        ["--seed", "0"],
        ["--control", "random"],
    ];
    for [option, value] in options {
        place.refuses(&["search", "--resume", "run", option, value], &["cannot be used with", option]);
    }
    place.refuses(&["search", "--resume", "run", "--no-gradients"], &["cannot be used with"]);
    // Alone, it gets as far as the folder, which does not exist.
    place.refuses(&["search", "--resume", "run", "--quiet"], &["is not a search's folder"]);
}

#[test]
fn statistics_belong_to_the_unchanged_model() {
    let place = Place::new();
    let text = ["--text", "model/text/calibration.jsonl", "--samples", "2", "--length", "16"];
    place.runs(&[&["stats", "model", "--out", "s.safetensors"], &text[..]].concat());
    let eval = ["eval", "model", "owl", "-s", "0.6", "--stats", "s.safetensors"];
    place.runs(&eval);
    place.with("config.json", "1e-05", "0.5", || {
        place.refuses(&eval, &["`rms_norm_eps` in config.json", "0.5"])
    });
    place.with_another_rule(|| place.refuses(&eval, &["tokenizer.json was"]));
    fs::write(place.path("model/tokenizer_config.json"), r#"{"add_bos_token":true}"#).expect("a file");
    place.refuses(&eval, &["tokenizer_config.json is"]);
    fs::write(place.path("model/tokenizer_config.json"), r#"{"chat_template":"{{ it }}"}"#).expect("a file");
    place.runs(&eval);
    place.with_another_weight(|| place.refuses(&eval, &["the fingerprint of the weights"]));
}

#[test]
fn one_text_for_two_splits_is_noted() {
    let place = Place::new();
    let text = |name: &str| format!("model/text/{name}.jsonl");
    let (fitness, report) = (text("fitness"), text("report"));
    let search = |selection: &str, out: &str| {
        let mut arguments =
            vec!["search", "model", "-s", "0.6", "--calibration", &report, "--fitness", &fitness];
        arguments.extend(["--selection", selection, "--report", &report, "--evaluations", "4"]);
        arguments.extend(SMALL);
        arguments.extend(["--out", out]);
        place.runs(&arguments)
    };
    let said = search(&fitness, "one");
    assert!(said.contains("the fitness and the selection text are the same"), "{said}");
    assert!(said.contains("the calibration and the report text are the same"), "{said}");
    // In another form, and with more text in front, it is still the same one.
    let documents = fs::read_to_string(place.path(&fitness)).expect("a text");
    fs::write(
        place.path("other.jsonl"),
        "{\"text\":\"One more.\"}\n".to_owned() + &documents.replace('\n', "\r\n"),
    )
    .expect("a file");
    let said = search("other.jsonl", "two");
    assert!(said.contains("the fitness and the selection text are the same or share most"), "{said}");
    let compare = ["compare", "model", "uniform", "-s", "0.6", "--texts", "model/text"];
    let said = place.runs(&[&compare[..], &SMALL[..]].concat());
    assert!(!said.contains("the same"), "{said}");
    // Two files for one split are refused, not chosen from.
    fs::write(place.path("model/text/report.txt"), "Another text.").expect("a file");
    place.refuses(
        &[&compare[..], &SMALL[..]].concat(),
        &["the report text could be", "report.jsonl", "--report"],
    );
}

/// An allocation that names no model may have been made for other weights.
#[test]
fn an_allocation_says_which_model_it_was_made_for() {
    let place = Place::new();
    let output = place.allot(&["eval", "model", "atp", "-s", "0.6", "--format", "json"]);
    fs::write(place.path("a.json"), &output.stdout).expect("a file");
    let said = place.runs(&["eval", "model", "a.json"]);
    assert!(!said.contains("allocation"), "{said}");
    place.with_another_weight(|| {
        let said = place.runs(&["eval", "model", "a.json"]);
        assert!(said.contains("made for other weights"), "{said}");
    });
    let mut unnamed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    unnamed.as_object_mut().expect("an object").remove("model");
    fs::write(place.path("b.json"), unnamed.to_string()).expect("a file");
    let said = place.runs(&["eval", "model", "b.json"]);
    assert!(said.contains("does not name its model"), "{said}");
}
