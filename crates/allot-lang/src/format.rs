//! The formatter: one layout for all scripts, which keeps every comment.
//!
//! A pipeline that was written on one line and fits stays there; otherwise each stage gets its own line with `|>` in front.
//! A comment inside parentheses moves to a line before the stage or statement that contains it.

use super::problem::Problem;
use super::span::Span;
use super::syntax::{self, Argument, Node, NodeKind, Stage, StageKind, Statement, StatementKind};

/// The width at which lines are broken, in columns.
const WIDTH: usize = 88;
const INDENT: usize = 4;

/// Returns a script in the standard layout.
///
/// # Errors
/// Returns the problems when the script does not parse. Types are not checked.
pub fn format(source: &str) -> Result<String, Vec<Problem>> {
    let (tree, problems) = syntax::parse(source);
    if !problems.is_empty() {
        return Err(problems);
    }
    let comments = comments(source);
    let mut writer = Writer { source, comments: &comments, out: String::new(), last: 0 };
    for statement in &tree.statements {
        writer.statement(statement);
    }
    writer.comments_before(source.len());
    Ok(writer.out)
}

/// A comment and its position.
#[derive(Clone, Copy)]
struct Comment {
    span: Span,
    /// Whether code precedes it on its line.
    trailing: bool,
}

/// Returns all comments; scripts have no strings, so `#` always begins one.
fn comments(source: &str) -> Vec<Comment> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in source.split_inclusive(['\n', '\r']) {
        if let Some(at) = line.find('#') {
            let text = line[at..].trim_end();
            found.push(Comment {
                span: Span::new(start + at, start + at + text.len()),
                trailing: !line[..at].trim().is_empty(),
            });
        }
        start += line.len();
    }
    found
}

/// A statement's first line, or a stage; the comments inside and before it are written first.
struct Part {
    /// Its end in the source.
    end: usize,
    text: String,
}

struct Writer<'a> {
    source: &'a str,
    /// The comments that are not written yet.
    comments: &'a [Comment],
    out: String,
    /// The end in the source of what was written last.
    last: usize,
}

impl<'a> Writer<'a> {
    /// Writes a blank line if the source has one between what was written last and `start`.
    fn blank_line(&mut self, start: usize) {
        let between = self.source.get(self.last..start).unwrap_or_default();
        let lines = between.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count();
        if lines > 1 && !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn take_comments(&mut self, before: usize) -> &'a [Comment] {
        let count = self.comments.iter().take_while(|comment| comment.span.start < before).count();
        let (taken, rest) = self.comments.split_at(count);
        self.comments = rest;
        taken
    }

    fn comments_before(&mut self, end: usize) {
        for comment in self.take_comments(end) {
            self.blank_line(comment.span.start);
            self.out.push_str(comment.span.of(self.source));
            self.out.push('\n');
            self.last = comment.span.end;
        }
    }

    fn statement(&mut self, statement: &Statement) {
        self.comments_before(statement.span.start);
        let (parts, broken) = self.parts(statement);
        // Comments from inside the statement's first line come before it.
        let first_end = parts.first().map_or(statement.span.end, |part| part.end);
        let inside = self.take_comments(first_end);
        let first = inside.first().map_or(statement.span.start, |comment| comment.span.start);
        self.blank_line(first.min(statement.span.start));
        for comment in inside {
            self.out.push_str(comment.span.of(self.source));
            self.out.push('\n');
        }
        let mut previous = None;
        for part in &parts {
            if let Some(previous) = previous {
                self.between(previous, part.end, broken);
            }
            previous = Some(part.end);
            self.out.push_str(&part.text);
        }
        self.last = statement.span.end;
        self.trailing_comment();
        self.out.push('\n');
    }

    /// Returns the parts of a statement, and whether each stage gets its own line.
    fn parts(&self, statement: &Statement) -> (Vec<Part>, bool) {
        let (prefix, value) = match &statement.kind {
            StatementKind::Metric { options, score, .. } => match options[..] {
                [] => ("metric ".to_owned(), Some(score)),
                _ => (format!("metric({}) ", self.arguments(options)), Some(score)),
            },
            StatementKind::Unit { name } => (format!("unit {}", name.text), None),
            StatementKind::Let { name, value } => (format!("let {} = ", name.text), Some(value)),
            StatementKind::Value(value) => (String::new(), Some(value)),
        };
        let Some(value) = value else {
            return (vec![Part { end: statement.span.end, text: prefix }], false);
        };
        let NodeKind::Pipeline { first, stages } = &value.kind else {
            let text = self.layout(value, 0, prefix.len());
            return (vec![Part { end: statement.span.end, text: format!("{prefix}{text}") }], false);
        };
        let head = self.layout(first, 0, prefix.len());
        let mut parts = vec![Part { end: first.span.end, text: format!("{prefix}{head}") }];
        for stage in stages {
            parts.push(Part { end: stage.span.end, text: format!("|> {}", self.stage(stage, INDENT)) });
        }
        let one_line: usize = parts.iter().map(|part| part.text.len() + 1).sum();
        let ends = std::iter::once(first.span.end).chain(stages.iter().map(|stage| stage.span.end));
        let written_broken = stages.iter().zip(ends).any(|(stage, from)| {
            let between = self.source.get(from..stage.span.start).unwrap_or_default();
            between.contains(['\n', '\r'])
        });
        let broken = written_broken
            || one_line > WIDTH + 1
            || parts.iter().any(|part| part.text.contains('\n'))
            || self.comments.first().is_some_and(|comment| comment.span.start < value.span.end);
        (parts, broken)
    }

