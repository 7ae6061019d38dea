//! Checks that any text parses or is explained, and that formatting keeps the program.

#![no_main]

use allot::lang::format::format;
use allot::lang::problem::Problem;
use allot::lang::syntax::{parse, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = text(bytes) else { return };
    let (_, problems) = parse(source);
    for diagnostic in problems.iter().map(Problem::diagnostic) {
        for label in &diagnostic.labels {
            assert!(source.get(label.span.start..label.span.end).is_some(), "{diagnostic:?}");
        }
    }
    if let Ok(formatted) = format(source) {
        assert_eq!(format(&formatted).as_ref(), Ok(&formatted), "formatting changes again");
        assert_eq!(comments(source), comments(&formatted), "a comment is lost");
    }
});

/// Returns the words of all comments, in order.
fn comments(source: &str) -> Vec<String> {
    let lines = source.split(['\n', '\r']);
    let mut comments: Vec<String> = lines
        .filter_map(|line| line.split_once('#'))
        .map(|(_, comment)| comment.trim_end().to_owned())
        .collect();
    comments.sort();
    comments
}
