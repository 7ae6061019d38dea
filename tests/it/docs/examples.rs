//! Tests every code block of the book.
//!
//! | block | what is tested |
//! |---|---|
//! | `allot` | the script checks without errors and warnings |
//! | `allot,error` or `allot,warning` | it has such a problem, which the next block shows if it is a `text` block |
//! | `allot,file=NAME` | as above, and later commands of the page find the script as NAME |
//! | `console` | each `$ ` line runs in a shell and prints the lines below it; a line `...` stands for any lines |
//! | `sh` | the command line accepts every `allot` command; the commands are not run, as they would take too long |
//! | `python` | not tested here: `crates/python/tests/test_docs.py` runs it |
//! | `text`, `pest`, `toml`, `json` | not tested |
//!
//! A page's commands run one after the other in a temporary folder, in which `model/` is the bundled model and `text/` its text.
//! `ALLOT_UPDATE_DOCS=1` rewrites the output of commands and diagnostics in blocks without `...`.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::book::{self, Block, Page};
use allot::lang::check::{CheckOptions, check};
use allot::lang::diagnostic::{Diagnostic, Severity};
use allot::lang::ops::CATALOGUE;
use allot::lang::problem::Problem;
use allot::lang::render::render;

/// Tags of blocks that are not run.
const SHOWN: [&str; 5] = ["text", "pest", "toml", "json", "python"];

#[test]
fn code_blocks_match_their_output() {
    let pages = book::pages();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = pages.iter().map(|page| scope.spawn(|| test_page(page))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no page panics")).collect()
    });
    assert!(
        failures.is_empty(),
        "{}\n\nIf the new output is right, rewrite it: ALLOT_UPDATE_DOCS=1 cargo test --test it docs::examples",
        failures.join("\n\n")
    );
}

/// Tests a page, and returns its failures.
fn test_page(page: &Page) -> Vec<String> {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let model = book::root("examples/tiny-stories-12l");
    link(&model, &folder.path().join("model"));
    link(&model.join("text"), &folder.path().join("text"));
    let blocks = book::blocks(&page.text);
    let mut failures = Vec::new();
    let mut replacements = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let result = match block.tags.first().map_or("", String::as_str) {
            "allot" => {
                let shown = blocks.get(index + 1).filter(|next| {
                    // Only a blank line may be between the two.
                    next.is("text") && next.lines.start <= block.lines.end + 3
                });
                test_script(block, shown, folder.path())
            }
            "console" => test_commands(block, folder.path()),
            "sh" => parse_commands(block),
            tag if SHOWN.contains(&tag) => Ok(None),
            tag => Err(format!("a block is tagged `{tag}`, which no test knows")),
        };
        match result {
            Ok(None) => {}
            Ok(Some((lines, now))) if book::updating() => replacements.push((lines, now)),
            Ok(Some((lines, now))) => {
                let said: String = page.text.lines().collect::<Vec<_>>()[lines.clone()].join("\n");
                failures.push(format!(
                    "docs/{}:{}: the page says\n{said}\nbut the output is\n{now}",
                    page.name,
                    lines.start + 1
                ));
            }
            Err(problem) => failures.push(format!("docs/{}:{}: {problem}", page.name, block.lines.start + 1)),
        }
    }
    if !replacements.is_empty() {
        let text = book::replaced(&page.text, &replacements);
        fs::write(&page.path, text).expect("pages can be written");
    }
    failures
}

/// The lines to replace, and their new text.
type Correction = Option<(std::ops::Range<usize>, String)>;

fn test_script(block: &Block, shown: Option<&Block>, folder: &Path) -> Result<Correction, String> {
    let name = block.setting("file").unwrap_or("my.allot");
    if block.setting("file").is_some() {
        fs::write(folder.join(name), &block.text).map_err(|error| error.to_string())?;
    }
    let problems = check(&block.text, CheckOptions::default()).problems;
    let diagnostics: Vec<Diagnostic> = problems.iter().map(Problem::diagnostic).collect();
    let text = render(&diagnostics, name, &block.text, false);
    let expected = match () {
        () if block.is("error") => Some(Severity::Error),
        () if block.is("warning") => Some(Severity::Warning),
        () => None,
    };
    let found = diagnostics.iter().map(|diagnostic| diagnostic.severity).min();
    if found != expected {
        return Err(format!("expected {expected:?} of the script, found {found:?}\n{text}"));
    }
    Ok(match shown {
        Some(shown) if expected.is_some() && !same(shown.text.trim_end(), text.trim_end()) => {
            Some((shown.lines.clone(), format!("{}\n", text.trim_end())))
        }
        _ => None,
    })
}

