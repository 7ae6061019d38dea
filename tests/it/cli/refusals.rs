//! Commands refuse before any work begins: options that contradict each other or would be ignored, invalid ratios, and outputs that
//! cannot be written. Also checks how fast a command ends after a signal.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::place::{MODEL, Place};

/// Command lines that are each refused by a row of the table. `A` is an allocation file, and no model is ever opened.
const REFUSED: &[&str] = &[
    "stats M --text t --method ria --out O",
    "stats M --text T --unit block --out S",
    "check -e uniform() --fix",
    "check s.allot --plan --format sarif",
    "eval M owl -s 0.5 --format github",
    "fmt s.allot --diff --format json",
    "show owl --front",
    "ops --device cuda",
    "check s.allot --precision bf16",
    "diff owl dlp --device cuda",
    "check s.allot --method ria",
    "show RUN --markdown --format json",
    "compare M -s 0.5 --texts T --table latex --format json",
    "eval M owl -s 0.5 --rows-of q_proj --format json",
    "export A --to csv --out f.csv --format json",
    "eval M A --most 0.9",
    "eval M A --stats S.safetensors",
    "export A --to csv --method ria",
    "prune M owl --pattern 2:4 --out P",
    "prune M --unit projection --pattern 2:4 --out P",
    "prune M --sparsity 0.6 --pattern 4:8 --out P",
    "prune M owl -s 0.6 --stats S --propagate pruned --out P",
    "prune M owl -s 0.6 --method magnitude --propagate dense --out P",
    "ppl M --text t.txt --allocation A --method magnitude --stats S",
    "diff owl dlp --text t.txt",
    "export owl --to latex --model M",
    "export owl --to canonical --method ria",
    "export owl --to numpy --tokens f.safetensors:ids",
    "export A --to csv --modifier sparsegpt",
    "export A --to dlp --levels 12",
    "import ratios.csv --model M --weights-diff 8",
    "import A --model M --epsilon 0.2",
    "stats M --stats S --reductions owl --samples 4 --out O",
    "stats M --stats S --out O",
    "eval M owl -s 0.5 --stats S --seed 3",
    "prune M owl -s 0.5 --memory 1GB --out P",
    "stats M --tokens f.safetensors:ids --length 64 --out O",
    "kl M N --tokens f.safetensors:ids --length 64",
    "ppl M --tokens f.safetensors:ids --length 64",
    "search M -s 0.5 --stats S --fitness t.txt --no-gradients --out R",
    "search M -s 0.5 --fitness t.txt --samples 3 --out R",
    "enumerate M -s 0.5 --calibration t.txt --fitness t.txt --report-windows 3 --out R",
    "search M -s 0.5 --calibration c.txt --fitness t.txt --report-sparsity 0.6 --out R",
    "search M -s 0.5,0.6 --texts T --report-sparsity 0.55,0.6 --out R",
    "search M -s 0.5,0.6 --also 0.5 --texts T --out R",
    "search M -s 0.5 --texts T --report-sparsity 0.6,0.6 --out R",
    "compare M -s 0.5 --texts T --no-gradients",
    "descend M -s 0.5 --texts T --reconstruction-error",
    "search M -s 0.5 --texts T --only mean,scale --without std --out R",
    "enumerate M -s 0.5 --texts T --space dsa --max-size 4 --out R",
    "compare M owl -s 0.5 --texts T --evaluations 5",
    "compare M besa ramp -s 0.5 --texts T --unit block",
    "compare M owl -s 0.5 --texts T --limit 3",
    "compare M owl -s 0.5 --texts T --tasks boolq",
    "search M -s 0.5 --texts T --protocol wanda --out R",
    "search M -s 0.5 --texts T --report-tasks boolq --out R",
    "search M -s 0.5 --texts T --tasks boolq --data D --out R",
    "search M -s 0.5 --texts T --measure tasks --out R",
    "search M -s 0.5 --texts T --fitness f.txt --measure tasks --tasks boolq --data D --out R",
    "search M -s 0.5 --texts T --held-out-teacher F --out R",
    "search M -s 0.5 --texts T --teacher F --dry-run --out R",
    "search M -s 0.5 --texts T --surrogate --dry-run --out R",
    "enumerate M -s 0.5 --texts T --measure tasks --out R",
    "snapshot s.allot --model M --text t --check C --out S",
    "snapshot s.allot --model M --text t --check C -s 0.5",
    "snapshot s.allot --model M --text t -s 0.5 --tolerance 0.1",
    "snapshot s.allot --model M --text t -s 0.5 --force",
    "diff - -",
];

