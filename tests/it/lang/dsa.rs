//! Import and export of DSA's graph strings.

use std::fmt::Write as _;

use allot::exchange::dsa::{export, import};
use allot::lang::check::{CheckOptions, check};
use allot::lang::program::Script;
use allot::lang::{canonical, print};
use proptest::prelude::*;

const BEFORE: [&str; 10] =
    ["NO_OP", "ABS", "LOG", "ABSLOG", "POW", "EXP", "NORMALIZE", "SIGMOID", "TANH", "MMS"];
const REDUCTION: [&str; 14] = [
    "NO_OP",
    "GRAM",
    "CORREF",
    "DIAGONAL",
    "FROBENIUS_NORM",
    "L1_NORM",
    "DETERMINANT",
    "RANK",
    "GEOMETRIC_MEAN",
    "MEAN",
    "VAR",
    "STD",
    "SLOGDET",
    "ENTROPY",
];
const AFTER: [&str; 13] = [
    "NO_OP", "SIN", "COS", "TAN", "ASIN", "ACOS", "ATAN", "EXP", "LOG", "ABS", "SIGMOID", "TANH", "SOFTPLUS",
];

/// Checks every property of a graph string that can be read.
fn keeps_its_formula(graph: &str) -> Result<(), TestCaseError> {
    let script = import(graph).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let printed = print::script(&script);
    let checked = check(&printed, CheckOptions::default());
    prop_assert_eq!(checked.problems, [], "{}", printed);
    prop_assert_eq!(checked.script.as_ref(), Some(&script), "{}", printed);
    let exported = export(&script);
    let again = exported.as_deref().and_then(|exported| import(exported).ok());
    prop_assert_eq!(again.as_ref(), Some(&script), "{} became {:?}", graph, exported);
    // The canonical form of its formula also exports to an equivalent string, if it still is a graph.
    if let Some(exported) = export(&canonical::script(&script)) {
        let again = import(&exported).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(canonical::hash(&again), canonical::hash(&script), "{} became {}", graph, exported);
    }
    Ok(())
}

#[test]
fn every_pair_of_slots_keeps_its_formula() {
    for before in BEFORE {
        for reduction in REDUCTION {
            for after in AFTER {
                let graph = format!("W:({before})-({reduction})-({after})-(7)");
                keeps_its_formula(&graph).unwrap_or_else(|error| panic!("{graph}: {error}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lists_of_operators_keep_their_formula(
        before in prop::collection::vec(prop::sample::select(&BEFORE[..]), 0..4),
        reduction in prop::sample::select(&REDUCTION[..]),
        after in prop::collection::vec(prop::sample::select(&AFTER[..]), 0..4),
        unused in prop::option::of(0_u32..20),
    ) {
        let unused = unused.map_or(String::new(), |number| format!("-({number})"));
        let graph = format!("W:({})-({reduction})-({}){unused}", before.join(","), after.join(","));
        keeps_its_formula(&graph)?;
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}|W:[-(),A-Z_0-9 ]{0,40}") {
        let _ = import(&text);
    }
}

#[test]
fn reference_strings_keep_their_formula() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/tiny-stories-12l");
    if !folder.is_dir() {
        println!("skipped: there are no reference files in {}", folder.display());
        return;
    }
    let mut count = 0;
    for file in ["dsa.json", "dsa_exhaustive.json"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("the reference can be read");
        let data: serde_json::Value = serde_json::from_str(&text).expect("the reference is JSON");
        for record in data["records"].as_array().expect("the reference has records") {
            let graph = record["graph"].as_str().expect("a record has a graph");
            keeps_its_formula(graph).unwrap_or_else(|error| panic!("{graph}: {error}"));
            count += 1;
        }
    }
    assert!(count > 500, "{count} strings");
}

#[test]
fn strings_become_scripts() {
    let mut all = String::new();
    for graph in [
        "W:(ABSLOG)-(VAR)-(ATAN,ASIN)-(7)",
        "W:(NO_OP)-(NO_OP)-(NO_OP)-(7)",
        "W:(NO_OP)-(NO_OP)-(SIN)",
        "W:(ABS)-(L1_NORM)-(LOG)-(10)",
        "W:(ABS)-(MEAN)-(NO_OP)-(7)",
        "W:(ABS,POW,MMS)-(GEOMETRIC_MEAN)-(TANH,SOFTPLUS)-(8)",
        " W:( abslog , exp )-( var )-( atan ) ",
        "W:()-(ENTROPY)-()-(7)",
    ] {
        let _ = match import(graph) {
            Ok(script) => write!(
                all,
                "{graph}\n    {}    {}\n",
                print::script(&script),
                export(&script).unwrap_or_else(|| "no string".to_owned())
            ),
            Err(error) => writeln!(all, "{graph}\n    {error}"),
        };
    }
    insta::assert_snapshot!(all);
}

#[test]
fn malformed_strings_are_explained() {
    let mut all = String::new();
    for graph in [
        "",
        "W:",
        "w:(ABSLOG)-(VAR)-(ATAN)-(7)",
        "ABSLOG-VAR-ATAN",
        "W:(ABSLOG)-(VAR)",
        "W:(ABSLOG)-(VAR)-(ATAN)-(7)-(8)",
        "W:(ABSLOG-(VAR)-(ATAN)-(7)",
        "W:(ABSLOG)-(VAR)-(ATAN)-(x)",
        "W:(ABSLOG)-(VAR)-(ATAN)-()",
        "G:(ABSLOG)-(VAR)-(ATAN)-(7)",
        "W:(ABSLOGG)-(VAR)-(ATAN)-(7)",
        "W:(ABSLOG)-(VARIANCE)-(ATAN)-(7)",
        "W:(ABSLOG)-(VAR)-(ABSLOG)-(7)",
        "W:(ABSLOG)-(VAR,STD)-(ATAN)-(7)",
    ] {
        let error = import(graph).expect_err(graph);
        let _ = writeln!(all, "{graph}\n    {error}");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn other_formulas_have_no_string() {
    for source in [
        "mean(score) |> scale",
        "uniform()",
        "neg(dsa::sanitize(mean(score))) |> rescale",
        "neg(dsa::sanitize(mean(weight))) |> scale",
        "neg(dsa::sanitize(mean(score + 1))) |> scale",
        "neg(dsa::sanitize(var(score))) |> scale",
        "neg(dsa::sanitize(l1(score))) |> scale",
        "neg(dsa::sanitize(mean(mean(score, over = inputs)))) |> scale",
        "neg(dsa::sanitize(sin(depth))) |> scale",
        "neg(dsa::sanitize(mean(dsa::minmax(sin(score))))) |> scale",
        "neg(dsa::sanitize(exp(smooth(mean(score))))) |> scale",
        "neg(dsa::sanitize(mean(score) ^ 2)) |> scale",
        "metric abs(weight)\nneg(dsa::sanitize(mean(score))) |> scale",
        "unit projection\nneg(dsa::sanitize(mean(score))) |> scale",
    ] {
        let script: Script = check(source, CheckOptions::default()).script.expect(source);
        assert_eq!(export(&script), None, "{source}");
    }
}

#[test]
fn another_lambda_goes_into_the_slot_for_it() {
    let source = "unit block\n-dsa::sanitize(mean(score)) |> scale(lambda = 0.1)";
    let script = check(source, CheckOptions::default()).script.expect("the script is right");
    assert_eq!(export(&script).as_deref(), Some("W:(NO_OP)-(MEAN)-(NO_OP)-(10)"));
}
