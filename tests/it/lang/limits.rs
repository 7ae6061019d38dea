//! Extreme scripts: the checker answers quickly and briefly on any input.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use allot::lang::check::{CheckOptions, Checked, MAX_PROBLEMS, check, check_bytes};
use allot::lang::format::format;
use allot::lang::problem::Problem;
use allot::lang::render::render;

/// How long a check and a format may take in the dev profile, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the diagnostics of a script, cut off after the first ones.
fn said(source: &str) -> String {
    let started = Instant::now();
    let checked = check(source, CheckOptions::default());
    let diagnostics: Vec<_> = checked.problems.iter().map(Problem::diagnostic).collect();
    let text = render(&diagnostics, "script.allot", source, false);
    let _ = format(source);
    assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
    assert!(diagnostics.len() <= MAX_PROBLEMS + 1, "{} problems", diagnostics.len());
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(longest <= 160, "{text:.3000}\n a line of {longest} characters");
    let first: Vec<&str> = text.split("\n\n").take(2).collect();
    let rest = diagnostics.len().saturating_sub(2);
    if rest > 0 { format!("{}\n\n... and {rest} more\n", first.join("\n\n")) } else { text }
}

fn codes(checked: &Checked) -> Vec<&'static str> {
    checked.problems.iter().map(|problem| problem.diagnostic().code).collect()
}