    /// Writes the comments and the line break between a part that ends at `previous` and the next one, which ends at `end`.
    fn between(&mut self, previous: usize, end: usize, broken: bool) {
        let mut own_lines = Vec::new();
        for comment in self.take_comments(end) {
            let between = self.source.get(previous..comment.span.start).unwrap_or_default();
            if comment.trailing && !between.contains(['\n', '\r']) && between.trim().is_empty() {
                self.out.push_str("  ");
                self.out.push_str(comment.span.of(self.source));
            } else {
                own_lines.push(comment);
            }
        }
        if !broken {
            self.out.push(' ');
            return;
        }
        for comment in own_lines {
            self.out.push('\n');
            self.out.push_str(&" ".repeat(INDENT));
            self.out.push_str(comment.span.of(self.source));
        }
        self.out.push('\n');
        self.out.push_str(&" ".repeat(INDENT));
    }

    /// Writes the comment on the line on which a statement ends.
    fn trailing_comment(&mut self) {
        let Some((comment, rest)) = self.comments.split_first() else { return };
        let between = self.source.get(self.last..comment.span.start).unwrap_or_default();
        if comment.trailing && !between.contains(['\n', '\r']) {
            self.comments = rest;
            self.out.push_str("  ");
            self.out.push_str(comment.span.of(self.source));
            self.last = comment.span.end;
        }
    }

    fn stage(&self, stage: &Stage, indent: usize) -> String {
        match &stage.kind {
            StageKind::Hole => "?".to_owned(),
            StageKind::Operator { name, arguments: None } => name.text.clone(),
            StageKind::Operator { name, arguments: Some(arguments) } => {
                self.call(&name.text, arguments, indent, indent + 3)
            }
        }
    }

    fn arguments(&self, arguments: &[Argument]) -> String {
        let flat: Vec<String> = arguments.iter().map(|argument| self.argument(argument, None)).collect();
        flat.join(", ")
    }

    /// Returns an argument on one line, or broken over lines if `indent` is given.
    fn argument(&self, argument: &Argument, indent: Option<usize>) -> String {
        let name = argument.name.as_ref().map_or(String::new(), |name| format!("{} = ", name.text));
        let value = match indent {
            None => self.flat(&argument.value),
            Some(indent) => self.layout(&argument.value, indent, indent + name.len()),
        };
        format!("{name}{value}")
    }

    fn call(&self, name: &str, arguments: &[Argument], indent: usize, used: usize) -> String {
        let flat = format!("{name}({})", self.arguments(arguments));
        if used + flat.len() <= WIDTH || arguments.is_empty() {
            return flat;
        }
        let deeper = indent + INDENT;
        let mut text = format!("{name}(\n");
        for argument in arguments {
            text.push_str(&format!("{}{},\n", " ".repeat(deeper), self.argument(argument, Some(deeper))));
        }
        text.push_str(&format!("{})", " ".repeat(indent)));
        text
    }

    /// Returns an expression on one line.
    fn flat(&self, node: &Node) -> String {
        match &node.kind {
            NodeKind::Number(_) => node.span.of(self.source).to_owned(),
            NodeKind::Name(name) => name.clone(),
            NodeKind::Hole => "?".to_owned(),
            NodeKind::Call { name, arguments } => format!("{}({})", name.text, self.arguments(arguments)),
            NodeKind::Negate { value, .. } => format!("-{}", self.flat(value)),
            NodeKind::Infix { symbol, left, right, .. } => {
                format!("{} {} {}", self.flat(left), symbol.of(self.source), self.flat(right))
            }
            NodeKind::Group(inner) => format!("({})", self.flat(single(inner))),
            NodeKind::Pipeline { first, stages } => {
                let mut text = self.flat(first);
                for stage in stages {
                    text.push_str(" |> ");
                    match &stage.kind {
                        StageKind::Operator { name, arguments: Some(arguments) } => {
                            text.push_str(&format!("{}({})", name.text, self.arguments(arguments)));
                        }
                        _ => text.push_str(&self.stage(stage, 0)),
                    }
                }
                text
            }
        }
    }

    /// Returns an expression, broken over lines if it does not fit after the `used` columns of its first line.
    fn layout(&self, node: &Node, indent: usize, used: usize) -> String {
        let flat = self.flat(node);
        if used + flat.len() <= WIDTH {
            return flat;
        }
        let deeper = indent + INDENT;
        match &node.kind {
            NodeKind::Number(_) | NodeKind::Name(_) | NodeKind::Hole => flat,
            NodeKind::Call { name, arguments } => self.call(&name.text, arguments, indent, used),
            NodeKind::Negate { value, .. } => format!("-{}", self.layout(value, indent, used + 1)),
            NodeKind::Group(inner) => format!("({})", self.layout(single(inner), indent, used + 1)),
            NodeKind::Infix { symbol, left, right, .. } => format!(
                "{} {}\n{}{}",
                self.layout(left, indent, used),
                symbol.of(self.source),
                " ".repeat(deeper),
                self.layout(right, deeper, deeper)
            ),
            NodeKind::Pipeline { first, stages } => {
                let mut text = self.layout(first, indent, used);
                for stage in stages {
                    text.push_str(&format!("\n{}|> {}", " ".repeat(deeper), self.stage(stage, deeper)));
                }
                text
            }
        }
    }
}

/// Returns a node without the parentheses around it.
fn single(node: &Node) -> &Node {
    match &node.kind {
        NodeKind::Group(inner) => single(inner),
        _ => node,
    }
}
