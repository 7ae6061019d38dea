//! Parses text to a syntax tree, by the grammar in `grammar/allot.pest`.
//!
//! The tree is untyped and keeps what the formatter needs: spans, parentheses, pipelines as they were written. Text that
//! does not parse is cut into statements, and each is parsed on its own, so that one run reports several mistakes.

mod build;
mod explain;
mod grammar;
mod limits;
mod recover;
mod tree;

use std::collections::HashSet;

use pest::Parser as _;
use pest::iterators::Pair;

use super::problem::Problem;

pub use limits::{MAX_BYTES, MAX_DEPTH, MAX_SIZE};
pub use tree::{Argument, Name, Node, NodeKind, Stage, StageKind, Statement, StatementKind, Tree};

use build::Builder;
use grammar::{Grammar, Rule};

/// How many syntax errors are reported in one run.
const MAX_SYNTAX_ERRORS: usize = 10;

/// Returns the text of a script's bytes.
///
/// # Errors
/// Fails when the script is too long or not UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > MAX_BYTES {
        return Err(Problem::TooLong { bytes: bytes.len() });
    }
    std::str::from_utf8(bytes).map_err(|error| Problem::NotText { at: error.valid_up_to() })
}

/// Parses a script.
///
/// Returns the tree of all statements that parse, and a problem for each mistake.
pub fn parse(source: &str) -> (Tree, Vec<Problem>) {
    if source.len() > MAX_BYTES {
        return (Tree::default(), vec![Problem::TooLong { bytes: source.len() }]);
    }
    if let Some(span) = recover::too_deep(source) {
        return (Tree::default(), vec![Problem::TooDeep { span }]);
    }
    let mut builder = Builder { offset: 0, problems: Vec::new() };
    match Grammar::parse(Rule::script, source) {
        Ok(pairs) => {
            let statements = pairs
                .flat_map(Pair::into_inner)
                .filter(|pair| pair.as_rule() == Rule::statement)
                .filter_map(|pair| builder.statement(pair))
                .collect();
            (Tree { statements, ..Tree::default() }, builder.problems)
        }
        Err(_) => parse_each_statement(source, builder),
    }
}

fn parse_each_statement(source: &str, mut builder: Builder) -> (Tree, Vec<Problem>) {
    let mut tree = Tree::default();
    let mut errors = 0;
    let mut names = HashSet::new();
    for piece in recover::statements(source) {
        let text = piece.of(source);
        match Grammar::parse(Rule::one_statement, text) {
            Ok(pairs) => {
                builder.offset = piece.start;
                tree.statements.extend(
                    pairs
                        .flat_map(Pair::into_inner)
                        .filter(|pair| pair.as_rule() == Rule::statement)
                        .filter_map(|pair| builder.statement(pair)),
                );
            }
            Err(error) => {
                tree.broken.extend(recover::bound_name(text));
                tree.broken_unit |= recover::begins_with_keyword(text.trim_start(), "unit");
                let problem = explain::error(source, piece, &error);
                // A name with letters of another alphabet is reported once.
                let follows =
                    matches!(&problem, Problem::UnknownLetter { name, .. } if !names.insert(name.clone()));
                if !follows && errors < MAX_SYNTAX_ERRORS {
                    errors += 1;
                    builder.problems.push(problem);
                }
            }
        }
    }
    (tree, builder.problems)
}
