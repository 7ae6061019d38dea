//! Turns a syntax tree into a typed program: checks names, arguments, types and the script as a whole.
//!
//! Every mistake is reported unless it follows from another one.

mod arguments;
mod checker;
mod expression;
mod hole;
mod scope;
mod script;
pub mod similar;

use super::diagnostic::Severity;
use super::problem::Problem;
use super::program::Script;
use super::syntax;

use checker::Checker;

pub use checker::{CheckOptions, MAX_PROBLEMS};

/// A checked script and its problems.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The script; `None` when it has an error.
    pub script: Option<Script>,
    /// Errors and warnings in the order of the text: at most [`MAX_PROBLEMS`], and one that says there are more.
    pub problems: Vec<Problem>,
}

/// Parses and checks a script.
pub fn check(source: &str, options: CheckOptions) -> Checked {
    let (tree, problems) = syntax::parse(source);
    let parsed = problems.is_empty();
    let mut checker = Checker::new(&tree, options, problems);
    let script = checker.script(&tree.statements, source, parsed);
    let mut problems = checker.problems;
    problems.sort_by_cached_key(|problem| {
        (matches!(problem, Problem::Further { .. }), problem.diagnostic().start())
    });
    let error = problems.iter().any(|problem| problem.diagnostic().severity == Severity::Error);
    Checked { script: (!error).then_some(script), problems }
}

/// Checks the bytes of a file.
pub fn check_bytes(bytes: &[u8], options: CheckOptions) -> Checked {
    match syntax::text(bytes) {
        Ok(source) => check(source, options),
        Err(problem) => Checked { script: None, problems: vec![problem] },
    }
}
