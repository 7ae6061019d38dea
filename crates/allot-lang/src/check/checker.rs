//! What a check keeps while it goes through a script, and how it reports.

use super::scope::Scope;
use crate::problem::Problem;
use crate::program::Expr;
use crate::span::Span;
use crate::syntax::{Node, NodeKind, StatementKind, Tree};
use crate::types::UnitKind;

/// How many problems are listed of one script.
pub const MAX_PROBLEMS: usize = 100;

/// What a check takes for granted.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// The allocation unit that overrides the script's.
    pub unit: Option<UnitKind>,
}

pub(super) struct Checker {
    pub(super) unit: Option<UnitKind>,
    /// Whether the script names a unit that cannot be made out.
    pub(super) unit_in_doubt: bool,
    pub(super) scope: Scope,
    pub(super) in_metric: bool,
    /// How many operators the bindings that were used so far add up to.
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

    /// Reports what, once said, would be said again at every further step.
    pub(super) fn report_once<T>(&mut self, problem: Problem) -> Option<T> {
        let kind = std::mem::discriminant(&problem);
        if self.problems.iter().all(|reported| std::mem::discriminant(reported) != kind) {
            self.problems.push(problem);
        }
        None
    }

    /// Returns whether there is so much to say already that the rest, from `span` on, is not looked at.
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

/// What a pipeline brings in as the first operand.
pub(super) struct Piped {
    /// Its value; `None` when it has an error.
    pub(super) value: Option<Expr>,
    /// Where it stands.
    pub(super) span: Span,
}

/// Returns what a value is that should be one of some words.
pub(super) fn not_a_word(node: &Node) -> String {
    match &node.kind {
        NodeKind::Name(name) => format!("`{name}`"),
        NodeKind::Number(_) => "a number".to_owned(),
        _ => "an expression".to_owned(),
    }
}