/// Parses the `allot` commands of a block that is not run; shell variables are replaced by a number.
fn parse_commands(block: &Block) -> Result<Correction, String> {
    for line in block.text.replace("\\\n", " ").lines() {
        let words: Vec<String> =
            words(line.split('#').next().and_then(|it| it.split(" > ").next()).unwrap_or_default())
                .into_iter()
                .map(|word| if word.starts_with('$') { "0.5".to_owned() } else { word })
                .collect();
        if words.first().is_some_and(|word| word == "allot") {
            let parsed = allot::cli::command().try_get_matches_from(&words);
            parsed.map_err(|error| format!("`{}` is not a command: {error}", line.trim()))?;
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            allot::cli::refuse(&words).map_err(|error| format!("`{}` is refused: {error}", line.trim()))?;
        }
    }
    Ok(None)
}

fn test_commands(block: &Block, folder: &Path) -> Result<Correction, String> {
    let mut now = String::new();
    let mut differs = false;
    for (command, expected) in commands(&block.text) {
        let output = run(&command, folder)?;
        now.push_str(&format!("$ {command}\n"));
        if same(&expected, &output) {
            now.push_str(&expected);
        } else if expected.lines().any(|line| line.trim() == "...") {
            return Err(format!("`{command}` prints\n{output}\nwhich does not fit\n{expected}"));
        } else {
            differs = true;
            now.push_str(&output);
        }
    }
    Ok(differs.then(|| (block.lines.clone(), now)))
}

/// Splits a block into commands and their expected outputs.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, expected))) => {
                expected.push_str(line);
                expected.push('\n');
            }
            (None, None) => panic!("a block begins with `{line}`, which is not a command"),
        }
    }
    commands
}

