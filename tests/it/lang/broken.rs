//! Broken scripts, one mistake each, and their diagnostics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use allot::lang::check::{CheckOptions, check_bytes};
use allot::lang::problem::Problem;
use allot::lang::render::render;

use crate::support::book;

#[test]
fn every_mistake_is_explained() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../broken/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let folder = std::fs::read_dir(book::root("tests/broken")).expect("the folder can be read");
    let paths = folder.map(|entry| entry.expect("the folder can be read").path());
    let mut scripts: Vec<_> = paths.filter(|path| path.extension().is_some_and(|it| it == "allot")).collect();
    scripts.sort();
    assert!(scripts.len() > 100, "the broken scripts are found");
    // `glob!` would report the mismatches of all tests that run at the same time as its own.
    scripts.retain(|path| {
        let name = path.file_name().expect("a file").to_string_lossy();
        settings.set_input_file(path);
        settings.set_snapshot_suffix(name);
        catch_unwind(AssertUnwindSafe(|| settings.bind(|| explain(path)))).is_err()
    });
    assert!(scripts.is_empty(), "these differ from their snapshots: {scripts:#?}");
}

fn explain(path: &std::path::Path) {
    let bytes = std::fs::read(path).expect("the script can be read");
    let problems = check_bytes(&bytes, CheckOptions::default()).problems;
    assert!(!problems.is_empty(), "nothing is wrong with {}", path.display());
    let source = String::from_utf8_lossy(&bytes);
    let diagnostics: Vec<_> = problems.iter().map(Problem::diagnostic).collect();
    insta::assert_snapshot!(
        "every_mistake_is_explained",
        render(&diagnostics, "script.allot", &source, false)
    );
}
