//! Working with scripts: on the command line, in folders, fixed, shown and explained.

use std::fs;

use serde_json::Value;

use crate::support::place::{MODEL, Place};

fn stdout(place: &Place, arguments: &[&str], code: i32) -> String {
    let output = place.allot(arguments).env("COLUMNS", "100").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8") + &said
}

fn data(place: &Place, arguments: &[&str], code: i32) -> Value {
    let output = place.allot(arguments).output().expect("it runs");
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_script_can_be_given_with_the_option_e() {
    let place = Place::new();
    let script = "log(mean(abs(weight))) |> scale";
    fs::write(place.path("s.allot"), format!("{script}\n")).expect("written");
    let at = ["-s", "0.6", "--method", "magnitude", "--format", "json"];
    for more in [&["--unit", "block"][..], &["--unit", "projection"]] {
        let by_name = data(&place, &[&["eval", MODEL, "s.allot"][..], &at, more].concat(), 0);
        let by_text = data(&place, &[&["eval", MODEL, "-e", script][..], &at, more].concat(), 0);
        assert_eq!(by_name["units"], by_text["units"]);
        assert_eq!(by_name["hash"], by_text["hash"]);
    }
    let latex = |from: &[&str]| stdout(&place, &[&["export", "--to", "latex"][..], from].concat(), 0);
    assert_eq!(latex(&["-e", script]), latex(&["s.allot"]));
    assert_eq!(stdout(&place, &["diff", "s.allot", "-e", script], 0), "the scripts are the same\n");
    assert_eq!(stdout(&place, &["diff", "-e", script, "-e", script], 0), "the scripts are the same\n");
    assert!(
        stdout(&place, &["diff", "-e", script], 2)
            .contains("the command compares two scripts, but 1 is given")
    );
    assert_eq!(stdout(&place, &["check", "-e", script], 0), "");
    assert!(stdout(&place, &["check", "-e", "mean(scor) |> scale"], 1).contains("<expression>:1:6"));
    assert_eq!(stdout(&place, &["fmt", "-e", "mean( score )|>scale"], 0), "mean(score) |> scale\n");
    let pruned =
        ["prune", MODEL, "-e", script, "-s", "0.6", "--method", "magnitude", "--out", "p", "--quiet"];
    assert_eq!(stdout(&place, &pruned, 0), "");
    let texts = format!("{MODEL}/text");
    let small = ["--texts", &texts, "--length", "32", "--samples", "2", "--report-windows", "2", "-s", "0.6"];
    let compared =
        stdout(&place, &[&["compare", MODEL, "uniform", "-e", script, "-q"][..], &small].concat(), 0);
    assert!(compared.contains(script), "{compared}");
    assert!(
        stdout(&place, &["eval", MODEL, "owl", "-e", script, "-s", "0.6"], 2).contains("cannot be used with")
    );
}

#[test]
fn an_unfinished_line_reports_what_is_missing_and_not_its_trailing_space() {
    let place = Place::new();
    for script in ["let x = ", "mean(score) |> ", "metric ", "mean(score) + ", "mean(score) |>\t"] {
        let (with, without) = (
            stdout(&place, &["check", "-e", script], 1),
            stdout(&place, &["check", "-e", script.trim_end()], 1),
        );
        assert!(!with.contains("U+00"), "{with}");
        let first = |text: &str| text.lines().next().map(str::to_owned);
        assert_eq!(first(&with), first(&without), "{script:?}");
    }
}

#[test]
fn an_allocation_file_is_not_a_script() {
    let place = Place::new();
    let export = ["export", "atp", "--to", "json", "--model", MODEL, "-s", "0.6", "-o", "a.json"];
    stdout(&place, &export, 0);
    let said = stdout(&place, &["diff", "owl", "a.json"], 2);
    assert!(
        said.starts_with("error: a.json is an allocation file: it holds ratios, not a script\n"),
        "{said}"
    );
}

#[test]
fn every_script_in_a_folder_is_checked_and_counted() {
    let place = Place::new();
    fs::create_dir_all(place.path("s/deep")).expect("a folder");
    fs::create_dir_all(place.path("s/.hidden")).expect("a folder");
    fs::create_dir_all(place.path("empty")).expect("a folder");
    for (name, text) in [
        ("s/a.allot", "mean(scor) |> scale\n"),
        ("s/deep/b.allot", "let x = depth\nmean(score) |> scale\n"),
        ("s/notes.txt", "no script\n"),
        ("s/.hidden/c.allot", "mean(\n"),
    ] {
        fs::write(place.path(name), text).expect("written");
    }
    let said = stdout(&place, &["check", "s", "owl"], 1);
    assert!(said.contains("3 scripts: 1 error, 1 warning\n"), "{said}");
    assert!(said.contains("s/a.allot:1:6") && said.contains("s/deep/b.allot:1:5"), "{said}");
    // An unreadable script is reported, and the rest is still checked.
    let said = stdout(&place, &["check", "nowhere.allot", "s/a.allot"], 2);
    assert!(said.contains("nowhere.allot") && said.contains("s/a.allot:1:6"), "{said}");
    assert!(said.contains("1 script: 1 error, 0 warnings, 1 not read\n"), "{said}");
    assert!(stdout(&place, &["check", "empty"], 2).contains("holds no file that ends in .allot"));
    stdout(&place, &["check", "s/deep"], 0);
    stdout(&place, &["check", "s/deep", "--deny-warnings"], 1);
    let said = stdout(&place, &["fmt", "--check", "s"], 0);
    assert_eq!(said, "");
}

#[test]
fn unambiguous_mistakes_are_fixed_in_the_file() {
    let place = Place::new();
    fs::write(place.path("s.allot"), "# mine\nmean(Score ** 2 × .5) |> scale\n").expect("written");
    let said = stdout(&place, &["check", "--fix", "s.allot"], 0);
    assert!(said.contains("mistakes fixed"), "{said}");
    assert_eq!(
        fs::read_to_string(place.path("s.allot")).expect("text"),
        "# mine\nmean(score ^ 2 * 0.5) |> scale\n"
    );
    // An ambiguous mistake is not fixed, and the file stays unchanged.
    fs::write(place.path("t.allot"), "mean(scor) |> scale\n").expect("written");
    stdout(&place, &["check", "--fix", "t.allot"], 1);
    assert_eq!(fs::read_to_string(place.path("t.allot")).expect("text"), "mean(scor) |> scale\n");
    let found = data(&place, &["check", "-e", "mean(score ** 2) |> scale", "--format", "json"], 1);
    let edit = &found["diagnostics"][0]["edit"];
    assert_eq!((edit["text"].as_str(), edit["start"].as_u64()), (Some("^"), Some(11)));
}

#[test]
fn mistakes_are_printed_in_the_formats_of_other_tools() {
    let place = Place::new();
    fs::write(place.path("s.allot"), "mean(scor) |> scale\nlet a = 1\n").expect("written");
    let sarif = data(&place, &["check", "s.allot", "--format", "sarif"], 1);
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(sarif["version"], "2.1.0");
    let place_of = &result["locations"][0]["physicalLocation"];
    assert_eq!(place_of["artifactLocation"]["uri"], "s.allot");
    assert!(place_of["region"]["startLine"].is_u64());
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
    assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]));
    let github = stdout(&place, &["check", "s.allot", "--format", "github", "--quiet"], 1);
    assert!(
        github.lines().all(|line| line.starts_with("::error file=s.allot,line=")
            || line.starts_with("::warning file=s.allot,line=")),
        "{github}"
    );
    assert!(
        github.contains("title=unknown-name::unknown name `scor`%0Ahelp: did you mean `score`?"),
        "{github}"
    );
}

