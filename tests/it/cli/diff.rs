//! `allot diff`: two scripts side by side.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");

fn diff(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
    let output = command.arg("diff").args(arguments).stdin(Stdio::null()).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn formulas_are_compared_without_a_model() {
    assert_eq!(text(&diff(&["owl", "owl"])), "the scripts are the same\n");
    insta::assert_snapshot!("formulas", text(&diff(&["dlp", "dlp_as_coded"])));
}

#[test]
fn ratios_are_compared_on_a_model() {
    let shown = text(&diff(&["alphapruning", "atp", "--model", MODEL, "--sparsity", "0.7"]));
    insta::assert_snapshot!("ratios", shown);
}

#[test]
fn scripts_with_other_units_are_compared_by_projection() {
    let arguments = ["atp", "global", "--model", MODEL, "--sparsity", "0.7", "--format", "json"];
    let found: Value = serde_json::from_slice(&diff(&arguments).stdout).expect("JSON");
    let units = found["ratios"]["units"].as_array().expect("units");
    assert_eq!(units.len(), 84);
    let pruned = |side: usize| -> f64 {
        let of = |unit: &Value| Some(unit["params"].as_f64()? * unit["sparsities"][side].as_f64()?);
        units.iter().filter_map(of).sum()
    };
    assert!((pruned(0) - pruned(1)).abs() < 0.5);
    let correlation = found["ratios"]["rank_correlation"].as_f64().expect("a number");
    assert!((-1.0..1.0).contains(&correlation));
    let moved = found["ratios"]["moved"].as_f64().expect("a share");
    assert!(moved > 0.01 && moved < 0.3, "{moved}");
}

#[test]
fn uniform_has_no_order() {
    let shown = text(&diff(&["uniform", "atp", "--model", MODEL, "--sparsity", "0.7"]));
    assert!(shown.contains("no rank correlation"), "{shown}");
}
