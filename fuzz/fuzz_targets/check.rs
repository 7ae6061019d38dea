//! Checks that any bytes check, or are explained under the lines at fault.

#![no_main]

use allot::lang::check::{CheckOptions, check_bytes};
use allot::lang::problem::Problem;
use allot::lang::types::{Type, UnitKind};
use allot::lang::render::render;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = String::from_utf8_lossy(bytes);
    for unit in [None, Some(UnitKind::Projection)] {
        let checked = check_bytes(bytes, CheckOptions { unit });
        let diagnostics: Vec<_> = checked.problems.iter().map(Problem::diagnostic).collect();
        assert!(checked.script.is_some() || !diagnostics.is_empty());
        if let Some(allocation) = checked.script.and_then(|script| script.allocation) {
            assert_eq!(allocation.ty(), Type::Sparsity);
        }
        let _ = render(&diagnostics, "script.allot", &source, false);
        for diagnostic in &diagnostics {
            let _ = diagnostic.to_data("script.allot", &source);
        }
    }
});