#[test]
fn what_would_change_is_shown() {
    let place = Place::new();
    fs::write(place.path("s.allot"), "# mine\nmean( score )|>scale\n").expect("written");
    insta::assert_snapshot!(stdout(&place, &["fmt", "--diff", "s.allot"], 1));
    assert_eq!(fs::read_to_string(place.path("s.allot")).expect("text"), "# mine\nmean( score )|>scale\n");
    let printed = data(&place, &["fmt", "--check", "s.allot", "--format", "json"], 1);
    assert_eq!(printed["scripts"][0]["changed"], true);
    assert_eq!(printed["scripts"][0]["text"], "# mine\nmean(score) |> scale\n");
}

#[test]
fn scripts_and_words_are_listed_shown_and_explained() {
    let place = Place::new();
    insta::assert_snapshot!("list", stdout(&place, &["list"], 0));
    insta::assert_snapshot!("show_owl", stdout(&place, &["show", "owl"], 0));
    assert_eq!(stdout(&place, &["explain", "owl"], 0), stdout(&place, &["show", "owl"], 0));
    insta::assert_snapshot!("explain_metric", stdout(&place, &["explain", "metric"], 0));
    insta::assert_snapshot!("explain_code", stdout(&place, &["explain", "unknown-name"], 0));
    let listed = data(&place, &["list", "--format", "json"], 0);
    for script in listed["scripts"].as_array().expect("scripts") {
        let name = script["name"].as_str().expect("a name");
        let shown = data(&place, &["show", name, "--format", "json"], 0);
        assert_eq!(shown["name"], name);
        stdout(&place, &["explain", name], 0);
    }
    for word in allot::report::language::WORDS {
        assert!(stdout(&place, &["explain", word.name], 0).contains(word.text), "{}", word.name);
        assert_eq!(stdout(&place, &["check", "-e", word.example], 0), "", "{}", word.name);
    }
    for code in allot::report::language::codes() {
        let page = stdout(&place, &["explain", code], 0);
        assert!(page.starts_with(code) && page.lines().count() > 2, "{page}");
    }
    assert!(stdout(&place, &["explain", "metrik"], 2).contains("did you mean `metric`?"));
}