#[test]
fn absurd_nesting_is_an_error() {
    let many = 100_000;
    let scripts = [
        ("parentheses", format!("{}1{} |> scale\n", "(".repeat(many), ")".repeat(many))),
        ("parentheses never closed", "(".repeat(many)),
        ("parentheses never opened", ")".repeat(many)),
        ("calls", format!("{}score{}\n", "abs(".repeat(many), ")".repeat(many))),
        ("signs", format!("mean({}score) |> scale\n", "-".repeat(many))),
        ("terms", format!("mean(score{}) |> scale\n", " + score".repeat(many))),
        ("powers", format!("mean(score{}) |> scale\n", " ^ 2".repeat(many))),
        ("comparisons", format!("mean(score{}) |> scale\n", " < score".repeat(many))),
        ("stages", format!("score{}\n", " |> abs".repeat(many))),
        ("stages on lines", format!("score\n{}", "    |> abs\n".repeat(many))),
        ("arguments", format!("minimum({}) |> scale\n", "score, ".repeat(many))),
        ("stages within stages", format!("score |> {}1{}\n", "add(score |> ".repeat(many), ")".repeat(many))),
    ];
    let mut all = String::new();
    for (name, script) in scripts {
        let _ = write!(all, "---- {name}\n{}", said(&script));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_deepest_legal_script_passes() {
    let script = format!("mean({}score{}) |> scale\n", "abs(".repeat(195), ")".repeat(195));
    assert_eq!(codes(&check(&script, CheckOptions::default())), [""; 0]);
    assert_eq!(format(&script).as_deref().map(str::is_empty), Ok(false));
}

#[test]
fn bindings_that_blow_up_are_an_error() {
    let mut doubling = "let a0 = score + score\n".to_owned();
    for index in 1..60 {
        let _ = writeln!(doubling, "let a{index} = a{0} + a{0}", index - 1);
    }
    doubling.push_str("mean(a59) |> scale\n");
    let mut chain = "let a0 = score\n".to_owned();
    for index in 1..30_000 {
        let _ = writeln!(chain, "let a{index} = abs(a{})", index - 1);
    }
    chain.push_str("mean(a29999) |> scale\n");
    let mut wide = "let a = score".to_owned();
    for _ in 0..10 {
        wide = format!("{wide} + ({})", "score + ".repeat(150) + "score");
    }
    wide.push('\n');
    for index in 0..20 {
        let _ = writeln!(wide, "let b{index} = mean(a)");
    }
    wide.push_str("b0 |> scale\n");
    insta::assert_snapshot!(format!(
        "---- doubling\n{}---- chain\n{}---- wide\n{}",
        said(&doubling),
        said(&chain),
        said(&wide)
    ));
}

#[test]
fn many_mistakes_are_cut_short() {
    let scripts = [
        ("unknown names", "let a = scor\n".repeat(10_000)),
        ("unknown names in one expression", {
            let inner = format!("({})", vec!["scor"; 90].join(" + "));
            format!("mean({}) |> scale\n", vec![inner; 90].join(" + "))
        }),
        ("values", "1\n".repeat(20_000)),
        ("values below comments", "#\n1\n".repeat(20_000)),
        ("numbers too large", "let a = 1e999\n".repeat(10_000)),
        ("statements that do not parse", "let a = )\n".repeat(10_000)),
        ("holes", "let a = ?\n".repeat(10_000)),
        ("letters", "let é = é\n".repeat(10_000)),
    ];
    let mut all = String::new();
    for (name, script) in scripts {
        let _ = write!(all, "---- {name}\n{}", said(&script));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_byte_order_mark_is_not_a_mistake() {
    let script = "\u{feff}# written elsewhere\nmean(score) |> scale\n";
    assert_eq!(check(script, CheckOptions::default()).problems, []);
    assert_eq!(format(script).as_deref(), Ok("# written elsewhere\nmean(score) |> scale\n"));
}

#[test]
fn many_bindings_are_checked_quickly() {
    let mut script = String::new();
    for index in 0..50_000 {
        let _ = writeln!(script, "let name_{index} = 1");
    }
    script.push_str("uniform()\n");
    let started = Instant::now();
    let checked = check(&script, CheckOptions::default());
    assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
    assert_eq!(codes(&checked), ["unused"; MAX_PROBLEMS]);
}

#[test]
fn long_lines_are_shown_in_part() {
    let long = "score + ".repeat(20);
    let scripts = [
        ("one long sum", format!("mean({long} scor + {long} 1) |> scale\n")),
        ("labels far apart", format!("mean(score + {long} 1{} |> scale\n", ", score".repeat(20))),
        ("comment of a line", format!("mean(scor) |> scale # {}\n", "word ".repeat(50_000))),
        ("one line up to the limit", format!("mean(scor{}) |> scale\n", " ".repeat((1 << 20) - 30))),
        ("spaces before", format!("{}mean(scor) |> scale\n", " ".repeat((1 << 20) - 30))),
        ("one word", format!("{} |> scale\n", "a".repeat(1_000_000))),
        ("one number", format!("mean(score + {}) |> scale\n", "1".repeat(1_000_000))),
        ("one unknown character", format!("mean(score {}) |> scale\n", "$".repeat(1_000_000))),
        ("one unknown letter", format!("mean(score {}) |> scale\n", "é".repeat(500_000))),
    ];
    let mut all = String::new();
    for (name, script) in scripts {
        let _ = write!(all, "---- {name}\n{}", said(&script));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn files_that_are_no_scripts_are_refused() {
    let long = "score + ".repeat(10 << 17);
    let inputs: [(&str, &[u8]); 4] = [
        ("a line of 10 MB", long.as_bytes()),
        ("not UTF-8", b"mean(score) # caf\xe9\n|> scale\n"),
        ("not text", b"\x00\x01\x02\xff\xfe"),
        ("control characters", b"mean(score) \x07|> scale\n"),
    ];
    let mut all = String::new();
    for (name, bytes) in inputs {
        let started = Instant::now();
        let checked = check_bytes(bytes, CheckOptions::default());
        assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
        assert!(checked.script.is_none());
        let diagnostics: Vec<_> = checked.problems.iter().map(Problem::diagnostic).collect();
        let source = String::from_utf8_lossy(bytes);
        let _ = write!(all, "---- {name}\n{}", render(&diagnostics, "script.allot", &source, false));
    }
    insta::assert_snapshot!(all);
}
