//! Broken scripts, one idea each, and what is said of them.

use allot::lang::check::{Options, check_bytes};
use allot::lang::problem::Problem;
use allot::lang::render::render;

#[test]
fn every_mistake_is_explained() {
    insta::with_settings!({ snapshot_path => "../../broken/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::glob!("../../broken", "*.allot", |path| {
            let bytes = std::fs::read(path).expect("the script can be read");
            let problems = check_bytes(&bytes, Options::default()).problems;
            assert!(!problems.is_empty(), "nothing is wrong with {}", path.display());
            let source = String::from_utf8_lossy(&bytes);
            let diagnostics: Vec<_> = problems.iter().map(Problem::diagnostic).collect();
            insta::assert_snapshot!(render(&diagnostics, "script.allot", &source, false));
        });
    });
}