/// Runs a line in a shell with `allot` in its path, and returns everything that it prints.
fn run(line: &str, folder: &Path) -> Result<String, String> {
    let binary = Path::new(env!("CARGO_BIN_EXE_allot")).parent().unwrap_or(Path::new("."));
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{line}")])
        .current_dir(folder)
        .env("PATH", path)
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        // Pages do not show progress, as it depends on time.
        .env("ALLOT_NO_PROGRESS", "1")
        .output()
        .map_err(|error| format!("no shell runs: {error}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    match output.status.code() {
        Some(0..=2) if !text.contains("panicked at") => Ok(text),
        _ => Err(format!("`{line}` ends with {}:\n{text}", output.status)),
    }
}

/// Returns whether an output matches a page, on which a line `...` stands for any lines.
fn same(expected: &str, output: &str) -> bool {
    let expected: Vec<&str> = expected.trim_end().lines().collect();
    let output: Vec<&str> = output.trim_end().lines().collect();
    fits(&expected, &output)
}

fn fits(expected: &[&str], output: &[&str]) -> bool {
    match expected {
        [] => output.is_empty(),
        [dots, rest @ ..] if dots.trim() == "..." => {
            (0..=output.len()).any(|skipped| fits(rest, &output[skipped..]))
        }
        [line, rest @ ..] => {
            output.first().is_some_and(|first| same_line(line, first) && fits(rest, &output[1..]))
        }
    }
}

/// Returns whether two lines are equal except for the last digit of decimal numbers, as processors differ in rounding, and for the
/// length of bars.
fn same_line(expected: &str, output: &str) -> bool {
    let words = |line: &str| -> Vec<String> {
        let bars = |character: char| "█▉▊▋▌▍▎▏╎".contains(character);
        line.replace(bars, " ").split_whitespace().map(str::to_owned).collect()
    };
    let (expected, output) = (words(expected), words(output));
    expected.len() == output.len() && expected.iter().zip(&output).all(|(a, b)| a == b || nearly(a, b))
}

fn nearly(a: &str, b: &str) -> bool {
    let trimmed = |word: &str| word.trim_end_matches([',', '%', ')']).to_owned();
    let (a, b) = (trimmed(a), trimmed(b));
    let decimals = |word: &str| word.split_once('.').map(|(_, decimals)| decimals.len() as i32);
    let (Some(of_a), Some(of_b), Ok(x), Ok(y)) =
        (decimals(&a), decimals(&b), a.parse::<f64>(), b.parse::<f64>())
    else {
        return false;
    };
    let last_digit = 10_f64.powi(-of_a.min(of_b));
    (x - y).abs() <= (1.5 * last_digit).max(1e-5 * x.abs())
}

fn link(target: &Path, at: &Path) {
    std::os::unix::fs::symlink(target, at).expect("a link can be made");
}

#[test]
fn examples_of_the_catalogue_check() {
    for row in CATALOGUE {
        let problems = check(row.example, CheckOptions::default()).problems;
        let diagnostics: Vec<Diagnostic> = problems.iter().map(Problem::diagnostic).collect();
        assert!(
            diagnostics.is_empty(),
            "the example of `{}` in the catalogue:\n{}",
            row.name,
            render(&diagnostics, row.name, row.example, false)
        );
    }
}

#[test]
fn scripts_of_the_examples_folder_check_and_are_in_the_standard_layout() {
    for entry in fs::read_dir(book::root("examples")).expect("examples/ can be read") {
        let path = entry.expect("examples/ can be read").path();
        if path.extension().is_some_and(|ending| ending == "allot") {
            let source = fs::read_to_string(&path).expect("scripts are UTF-8");
            assert!(
                check(&source, CheckOptions::default()).problems.is_empty(),
                "{} has problems",
                path.display()
            );
            let formatted = allot::lang::format::format(&source).expect("the script parses");
            assert_eq!(formatted, source, "{} is not in the standard layout", path.display());
        }
    }
}

/// Tests the README's indented blocks: scripts check, diagnostics match their script, and the first command runs.
#[test]
fn the_readme_matches_the_program() {
    let readme = book::read("README.md");
    let blocks = indented_blocks(&readme);
    let (mut commands, mut scripts, mut diagnosed) = (0, 0, 0);
    for block in &blocks {
        if let Some(line) = block.lines().find_map(|line| line.strip_prefix("cargo run --release -- ")) {
            commands += 1;
            let folder = tempfile::TempDir::new().expect("a folder can be made");
            link(&book::root("examples"), &folder.path().join("examples"));
            // A few evaluations test the arguments as well as 500 would.
            let quick = format!("allot {line} --samples 2 --windows 4 --evaluations 20");
            let output = run(&quick, folder.path()).expect("the command runs");
            for row in ["dense", "uniform", "owl", "discovered"] {
                assert!(output.contains(row), "the README's command prints\n{output}");
            }
            for file in ["best.allot", "report.html"] {
                assert!(
                    folder.path().join("run").join(file).exists(),
                    "the README's command leaves no {file}"
                );
            }
        } else if block.starts_with("error[") {
            diagnosed += 1;
            let source: String = block
                .lines()
                .filter_map(|line| line.split_once(" | "))
                .filter(|(number, _)| number.trim().parse::<u32>().is_ok())
                .map(|(_, code)| format!("{code}\n"))
                .collect();
            let problems = check(&source, CheckOptions::default()).problems;
            let diagnostics: Vec<Diagnostic> = problems.iter().map(Problem::diagnostic).collect();
            let text = render(&diagnostics, "my.allot", &source, false);
            assert!(
                text.trim_end()
                    .lines()
                    .zip(block.trim_end().lines())
                    .all(|(a, b)| a.trim_end() == b.trim_end()),
                "the README shows\n{block}\nand the diagnostic is\n{text}"
            );
        } else {
            scripts += 1;
            let problems = check(block, CheckOptions::default()).problems;
            assert!(problems.is_empty(), "a script of the README has problems:\n{block}");
        }
    }
    assert!(commands >= 1 && scripts >= 1 && diagnosed >= 1, "{blocks:#?}");
}

fn indented_blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = vec![String::new()];
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(code) => {
                if let Some(block) = blocks.last_mut() {
                    block.push_str(code);
                    block.push('\n');
                }
            }
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// The first guide must name every published script.
#[test]
fn the_first_guide_names_every_published_script() {
    let page = book::read("docs/guides/first-ratios.md");
    for script in allot::lang::published::PUBLISHED {
        assert!(page.contains(&format!("`{}`", script.name)), "{} is not named", script.name);
    }
}

/// The examples in `--help` name arguments that exist.
#[test]
fn examples_in_the_help_parse() {
    let command = allot::cli::command();
    let mut seen = 0;
    for subcommand in command.get_subcommands() {
        let help = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines().filter(|line| line.starts_with("  ")) {
            // A terminal of 80 columns wraps longer lines, which then cannot be copied.
            assert!(line.chars().count() < 80, "{line}");
        }
        for line in help.replace("\\\n", " ").lines().filter(|line| line.starts_with("  ")) {
            let words = words(line.split(" > ").next().unwrap_or(line));
            let Some(start) = words.iter().position(|word| word == "allot") else { continue };
            let parsed = allot::cli::command().try_get_matches_from(&words[start..]);
            assert!(
                parsed.is_ok(),
                "`{}` in `allot {} --help`: {parsed:?}",
                line.trim(),
                subcommand.get_name()
            );
            let words: Vec<&str> = words[start..].iter().map(String::as_str).collect();
            let refused = allot::cli::refuse(&words);
            assert!(
                refused.is_ok(),
                "`{}` in `allot {} --help`: {refused:?}",
                line.trim(),
                subcommand.get_name()
            );
            seen += 1;
        }
    }
    assert!(seen >= 20, "only {seen} examples were found");
}

/// Splits a line like a shell, with support for single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.trim().chars() {
        match (character, words.last_mut()) {
            ('\'', _) => quoted = !quoted,
            (' ', _) if !quoted => words.push(String::new()),
            (character, Some(word)) => word.push(character),
            _ => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
