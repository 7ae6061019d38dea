//! `allot check` and `allot fmt` as commands of a shell.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the command in the folder of the package, with `input` on its standard input.
fn allot(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_allot"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command may close its input before it has read all of it.
    let _ = child.stdin.take().expect("the input is a pipe").write_all(input);
    child.wait_with_output().expect("the command ends")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_says_by_its_exit_code_what_it_found() {
    for (arguments, input, expected) in [
        (vec!["check", "-"], "mean(score) |> scale\n", Some(0)),
        (vec!["check", "-"], "mean(score)\n", Some(1)),
        (vec!["check", "-"], "", Some(1)),
        // A warning is not an error.
        (vec!["check", "-"], "let a = score\nmean(score) |> scale\n", Some(0)),
        (vec!["check", "-", "--format", "json"], "mean(score)\n", Some(1)),
        (vec!["check", "-"], "reciprocal(fan_in) |> scale\n", Some(1)),
        (vec!["check", "-", "--unit", "projection"], "reciprocal(fan_in) |> scale\n", Some(0)),
        (vec!["check", "-", "--unit", "layer"], "uniform()\n", Some(2)),
        (vec!["check", "examples/owl.allot", "examples/er.allot"], "", Some(0)),
        (vec!["check", "examples/owl.allot", "tests/broken/empty.allot"], "", Some(1)),
        (vec!["check", "no_such_file.allot"], "", Some(2)),
        (vec!["check"], "", Some(2)),
    ] {
        let output = allot(&arguments, input.as_bytes());
        assert_eq!(
            code(&output),
            expected,
            "{arguments:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
    }
}

#[test]
fn check_refuses_input_longer_than_a_script() {
    let line = "score + ".repeat(10 << 17);
    let output = allot(&["check", "-"], line.as_bytes());
    assert_eq!(code(&output), Some(1));
    assert!(text(&output.stdout).contains("error[too-long]"), "{}", text(&output.stdout));
}

#[test]
fn check_refuses_input_that_is_not_text() {
    let output = allot(&["check", "-"], b"mean(score) # caf\xe9\n|> scale\n");
    assert_eq!(code(&output), Some(1));
    assert!(text(&output.stdout).contains("error[not-text]"), "{}", text(&output.stdout));
}

#[test]
fn check_gives_its_findings_as_data() {
    let input = "let share = maen(score)\nmean(score) |> abs\n    |> global\n";
    let output = allot(&["check", "-", "--format", "json"], input.as_bytes());
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn check_gives_no_findings_as_data() {
    let output = allot(&["check", "-", "--format", "json"], b"uniform()\n");
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the output is JSON");
    assert_eq!(data["diagnostics"], serde_json::json!([]));
}

#[test]
fn fmt_prints_what_it_reads_from_standard_input() {
    let output = allot(&["fmt", "-"], b"mean( score )|>scale # kept\n");
    assert_eq!(code(&output), Some(0));
    assert_eq!(text(&output.stdout), "mean(score) |> scale  # kept\n");
}

#[test]
fn fmt_changes_files_in_place() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("my.allot");
    std::fs::write(&path, "mean( score )|>scale\n").expect("the file can be written");
    let argument = path.display().to_string();
    let read = |path: &Path| std::fs::read_to_string(path).expect("the file can be read");

    let checked = allot(&["fmt", "--check", &argument], b"");
    assert_eq!(code(&checked), Some(1));
    assert_eq!(read(&path), "mean( score )|>scale\n", "a check changes nothing");

    assert_eq!(code(&allot(&["fmt", &argument], b"")), Some(0));
    assert_eq!(read(&path), "mean(score) |> scale\n");
    assert_eq!(code(&allot(&["fmt", "--check", &argument], b"")), Some(0));

    std::fs::write(&path, "mean(score |> scale\n").expect("the file can be written");
    let refused = allot(&["fmt", &argument], b"");
    assert_eq!(code(&refused), Some(1));
    assert_eq!(read(&path), "mean(score |> scale\n", "a file that does not parse is not changed");
    assert!(text(&refused.stderr).contains("error[unclosed-parenthesis]"), "{}", text(&refused.stderr));
}

#[test]
fn fmt_says_by_its_exit_code_what_it_found() {
    for (arguments, input, expected) in [
        (vec!["fmt", "--check", "-"], "mean(score) |> scale\n", Some(0)),
        (vec!["fmt", "--check", "-"], "mean(score)|>scale\n", Some(1)),
        (vec!["fmt", "-"], "mean(score\n", Some(1)),
        // Types are not checked.
        (vec!["fmt", "-"], "mean(mean(score))\n", Some(0)),
        (vec!["fmt", "no_such_file.allot"], "", Some(2)),
    ] {
        let output = allot(&arguments, input.as_bytes());
        assert_eq!(code(&output), expected, "{arguments:?}: {}", text(&output.stderr));
    }
}
