//! Laws of the language, over generated well-typed programs and over any text.

use std::collections::HashMap;

use crate::support::programs::{Language, expressions, scripts};
use allot::lang::check::{CheckOptions, check, check_bytes};
use allot::lang::format::format;
use allot::lang::ops::{CATALOGUE, Class, Op};
use allot::lang::problem::Problem;
use allot::lang::program::{Expr, Script};
use allot::lang::published::PUBLISHED;
use allot::lang::render::render;
use allot::lang::types::UnitKind;
use allot::lang::{canonical, latex, print, scalar};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// With projections as units, every terminal is defined.
const OPTIONS: CheckOptions = CheckOptions { unit: Some(UnitKind::Row) };

fn read(source: &str) -> Result<Script, String> {
    let checked = check(source, OPTIONS);
    let diagnostics: Vec<_> = checked.problems.iter().map(Problem::diagnostic).collect();
    let problems = render(&diagnostics, "script.allot", source, false);
    match (checked.script, diagnostics.is_empty()) {
        (Some(script), true) => Ok(script),
        _ => Err(problems),
    }
}

fn formatted(source: &str) -> String {
    format(source).unwrap_or_else(|problems| panic!("{problems:?} in:\n{source}"))
}

/// Returns the comments of a script, in order.
fn comments(source: &str) -> Vec<&str> {
    source.lines().filter_map(|line| line.find('#').map(|at| line[at..].trim_end())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printed_programs_read_back_as_the_same_program(script in scripts()) {
        let printed = print::script(&script);
        prop_assert_eq!(read(&printed), Ok(script), "{}", printed);
    }

    #[test]
    fn formatting_keeps_the_program_and_is_idempotent(script in scripts()) {
        let once = formatted(&print::script(&script));
        prop_assert_eq!(read(&once), Ok(script), "{}", once);
        prop_assert_eq!(formatted(&once), once);
    }

    #[test]
    fn formatting_keeps_every_comment(
        script in scripts(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        carriage_returns in any::<bool>(),
    ) {
        let commented = with_comments(&print::script(&script), &places, carriage_returns);
        prop_assert_eq!(read(&commented), Ok(script.clone()), "{}", commented);
        let once = formatted(&commented);
        prop_assert_eq!(comments(&once), comments(&commented), "{}\n{}", commented, once);
        prop_assert_eq!(read(&once), Ok(script), "{}", once);
        prop_assert_eq!(formatted(&once), once.clone(), "{}", once);
    }

    #[test]
    fn the_normal_form_is_idempotent_and_keeps_the_hash(script in scripts()) {
        let normal = canonical::script(&script);
        let printed = print::script(&normal);
        prop_assert_eq!(canonical::script(&normal), normal.clone(), "{}", printed);
        prop_assert_eq!(canonical::hash(&normal), canonical::hash(&script));
        prop_assert_eq!(read(&printed), Ok(normal), "{}", printed);
    }

    #[test]
    fn the_normal_form_keeps_the_type_and_every_value(
        expr in expressions(Language { elementwise: true, ..Language::default() }),
        values in prop::collection::vec(value(), 32),
    ) {
        let normal = canonical::expr(&expr);
        // Broadcasting a constant changes no value, but the type decides where an expression fits.
        prop_assert_eq!(normal.ty(), expr.ty(), "{}", print::expr(&expr));
        // `exp(log(x))` equals x only up to rounding, which the expression around it can amplify to any size.
        prop_assume!(!has_exp_of_log(&expr));
        let terminals = terminals(&values);
        let (before, after) = (evaluate(&expr, &terminals), evaluate(&normal, &terminals));
        prop_assert!(
            before == after || (before.is_nan() && after.is_nan()),
            "{} is {}, {} is {}", print::expr(&expr), before, print::expr(&normal), after
        );
    }

    #[test]
    fn latex_is_balanced(script in scripts()) {
        let text = latex::script(&script);
        let mut depth = 0_i32;
        for character in text.chars() {
            depth += match character { '{' => 1, '}' => -1, _ => 0 };
            prop_assert!(depth >= 0, "{}", text);
        }
        prop_assert_eq!(depth, 0, "{}", text);
        for (open, close) in [("\\left", "\\right"), ("\\Bigl", "\\Bigr"), ("\\begin", "\\end")] {
            let count = |word: &str| text.match_indices(word).filter(|(at, _)| {
                !text[at + word.len()..].starts_with(|next: char| next.is_ascii_alphabetic())
            }).count();
            prop_assert_eq!(count(open), count(close), "{}", text);
        }
        prop_assert!(!text.contains('#'), "{}", text);
    }

    #[test]
    fn any_text_is_checked(source in "[a-z(){}|>#?=+*^.,:0-9_\n \\PC-]{0,200}") {
        let _ = check(&source, CheckOptions::default());
        let _ = format(&source);
    }

    #[test]
    fn any_bytes_are_checked(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check_bytes(&bytes, CheckOptions::default());
    }

    #[test]
    fn any_mutilated_program_is_checked(
        script in scripts(),
        from in any::<prop::sample::Index>(),
        length in 0_usize..20,
        put in "[a-z(){}|>#?=+*^.,:0-9_\n -]{0,6}",
    ) {
        let printed = print::script(&script);
        let from = from.index(printed.len());
        let to = (from + length).min(printed.len());
        let source = format!("{}{put}{}", &printed[..from], &printed[to..]);
        let checked = check(&source, OPTIONS);
        prop_assert!(checked.script.is_some() || !checked.problems.is_empty());
        for diagnostic in checked.problems.iter().map(Problem::diagnostic) {
            for label in &diagnostic.labels {
                prop_assert!(source.get(label.span.start..label.span.end).is_some(), "{:?}", diagnostic);
            }
        }
    }
}

/// Puts comments where a script may have them: at ends of lines, on lines of their own, and where a line may be broken.
fn with_comments(printed: &str, places: &[prop::sample::Index], carriage_returns: bool) -> String {
    let mut depth = 0;
    let mut breaks = Vec::new();
    for (at, character) in printed.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\n' => breaks.push(at),
            ' ' if depth > 0 => breaks.push(at),
            ' ' if printed[at..].starts_with(" |>") || printed[..at].ends_with("|>") => breaks.push(at),
            _ => {}
        }
    }
    let mut chosen: Vec<usize> = places.iter().map(|place| breaks[place.index(breaks.len())]).collect();
    chosen.sort_unstable();
    let mut out = String::new();
    let mut done = 0;
    for (number, at) in chosen.into_iter().enumerate() {
        out.push_str(&printed[done..at]);
        done = at;
        // A second comment at the same place gets its own line.
        out.push_str(&format!("{} # comment {number}, (not code\n", if number % 3 == 1 { "\n" } else { "" }));
    }
    out.push_str(&printed[done..]);
    match carriage_returns {
        true => out.replace('\n', "\r\n"),
        false => out,
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        -3.0..3.0_f64,
        Just(0.0),
        Just(-0.0),
        Just(1.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        any::<f64>(),
    ]
}

/// Returns a value for each terminal: a positive number for those that are positive on any model.
fn terminals(values: &[f64]) -> HashMap<Op, f64> {
    let rows = CATALOGUE.iter().filter(|row| matches!(row.class, Class::Terminal(_)));
    let positive = |op| matches!(op, Op::Parameters | Op::FanIn | Op::FanOut);
    rows.zip(values.iter().cycle())
        .map(|(row, value)| (row.op, if positive(row.op) { 17.0 } else { *value }))
        .collect()
}

fn evaluate(expr: &Expr, terminals: &HashMap<Op, f64>) -> f64 {
    let Some(op) = expr.op() else { return expr.as_number().unwrap_or(f64::NAN) };
    if let Some(value) = terminals.get(&op) {
        return *value;
    }
    let operands: Vec<f64> = expr.operands().iter().map(|operand| evaluate(operand, terminals)).collect();
    let Op::Elementwise(op) = op else { panic!("{} is not elementwise", op.name()) };
    scalar::apply(op, &operands).expect("it has its operands")
}

fn has_exp_of_log(expr: &Expr) -> bool {
    let here = expr.op() == Some(Op::Exponential)
        && expr.operands().iter().any(|operand| canonical::expr(operand).op() == Some(Op::Logarithm));
    here || expr.operands().iter().any(has_exp_of_log)
}

#[test]
fn the_generator_reaches_every_operator() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut reached = std::collections::BTreeSet::new();
    let mut sizes = Vec::new();
    for _ in 0..2000 {
        let script = scripts().new_tree(&mut runner).expect("a script is generated").current();
        let metric = script.metric.map(|metric| metric.score);
        for expr in metric.iter().chain(&script.allocation) {
            expr.walk(&mut |part| reached.extend(part.op()));
            sizes.push(expr.size());
        }
    }
    let missing: Vec<&str> =
        CATALOGUE.iter().filter(|row| !reached.contains(&row.op)).map(|row| row.name).collect();
    assert_eq!(missing, [""; 0]);
    sizes.sort_unstable();
    let (median, most) = (sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    assert!(median >= 8 && most >= 80, "{median} {most}");
}

#[test]
fn the_exponential_of_a_logarithm_is_removed_only_where_this_changes_nothing() {
    for (before, after) in [
        ("exp(log(params))", "params"),
        ("exp(log(params + 1))", "1 + params"),
        ("exp(log(depth))", "exp(log(depth))"),
        ("exp(log(mean(score)))", "exp(log(mean(score)))"),
        ("exp(log(params - 1))", "exp(log(params - 1))"),
    ] {
        let script = read(&format!("mean(score) * {before} |> scale\n")).expect("the script is right");
        let normal = canonical::script(&script);
        assert!(print::script(&normal).contains(after), "{before}: {}", print::script(&normal));
    }
}

#[test]
fn spellings_of_one_formula_have_one_hash() {
    let hash = |source: &str| canonical::hash(&read(source).expect("the script is right"));
    for (one, other) in [
        ("mean(score + weight) |> scale", "mean(weight + score) |> scale()"),
        ("mean(score) |> log |> scale(lambda = 0.08)", "scale(log(mean(score)), 0.04 * 2)"),
        ("let a = mean(score > 5)\na |> scale", "mean(5 < score) |> scale"),
        ("mean(score ^ 2) |> scale", "mean(score * score) |> scale"),
        ("metric abs(weight)\nuniform()", "metric(per = row) abs(--weight)\nuniform()"),
    ] {
        assert_eq!(hash(one), hash(other), "{one}\n{other}");
    }
    assert_ne!(hash("mean(score) |> scale"), hash("mean(score) |> scale(lambda = 0.1)"));
    assert_ne!(hash("mean(score) - depth |> scale"), hash("depth - mean(score) |> scale"));
}

#[test]
fn published_scripts_keep_their_names() {
    let names: Vec<String> = PUBLISHED
        .iter()
        .map(|script| {
            let checked = check(script.source, CheckOptions::default());
            assert_eq!(checked.problems, [], "{}", script.name);
            let hash = checked.script.as_ref().map(canonical::hash).unwrap_or_default();
            format!("{} {hash}", script.name)
        })
        .collect();
    insta::assert_snapshot!(names.join("\n"));
}

#[test]
fn every_example_script_is_published() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths = std::fs::read_dir(folder).expect("the examples can be read").filter_map(Result::ok);
    let scripts = paths.map(|entry| entry.path()).filter(|path| path.extension() == Some("allot".as_ref()));
    let mut names: Vec<_> =
        scripts.filter_map(|path| path.file_stem()?.to_str().map(str::to_owned)).collect();
    names.sort();
    let published: Vec<_> = PUBLISHED.iter().map(|script| script.name).collect();
    assert_eq!(names, published);
}

