//! `allot snapshot`: recording a function, and checking it after something has changed.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::support::place::{MODEL, Place};

const SCRIPT: &str = "mean(score) + 0.5 * depth |> scale(lambda = 0.08)\n";
const SMALL: [&str; 4] = ["--samples", "4", "--length", "32"];

/// A folder with a script and the snapshots that a test makes of it.
struct Pinned {
    place: Place,
    text: String,
}

impl Pinned {
    fn new() -> Self {
        let place = Place::new();
        fs::write(place.path("best.allot"), SCRIPT).expect("written");
        Self { place, text: format!("{MODEL}/text/calibration.jsonl") }
    }

    fn try_snapshot(&self, script: &str, arguments: &[&str]) -> Output {
        let model: &[&str] = if arguments.contains(&"--model") { &[] } else { &["--model", MODEL] };
        let text: &[&str] = if arguments.contains(&"--text") { &[] } else { &["--text", &self.text] };
        let words = [&["snapshot", script][..], model, text, &SMALL, arguments].concat();
        self.place.allot(&words).output().expect("it runs")
    }

    /// Makes a snapshot of the script, or checks one, and returns what is printed.
    fn snapshot(&self, arguments: &[&str]) -> String {
        let output = self.try_snapshot("best.allot", arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Checks a snapshot that differs, and returns the printed differences.
    fn differs(&self, script: &str, arguments: &[&str]) -> String {
        let output = self.try_snapshot(script, arguments);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Checks a file that is not a snapshot, and returns the message.
    fn fails(&self, file: &str) -> String {
        let output = self.try_snapshot("best.allot", &["--check", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(output.stdout.is_empty(), "{file}");
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    fn edit(&self, from: &str, to: &str, edit: impl FnOnce(&str) -> String) {
        let text = fs::read_to_string(self.place.path(from)).expect("a snapshot");
        let edited = edit(&text);
        assert_ne!(edited, text, "nothing was edited");
        fs::write(self.place.path(to), edited).expect("written");
    }
}

/// Returns text with three decimals of each ratio and no counts of weights, as processors differ in rounding.
fn coarse(text: &str) -> String {
    let word = |word: &str| match (word.split_once('.'), word.trim_start_matches(['+', '-']).parse::<u64>()) {
        (Some((whole, decimals)), _) if decimals.len() == 6 && decimals.parse::<u64>().is_ok() => {
            format!("{whole}.{}...", &decimals[..3])
        }
        (_, Ok(count)) if count > 100 => "COUNT".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| match line.starts_with("sparsity ") {
        true => format!("{line}\n"),
        false => line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n",
    };
    text.lines().map(line).collect()
}

/// Moves weights from the first unit of every sparsity to the second.
fn moved(text: &str, weights: i64) -> String {
    let mut place = usize::MAX;
    let line = |line: &str| {
        place = if line.starts_with("sparsity ") { 0 } else { place.saturating_add(1) };
        let words: Vec<&str> = line.split_whitespace().collect();
        let sign = match place {
            1 => -1,
            2 => 1,
            _ => return format!("{line}\n"),
        };
        let pruned = words[1].parse::<i64>().expect("a count") + sign * weights;
        let parameters: i64 = words[3].parse().expect("a count");
        let ratio = pruned as f64 / parameters as f64;
        format!("{ratio:.6}  {pruned} of {parameters}  {}\n", words[4..].join(" "))
    };
    text.lines().map(line).collect()
}

#[test]
fn a_snapshot_is_plain_text_and_the_same_bytes_each_time() {
    let pinned = Pinned::new();
    let text = pinned.snapshot(&["-s", "0.5,0.7"]);
    assert_eq!(pinned.snapshot(&["-s", "0.5,0.7", "--threads", "1"]), text);
    assert_eq!(pinned.snapshot(&["-s", "0.5,0.7", "--out", "best.snap"]), "");
    assert_eq!(fs::read_to_string(pinned.place.path("best.snap")).expect("a file"), text);
    let version = format!("allot {}", env!("CARGO_PKG_VERSION"));
    insta::assert_snapshot!(coarse(&text.replace(&version, "allot VERSION")));
}

#[test]
fn a_check_of_an_unchanged_function_succeeds() {
    let pinned = Pinned::new();
    pinned.snapshot(&["-s", "0.5,0.7", "--out", "best.snap"]);
    let data = pinned.snapshot(&["-s", "0.5,0.7", "--format", "json"]);
    fs::write(pinned.place.path("best.json"), data).expect("written");
    pinned.edit("best.snap", "windows.snap", |text| text.replace('\n', "\r\n"));
    for file in ["best.snap", "best.json", "windows.snap"] {
        let said = pinned.snapshot(&["--check", file]);
        assert_eq!(
            said,
            format!("{file}: the same: formula, model, statistics, and 24 ratios to within 0.000001\n")
        );
        assert_eq!(pinned.snapshot(&["--check", file, "--quiet"]), "");
    }
    // Comments, names and spelling are not part of the function.
    let spelled = "# mine\nlet importance = 0.5 * depth + mean(score)\nimportance |> scale(lambda = 0.08)\n";
    fs::write(pinned.place.path("other.allot"), spelled).expect("written");
    let output = pinned.try_snapshot("other.allot", &["--check", "best.snap"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_changed_formula_is_shown_with_the_ratios_that_it_moves() {
    let pinned = Pinned::new();
    pinned.snapshot(&["-s", "0.5,0.7", "--out", "best.snap"]);
    fs::write(pinned.place.path("best.allot"), SCRIPT.replace("0.08", "0.07")).expect("written");
    insta::assert_snapshot!(coarse(&pinned.differs("best.allot", &["--check", "best.snap"])));
    let data = pinned.differs("best.allot", &["--check", "best.snap", "--format", "json"]);
    let data: Value = serde_json::from_str(&data).expect("JSON");
    assert_eq!(data["same"], false);
    let what: Vec<&str> =
        data["differences"].as_array().expect("a list").iter().filter_map(|it| it["what"].as_str()).collect();
    assert_eq!(what, ["formula", "hash"]);
    for it in data["ratios"].as_array().expect("a list") {
        let (before, now) = (it["before"].as_f64().expect("a ratio"), it["now"].as_f64().expect("a ratio"));
        let weights = it["weights"].as_f64().expect("a count");
        assert!(((now - before) * 101_376.0 - weights).abs() < 1e-6, "{it}");
    }
}

#[test]
fn a_ratio_may_differ_by_the_tolerance_or_by_a_weight() {
    let pinned = Pinned::new();
    pinned.snapshot(&["-s", "0.5,0.7", "--out", "best.snap"]);
    pinned.edit("best.snap", "one.snap", |text| moved(text, 1));
    pinned.edit("best.snap", "two.snap", |text| moved(text, 2));
    pinned.edit("best.snap", "many.snap", |text| moved(text, 1000));
    pinned.snapshot(&["--check", "one.snap"]);
    let said = pinned.differs("best.allot", &["--check", "two.snap"]);
    assert!(said.contains("at the sparsity 0.5, 2 ratios differ") && said.contains("+2 weights"), "{said}");
    assert!(said.contains("at the sparsity 0.7, 2 ratios differ") && said.contains("-2 weights"), "{said}");
    pinned.differs("best.allot", &["--check", "many.snap", "--tolerance", "0.009"]);
    pinned.snapshot(&["--check", "many.snap", "--tolerance", "0.01"]);
}

#[test]
fn another_model_and_other_statistics_are_reported() {
    let pinned = Pinned::new();
    pinned.snapshot(&["-s", "0.5", "--out", "best.snap"]);
    let seed = pinned.differs("best.allot", &["--check", "best.snap", "--seed", "3"]);
    assert!(seed.contains("the snapshot used other statistics") && seed.contains("seed 3"), "{seed}");
    let report = format!("{MODEL}/text/report.jsonl");
    let text = pinned.differs("best.allot", &["--check", "best.snap", "--text", &report]);
    assert!(text.contains("the snapshot used other statistics"), "{text}");

    let copy = pinned.place.path("copy");
    fs::create_dir(&copy).expect("a folder");
    for entry in fs::read_dir(MODEL).expect("readable").flatten().filter(|it| it.path().is_file()) {
        fs::copy(entry.path(), copy.join(entry.file_name())).expect("copied");
    }
    let config = fs::read_to_string(copy.join("config.json")).expect("readable");
    let mut config: Value = serde_json::from_str(&config).expect("JSON");
    config["rms_norm_eps"] = Value::from(0.5);
    fs::write(copy.join("config.json"), config.to_string()).expect("written");
    let configuration = pinned.differs("best.allot", &["--check", "best.snap", "--model", "copy"]);
    assert!(
        configuration.contains("the snapshot is of another model: config.json differs"),
        "{configuration}"
    );

    let prune = ["prune", MODEL, "uniform", "-s", "0.5", "--method", "magnitude", "--out", "pruned"];
    pinned.place.run(pinned.place.allot(&prune));
    let weights = pinned.differs("best.allot", &["--check", "best.snap", "--model", "pruned"]);
    assert!(weights.contains("the fingerprint of the weights differs"), "{weights}");
    for said in [seed, text, configuration, weights] {
        assert!(said.ends_with("the ratios were not compared\n") && !said.contains("->"), "{said}");
    }
}

#[test]
fn a_formula_of_weights_is_checked_without_statistics() {
    let pinned = Pinned::new();
    fs::write(pinned.place.path("best.allot"), "mean(abs(weight)) |> scale\n").expect("written");
    let text = pinned.snapshot(&["-s", "0.5", "--out", "best.snap"]);
    assert!(text.is_empty());
    let output = pinned
        .place
        .allot(&["snapshot", "best.allot", "--model", MODEL, "--check", "best.snap"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn rows_with_their_own_ratios_are_compared_one_by_one() {
    let pinned = Pinned::new();
    let script = "unit row\nl2(score, over = inputs) |> zscore |> scale(lambda = 0.1)\n";
    fs::write(pinned.place.path("best.allot"), script).expect("written");
    pinned.snapshot(&["-s", "0.6", "--out", "best.snap"]);
    pinned.snapshot(&["--check", "best.snap"]);
    // The projection's total stays the same.
    let move_rows = |text: &str| -> String {
        let mut done = false;
        let line = |line: &str| match line.strip_prefix("rows ").filter(|_| !done) {
            None => format!("{line}\n"),
            Some(counts) => {
                done = true;
                let mut counts: Vec<u32> = counts.split(' ').map(|it| it.parse().expect("a count")).collect();
                counts[0] -= 3;
                counts[1] += 3;
                let counts: Vec<String> = counts.iter().map(u32::to_string).collect();
                format!("rows {}\n", counts.join(" "))
            }
        };
        text.lines().map(line).collect()
    };
    pinned.edit("best.snap", "rows.snap", move_rows);
    let said = pinned.differs("best.allot", &["--check", "rows.snap"]);
    assert!(said.contains("+0 weights, in 2 rows  model.layers.0.self_attn.q_proj"), "{said}");
}

#[test]
fn what_is_not_a_snapshot_is_refused_with_its_line() {
    let pinned = Pinned::new();
    pinned.snapshot(&["-s", "0.5", "--out", "best.snap"]);
    let data = pinned.snapshot(&["-s", "0.5", "--format", "json"]);
    fs::write(pinned.place.path("best.json"), data).expect("written");
    let edits: [(&str, &str, &str, &str); 13] = [
        ("another version", "best.snap", "allot snapshot 1", "allot snapshot 2"),
        ("another file", "best.snap", "allot snapshot 1", "# a script"),
        ("a key", "best.snap", "hash:", "hush:"),
        ("a key twice", "best.snap", "script:", "hash: 1\nscript:"),
        ("no hash", "best.snap", "hash: ", "formula: "),
        ("a unit", "best.snap", "unit: block", "unit: head"),
        ("windows", "best.snap", "4 windows of", "4 windows and"),
        ("a total", "best.snap", "608256 of", "608257 of"),
        ("a ratio", "best.snap", "0.5", "0.75"),
        ("a count", "best.snap", " of 101376  block 0", " of block 0"),
        ("another version as data", "best.json", "snapshot/1", "snapshot/2"),
        ("another document", "best.json", "snapshot/1", "front/1"),
        ("a count as data", "best.json", "\"pruned\": ", "\"pruned\": 1"),
    ];
    let mut said = String::new();
    for (what, file, from, to) in edits {
        pinned.edit(file, "edited", |text| match what {
            // Edits the first ratio, not the sparsity above it.
            "a ratio" => {
                let (above, below) = text.split_once(" weights\n").expect("ratios");
                format!("{above} weights\n9{}", &below[1..])
            }
            _ => text.replacen(from, to, 1),
        });
        said.push_str(&format!("## {what}\n{}", pinned.fails("edited")));
    }
    fs::write(pinned.place.path("edited"), [0xff, 0xfe, 0x00]).expect("written");
    said.push_str(&format!("## bytes\n{}", pinned.fails("edited")));
    insta::assert_snapshot!(coarse(&said));
}

#[test]
fn a_snapshot_is_not_overwritten_unless_asked() {
    let pinned = Pinned::new();
    pinned.snapshot(&["-s", "0.5", "--out", "best.snap"]);
    let again = pinned.try_snapshot("best.allot", &["-s", "0.6", "--out", "best.snap"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
    pinned.snapshot(&["-s", "0.6", "--out", "best.snap", "--force"]);
    let text = fs::read_to_string(pinned.place.path("best.snap")).expect("a file");
    assert!(text.contains("\nsparsity 0.6: "), "{text}");
    let twice = pinned.try_snapshot("best.allot", &["-s", "0.6,0.60"]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("the sparsity 0.6 is given twice"));
}