fn place() -> Place {
    let place = Place::new();
    fs::write(place.path("A"), "{}").expect("written");
    fs::write(place.path("ratios.csv"), "module,sparsity\n").expect("written");
    place
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn options_that_do_not_go_together_are_refused_before_any_work() {
    let place = place();
    let before = fs::read_dir(place.path(".")).expect("readable").count();
    let mut said = String::new();
    let mut reasons = BTreeSet::new();
    for line in REFUSED {
        let output = place.allot(&line.split(' ').collect::<Vec<_>>()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "allot {line}: {}", message(&output));
        let message = message(&output);
        if let Some((_, why)) = message.lines().next().and_then(|first| first.split_once(": `")) {
            reasons.insert(why.split_once(": ").map_or(why, |(_, why)| why).to_owned());
        }
        said.push_str(&format!("$ allot {line}\n{message}"));
    }
    // Every row of the table must have a line in `REFUSED`.
    for [commands, options, _, why] in allot::cli::refusals() {
        assert!(reasons.contains(&why), "{options} of {commands}: no line is refused since {why}");
    }
    assert_eq!(fs::read_dir(place.path(".")).expect("readable").count(), before);
    insta::assert_snapshot!(said);
}

#[test]
fn compatible_options_are_accepted() {
    for line in [
        "prune M --sparsity 0.5 --pattern 2:4 --out P",
        "prune M uniform --pattern 2:4 --out P",
        "prune M owl -s 0.6 --pattern n:4 --unit projection --out P",
        "prune M owl -s 0.6 --stats S --propagate dense --out P",
        "prune M owl -s 0.6 --text t.txt --propagate pruned --samples 4 --out P",
        "ppl M --tokens f.safetensors:ids --length 64 --allocation a.json --calibration c.txt",
        "export owl --to numpy --method ria",
        "diff owl dlp --unit projection",
        "compare M owl besa -s 0.5 --texts T --evaluations 5 --fitness t.txt",
        "search M -s 0.5,0.6 --also 0.7 --report-sparsity 0.55,0.65 --texts T --out R",
        "search M -s 0.5 --texts T --samples 8 --no-gradients --only mean,scale --out R",
        "check - --plan --method ria",
    ] {
        let words: Vec<&str> = std::iter::once("allot").chain(line.split(' ')).collect();
        assert!(allot::cli::refuse(&words).is_ok(), "{line}: {:?}", allot::cli::refuse(&words));
    }
}

#[test]
fn ratios_and_counts_are_checked_at_the_command_line() {
    let place = place();
    let commands = [
        "eval M owl -s",
        "prune M owl --out P --sparsity",
        "search M --texts T --out R -s",
        "search M --texts T --out R -s 0.5 --also",
        "search M --texts T --out R -s 0.5 --report-sparsity",
        "enumerate M --texts T --out R -s",
        "compare M --texts T -s",
        "compare M --texts T -s 0.5 --sparsity",
        "descend M --texts T -s",
        "diff owl dlp --model M -s",
        "export owl --to csv --model M -s",
        "snapshot owl --model M -s",
        "import f --model M -s",
        "stats M --text t --out S --reductions owl -s",
        "eval M owl -s 0.5 --least",
        "eval M owl -s 0.5 --most",
    ];
    for command in commands {
        for (ratio, says) in
            [("50", "50 % is 0.5"), ("-0.5", "from 0 to 1"), ("1.01", "from 0 to 1"), ("NaN", "from 0 to 1")]
        {
            let words: Vec<&str> = command.split(' ').chain([ratio]).collect();
            let output = place.allot(&words).output().expect("it runs");
            assert_eq!(output.status.code(), Some(2), "{command} {ratio}");
            assert!(message(&output).contains(says), "{command} {ratio}: {}", message(&output));
        }
    }
    for counted in [
        "ppl M --text t --limit",
        "kl M N --text t --length",
        "stats M --text t --out S --samples",
        "search M -s 0.5 --texts T --out R --evaluations",
        "search M -s 0.5 --texts T --out R --seeds",
        "compare M -s 0.5 --texts T --report-windows",
        "descend M -s 0.5 --texts T --steps",
        "ppl M --text t --allocation a.json --calibration t --samples",
        "ppl M --text t --allocation a.json --calibration t --length",
    ] {
        let words: Vec<&str> = counted.split(' ').chain(["0"]).collect();
        let output = place.allot(&words).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{counted}");
        assert!(message(&output).contains("invalid value '0'"), "{counted}: {}", message(&output));
    }
}

#[test]
fn outputs_that_cannot_be_written_are_refused_before_the_work() {
    let place = place();
    fs::write(place.path("file"), "kept").expect("written");
    fs::create_dir(place.path("folder")).expect("a folder");
    fs::write(place.path("folder/mine"), "kept").expect("written");
    let calibration = format!("{MODEL}/text/calibration.jsonl");
    // Enough samples for minutes of work.
    let long = ["--text", &calibration, "--samples", "100000", "--length", "256"];
    let texts = format!("{MODEL}/text");
    let trial = ["-s", "0.5", "--texts", &texts, "--samples", "100000", "--length", "256"];
    let prune = ["prune", MODEL, "owl", "-s", "0.5"];
    for (first, rest, says) in [
        (&prune[..], &["--out", "folder"][..], "already exists"),
        (&prune, &["--out", "folder", "--force"], "holds no allot.json"),
        (&prune, &["--out", "file", "--force"], "file is a file, but the command writes a folder there"),
        (&prune, &["--out", "nowhere/p"], "make the folder first"),
        (&prune, &["--out", "file/p"], "cannot write file/p"),
        (&["stats", MODEL], &["--out", "nowhere/s"], "make the folder first"),
        (
            &["stats", MODEL],
            &["--out", "folder", "--force"],
            "folder is a folder, but the command writes a file there",
        ),
        (&["eval", MODEL, "owl", "-s", "0.5"], &["--figure", "nowhere/f.svg"], "make the folder first"),
        (&["eval", MODEL, "owl", "-s", "0.5"], &["--figure", "file"], "file already exists"),
        (
            &["export", "owl", "--to", "csv", "--model", MODEL, "-s", "0.5"],
            &["-o", "file"],
            "file already exists",
        ),
        (&["import", "folder/mine", "--model", MODEL], &["-o", "file"], "file already exists"),
        (&["eval", MODEL, "owl", "-s", "0,5"], &[], "write the decimal point as a point: 0.5"),
        (&["export", "owl", "--to", "csv", "--model", MODEL, "-s", "0.5"], &["-o", "folder"], "is a folder"),
        (
            &["snapshot", "owl", "--model", MODEL, "-s", "0.5"],
            &["--out", "nowhere/s"],
            "make the folder first",
        ),
        (&["search", MODEL], &["--out", "file"], "file is a file"),
        (&["search", MODEL], &["--out", "file/below/run"], "cannot write file/below/run"),
        (&["search", MODEL], &["--out", "folder"], "folder"),
        (&["compare", MODEL], &["--out", "file"], "file is a file"),
        (&["descend", MODEL], &["--out", "file"], "file is a file"),
        (&["enumerate", MODEL], &["--out", "file"], "file is a file"),
        (&["tasks", MODEL, "--tasks", "boolq"], &["--out", "nowhere/t.jsonl"], "make the folder first"),
        (&["tasks", MODEL, "--tasks", "boolq"], &["--out", "folder", "--force"], "folder is a folder"),
    ] {
        let more = match first[0] {
            "search" | "compare" | "descend" | "enumerate" => &trial[..],
            "tasks" => &["--data", "folder"],
            "import" => &[],
            _ => &long,
        };
        let begun = Instant::now();
        let output = place.allot(&[first, more, rest].concat()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{first:?} {rest:?}: {}", message(&output));
        assert!(message(&output).contains(says), "{first:?} {rest:?}: {}", message(&output));
        assert!(begun.elapsed() < Duration::from_secs(20), "{first:?} {rest:?} took {:?}", begun.elapsed());
    }
    assert_eq!(fs::read(place.path("file")).expect("readable"), b"kept");
}

#[test]
fn scripts_with_the_same_name_are_distinguished() {
    let place = place();
    for (run, script) in [("run1", "mean(abs(weight)) |> scale\n"), ("run4", "std(weight) |> scale\n")] {
        fs::create_dir(place.path(run)).expect("a folder");
        fs::write(place.path(&format!("{run}/best.allot")), script).expect("written");
    }
    let texts = format!("{MODEL}/text");
    let small = ["-s", "0.5", "--texts", &texts, "--length", "32", "--samples", "2", "--report-windows", "2"];
    let entrants = ["compare", MODEL, "run1/best.allot", "run4/best.allot", "--propagate", "dense"];
    let output = place.run(place.allot(&[&entrants[..], &small].concat()));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("run1/best") && table.contains("run4/best"), "{table}");
    let twice =
        place.allot(&[&["compare", MODEL, "owl", "owl"][..], &small].concat()).output().expect("it runs");
    assert!(message(&twice).contains("`owl` is named twice"), "{}", message(&twice));
}

/// Starts a command, sends it a signal after a while, and returns the time until it ended, and its output.
fn interrupted(place: &Place, arguments: &[&str], after: Duration, signal: &str) -> (Duration, Output) {
    let mut command = place.allot(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    std::thread::sleep(after);
    let asked = Instant::now();
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success(), "{arguments:?} was over before it was interrupted");
    let output = child.wait_with_output().expect("it ends");
    (asked.elapsed(), output)
}

#[test]
fn a_signal_ends_every_phase_within_a_second() {
    let texts = format!("{MODEL}/text");
    let calibration = format!("{MODEL}/text/calibration.jsonl");
    let search = ["search", MODEL, "-s", "0.5", "--texts", &texts, "--evaluations", "100000", "--out", "out"];
    let compare = ["compare", MODEL, "-s", "0.5", "--texts", &texts, "--out", "out"];
    let prune =
        ["prune", MODEL, "owl", "-s", "0.5", "--method", "sparsegpt", "--text", &calibration, "--out", "out"];
    let large = ["--samples", "2000", "--length", "256"];
    let small = ["--samples", "2", "--length", "256"];
    // Long windows make each step of the work long.
    for (arguments, after) in [
        ([&search[..], &large].concat(), 1500),
        ([&search[..], &small, &["--windows", "200"]].concat(), 4000),
        ([&compare[..], &small].concat(), 4000),
        ([&prune[..], &large].concat(), 3000),
    ] {
        for signal in ["-INT", "-TERM"] {
            let place = place();
            let before = fs::read_dir(place.path(".")).expect("readable").count();
            let (took, output) = interrupted(&place, &arguments, Duration::from_millis(after), signal);
            assert_eq!(output.status.code(), Some(130), "{arguments:?}: {}", message(&output));
            // The time to reach the next step, the time for the last message, and some slack for a busy machine.
            assert!(took < Duration::from_millis(2000), "{arguments:?} took {took:?}");
            let said = message(&output);
            assert!(said.contains("interrupted") || said.contains("stopped"), "{said}");
            assert_eq!(said.matches("interrupted").count() + said.matches("stopped\n").count(), 1, "{said}");
            let left = fs::read_dir(place.path(".")).expect("readable").flatten();
            let hidden = left.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count();
            assert_eq!(hidden, 0, "{arguments:?} leaves something hidden");
            if arguments[0] == "prune" {
                assert_eq!(fs::read_dir(place.path(".")).expect("readable").count(), before);
            }
        }
    }
}