/// Formulas of this project are kept apart from the published ones, and the book quotes them unchanged.
#[test]
fn unpublished_scripts_check_and_are_those_of_the_book() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("it can be read");
    let book = read(&root.join("docs/concepts/descent.md"));
    let folder = std::fs::read_dir(root.join("examples/unpublished")).expect("a folder");
    let mut count = 0;
    for entry in folder.filter_map(Result::ok) {
        let text = read(&entry.path());
        assert_eq!(check(&text, CheckOptions::default()).problems, [], "{:?}", entry.path());
        assert_eq!(format(&text).as_deref(), Ok(text.as_str()), "{:?}", entry.path());
        assert!(book.contains(&text), "{:?} is not in the book", entry.path());
        count += 1;
    }
    assert_eq!(count, 1);
}

#[test]
fn published_scripts_are_in_the_standard_layout() {
    for script in PUBLISHED {
        assert_eq!(format(script.source).as_deref(), Ok(script.source), "{}", script.name);
    }
}

#[test]
fn every_example_of_the_catalogue_is_right() {
    for row in CATALOGUE {
        let checked = check(row.example, CheckOptions::default());
        assert_eq!(checked.problems, [], "{}", row.name);
        let script = checked.script.expect("a text without problems is a script");
        let uses = script.allocation.is_some_and(|allocation| allocation.uses(row.op))
            || script.metric.is_some_and(|metric| metric.score.uses(row.op));
        assert!(uses, "the example of `{}` does not use it", row.name);
    }
}
