//! The programs of `examples/` that use the library do what they say.

use std::fs;
use std::path::Path;
use std::process::Command;

use allot::session::LoadedScript;
use tempfile::TempDir;

/// Runs an example from the repository's root, as its first lines say, and returns what it prints.
///
/// `cargo test` builds examples; with `--test it` alone they may be missing, and `None` is returned.
fn run(example: &str, arguments: &[&str]) -> Option<String> {
    let built =
        Path::new(env!("CARGO_BIN_EXE_allot")).parent().expect("a folder").join("examples").join(example);
    if !built.exists() {
        eprintln!("skipped: {} is not built; `cargo test` without `--test` builds it", built.display());
        return None;
    }
    let output = Command::new(built)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("examples print UTF-8"))
}

#[test]
fn ratios_meet_the_budget() {
    let Some(printed) = run("ratios", &[]) else { return };
    assert_eq!(printed.lines().count(), 13, "{printed}");
    assert!(printed.contains("block 11"), "{printed}");
    assert!(printed.ends_with("all        0.7000\n"), "{printed}");
    let text = "examples/tiny-stories-12l/text/calibration.jsonl";
    let uniform = ["examples/tiny-stories-12l", text, "uniform", "0.25"];
    let Some(printed) = run("ratios", &uniform) else { return };
    assert!(printed.lines().all(|line| line.ends_with(" 0.2500")), "{printed}");
}

#[test]
fn a_pruned_folder_is_written_and_measured() {
    let folder = TempDir::new().expect("a folder");
    let pruned = folder.path().join("pruned");
    let Some(printed) = run("pruned_folder", &[pruned.to_str().expect("UTF-8")]) else { return };
    assert!(printed.contains("of 1216512 weights pruned"), "{printed}");
    let perplexity = |name: &str| -> f64 {
        let line = printed.lines().find(|line| line.starts_with(name)).expect("a line");
        line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number")
    };
    assert!(perplexity("dense") < perplexity("pruned"), "{printed}");
    assert!(Path::new(&pruned).join("allot.json").exists());
}

/// Returns the script of what the search by one's own measure prints.
fn script(printed: &str) -> String {
    let lines = printed.lines().take_while(|line| !line.starts_with("squared divergence"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_search_by_a_measure_of_ones_own_goes_on_with_that_measure_only() {
    let place = TempDir::new().expect("a folder");
    let folder = place.path().join("run");
    let folder = folder.to_str().expect("UTF-8");
    let Some(first) = run("own_measure", &[folder]) else { return };
    assert!(LoadedScript::check("found", script(&first).as_bytes(), None).is_ok(), "{first}");
    assert!(first.contains("squared divergence on the fitness text: "), "{first}");
    assert_eq!(Some(&first), run("own_measure", &[folder]).as_ref(), "what has ended is put together again");
    // As if it had been stopped halfway.
    let journal = place.path().join("run/journal.jsonl");
    let whole = fs::read(&journal).expect("a journal");
    fs::write(&journal, &whole[..whole.len() / 2]).expect("half a journal");
    let again = run("own_measure", &[folder]);
    assert_eq!(Some(&first), again.as_ref(), "what goes on ends as what was never stopped");
    assert!(fs::read(&journal).expect("a journal") == whole, "with the same journal");
    // The command measures otherwise, and would mix two measures.
    let output = Command::new(env!("CARGO_BIN_EXE_allot"))
        .args(["search", "--resume", folder])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("what measures was squared divergence"), "{said}");
}
