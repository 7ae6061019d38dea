//! The state of a check, and how it reports problems.

use super::scope::Scope;
use crate::problem::Problem;
use crate::program::Expr;
use crate::span::Span;
use crate::syntax::{Node, NodeKind, StatementKind, Tree};
use crate::types::UnitKind;

/// How many problems of one script are listed.
pub const MAX_PROBLEMS: usize = 100;

/// Settings of a check.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// The allocation unit that overrides the script's.
    pub unit: Option<UnitKind>,
}

pub(super) struct Checker {
    pub(super) unit: Option<UnitKind>,
    /// Whether the script has a `unit` statement without a valid unit.
    pub(super) unit_in_doubt: bool,
    pub(super) scope: Scope,
    pub(super) in_metric: bool,
    /// The sum of the sizes of the bindings used so far, each counted at every use.
    pub(super) written_out: usize,
    pub(super) problems: Vec<Problem>,
}

impl Checker {
    pub(super) fn new(tree: &Tree, options: CheckOptions, mut problems: Vec<Problem>) -> Self {
        if let Some(next) = problems.get(MAX_PROBLEMS) {
            let at = next.diagnostic().start();
            problems.truncate(MAX_PROBLEMS);
            problems.push(Problem::Further { span: Span::new(at, at), listed: MAX_PROBLEMS });
        }
        let mut named = tree.statements.iter().filter_map(|statement| match &statement.kind {
            StatementKind::Unit { name } => Some(name.text.parse::<UnitKind>().ok()),
            _ => None,
        });
        let named = named.next();
        Self {
            unit: options.unit.or(named.flatten()),
            unit_in_doubt: options.unit.is_none() && (tree.broken_unit || named == Some(None)),
            scope: Scope::new(tree),
            in_metric: false,
            written_out: 0,
            problems,
        }
    }

    pub(super) fn report<T>(&mut self, problem: Problem) -> Option<T> {
        self.problems.push(problem);
        None
    }

    /// Reports a problem that would occur again at every further step, unless one of its kind has been reported.
    pub(super) fn report_once<T>(&mut self, problem: Problem) -> Option<T> {
        let kind = std::mem::discriminant(&problem);
        if self.problems.iter().all(|reported| std::mem::discriminant(reported) != kind) {
            self.problems.push(problem);
        }
        None
    }

    /// Returns whether the limit of problems is reached, so that the rest of the script, from `span`, is not checked.
    pub(super) fn is_full(&mut self, span: Span) -> bool {
        let full = self.problems.len() >= MAX_PROBLEMS;
        if full {
            self.report_once::<()>(Problem::Further { span, listed: MAX_PROBLEMS });
        }
        full
    }
}

/// Where an operand stands.
pub(super) enum OperandPlace {
    /// Among the arguments.
    Argument(Span),
    /// Before a pipeline's stage.
    Input(Span),
}

/// The piped value that is a call's first operand.
pub(super) struct Piped {
    /// Its value; `None` when it has an error.
    pub(super) value: Option<Expr>,
    /// Where it stands.
    pub(super) span: Span,
}

/// Describes a value that should be a word.
pub(super) fn not_a_word(node: &Node) -> String {
    match &node.kind {
        NodeKind::Name(name) => format!("`{name}`"),
        NodeKind::Number(_) => "a number".to_owned(),
        _ => "an expression".to_owned(),
    }
}
