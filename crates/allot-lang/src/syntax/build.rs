//! Builds the syntax tree from the grammar's pairs.

use pest::iterators::Pair;

use super::grammar::Rule;
use super::limits::MAX_DEPTH;
use super::recover;
use super::tree::{Argument, Name, Node, NodeKind, Stage, StageKind, Statement, StatementKind};
use crate::ops::{self, Notation, Op};
use crate::problem::Problem;
use crate::span::Span;

/// Turns pest's pairs into the tree.
pub(super) struct Builder {
    /// Where the parsed text begins in the script.
    pub(super) offset: usize,
    pub(super) problems: Vec<Problem>,
}

impl Builder {
    /// Returns the span of a pair, without the spaces and comments that pest includes at its end.
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let start = self.offset + pair.as_span().start();
        Span::new(start, start + recover::trimmed(pair.as_str()).len())
    }

    fn name(&self, pair: &Pair<'_, Rule>) -> Name {
        Name { text: pair.as_str().to_owned(), span: self.span(pair) }
    }

    /// Returns the statement, or `None` after a problem in it.
    pub(super) fn statement(&mut self, pair: Pair<'_, Rule>) -> Option<Statement> {
        let inner = pair.into_inner().next()?;
        let span = self.span(&inner);
        let kind = match inner.as_rule() {
            Rule::metric => {
                let mut options = Vec::new();
                let mut keyword = span;
                let mut score = None;
                for part in inner.into_inner() {
                    match part.as_rule() {
                        Rule::metric_keyword => keyword = self.span(&part),
                        Rule::options => options = self.arguments(part)?,
                        _ => score = Some(self.pipeline(part)?),
                    }
                }
                StatementKind::Metric { keyword, options, score: score? }
            }
            Rule::unit => {
                let name = inner.into_inner().find(|part| part.as_rule() == Rule::name)?;
                StatementKind::Unit { name: self.name(&name) }
            }
            Rule::binding => {
                let mut name = None;
                let mut value = None;
                for part in inner.into_inner() {
                    match part.as_rule() {
                        Rule::let_keyword | Rule::binds => {}
                        Rule::name => name = Some(self.name(&part)),
                        _ => value = Some(self.pipeline(part)?),
                    }
                }
                StatementKind::Let { name: name?, value: value? }
            }
            _ => StatementKind::Value(self.pipeline(inner)?),
        };
        Some(Statement { kind, span })
    }

    /// Returns a pipeline, or only its expression if it has no stages.
    ///
    /// It recurses at parentheses, whose depth has been checked.
    fn pipeline(&mut self, pair: Pair<'_, Rule>) -> Option<Node> {
        let span = self.span(&pair);
        let mut first = None;
        let mut stages = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::pipe => {}
                Rule::stage => stages.push(self.stage(part)?),
                _ => first = Some(self.expression(part)?),
            }
        }
        let first = first?;
        if stages.is_empty() {
            return Some(first);
        }
        let node = Node::new(NodeKind::Pipeline { first: Box::new(first), stages }, span);
        self.within_depth(node)
    }

    fn stage(&mut self, pair: Pair<'_, Rule>) -> Option<Stage> {
        let span = self.span(&pair);
        let mut kind = StageKind::Hole;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::path => kind = StageKind::Operator { name: self.name(&part), arguments: None },
                Rule::arguments => {
                    let given = self.arguments(part)?;
                    if let StageKind::Operator { arguments, .. } = &mut kind {
                        *arguments = Some(given);
                    }
                }
                _ => {}
            }
        }
        Some(Stage { kind, span })
    }

    fn arguments(&mut self, pair: Pair<'_, Rule>) -> Option<Vec<Argument>> {
        pair.into_inner()
            .filter(|part| part.as_rule() == Rule::argument)
            .map(|part| {
                let span = self.span(&part);
                let mut name = None;
                let mut value = None;
                for piece in part.into_inner() {
                    match piece.as_rule() {
                        Rule::name => name = Some(self.name(&piece)),
                        _ => value = Some(self.pipeline(piece)?),
                    }
                }
                Some(Argument { name, value: value?, span })
            })
            .collect()
    }

    /// Returns an expression, by operator precedence, without recursion along chains of operators.
    fn expression(&mut self, pair: Pair<'_, Rule>) -> Option<Node> {
        let mut operands: Vec<Node> = Vec::new();
        let mut pending: Vec<Pending> = Vec::new();
        for part in pair.into_inner() {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::negate => {
                    pending.push(Pending { op: Op::Negate, precedence: ops::NEGATION, prefix: true, span })
                }
                Rule::number => operands.push(self.number(&part)?),
                Rule::hole => operands.push(Node::new(NodeKind::Hole, span)),
                Rule::reference => {
                    let text = part.as_str().to_owned();
                    operands.push(Node::new(NodeKind::Name(text), span));
                }
                Rule::group => {
                    let inner = part.into_inner().next()?;
                    let inner = self.pipeline(inner)?;
                    operands.push(Node::new(NodeKind::Group(Box::new(inner)), span));
                }
                Rule::call => {
                    let mut inner = part.into_inner();
                    let name = self.name(&inner.next()?);
                    let arguments = self.arguments(inner.next()?)?;
                    let node = Node::new(NodeKind::Call { name, arguments }, span);
                    operands.push(self.within_depth(node)?);
                }
                _ => {
                    let symbol = part.as_str();
                    let Some(op) = Op::infix(symbol) else {
                        self.problems.push(Problem::NotInLanguage { symbol: symbol.to_owned(), span });
                        return None;
                    };
                    let Notation::Infix { precedence, .. } = op.info().notation else { return None };
                    let right_associative = precedence == ops::POWER;
                    while let Some(top) = pending.last() {
                        let binds_first = top.precedence > precedence
                            || (top.precedence == precedence && !right_associative);
                        if !binds_first {
                            break;
                        }
                        self.apply(&mut operands, &mut pending)?;
                    }
                    pending.push(Pending { op, precedence, prefix: false, span });
                }
            }
        }
        while !pending.is_empty() {
            self.apply(&mut operands, &mut pending)?;
        }
        operands.pop()
    }

    fn apply(&mut self, operands: &mut Vec<Node>, pending: &mut Vec<Pending>) -> Option<()> {
        let top = pending.pop()?;
        let right = operands.pop()?;
        let node = if top.prefix {
            let span = top.span.to(right.span);
            Node::new(NodeKind::Negate { sign: top.span, value: Box::new(right) }, span)
        } else {
            let left = operands.pop()?;
            if top.precedence == ops::COMPARISON
                && let NodeKind::Infix { op, symbol, .. } = &left.kind
                && matches!(op.info().notation, Notation::Infix { precedence: ops::COMPARISON, .. })
            {
                let problem = Problem::ChainedComparison {
                    first: *symbol,
                    second: top.span,
                    span: left.span.to(right.span),
                };
                self.problems.push(problem);
                return None;
            }
            let span = left.span.to(right.span);
            let kind = NodeKind::Infix {
                op: top.op,
                symbol: top.span,
                left: Box::new(left),
                right: Box::new(right),
            };
            Node::new(kind, span)
        };
        operands.push(self.within_depth(node)?);
        Some(())
    }

    /// Returns the node unless it is deeper than the limit. A chain thus stops growing before dropping it could overflow the
    /// stack.
    fn within_depth(&mut self, node: Node) -> Option<Node> {
        if node.depth() > MAX_DEPTH {
            self.problems.push(Problem::TooDeep { span: Span::new(node.span.start, node.span.start + 1) });
            return None;
        }
        Some(node)
    }

    fn number(&mut self, pair: &Pair<'_, Rule>) -> Option<Node> {
        let span = self.span(pair);
        match pair.as_str().parse::<f64>() {
            Ok(value) if value.is_finite() => Some(Node::new(NodeKind::Number(value), span)),
            _ => {
                self.problems.push(Problem::NumberTooLarge { span });
                None
            }
        }
    }
}

/// An operator that waits for its right operand.
struct Pending {
    op: Op,
    precedence: u8,
    prefix: bool,
    span: Span,
}
