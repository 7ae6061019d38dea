//! Shows diagnostics below the code that they refer to.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Severity};

/// The width at which lines are cut, in columns.
const WIDTH: usize = 110;

/// The width at which help is wrapped, in columns.
const HELP_WIDTH: usize = 90;

/// Returns diagnostics as text, each with the lines of `source` that it refers to, in colour when `styled`.
///
/// `file` is the script's name as the user gave it.
pub fn render(diagnostics: &[Diagnostic], file: &str, source: &str, styled: bool) -> String {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let help: Vec<String> = diagnostic.help.iter().map(|line| wrapped(line)).collect();
        out.push_str(&renderer.render(&[group(diagnostic, &help, file, source)]));
        out.push_str("\n\n");
    }
    out
}

fn group<'a>(diagnostic: &'a Diagnostic, help: &'a [String], file: &'a str, source: &'a str) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let group = match diagnostic.labels[..] {
        // A diagnostic about the whole script shows no line of it.
        [] => title.element(Origin::path(file)),
        _ => title.element(snippet(diagnostic, file, source)),
    };
    help.iter().fold(group, |group, line| group.element(Level::HELP.message(line.as_str())))
}

fn snippet<'a>(diagnostic: &'a Diagnostic, file: &'a str, source: &'a str) -> Snippet<'a, Annotation<'a>> {
    let mut snippet = Snippet::source(source).path(file);
    for (index, label) in diagnostic.labels.iter().enumerate() {
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let end = label.span.end.min(source.len());
        let start = label.span.start.min(end);
        let annotation = kind.span(start..end);
        snippet = snippet.annotation(match label.text.as_str() {
            "" => annotation,
            text => annotation.label(text),
        });
    }
    snippet
}

/// Returns a line broken between words, but not within code; after a heading such as `values: `, later lines are indented to match.
fn wrapped(line: &str) -> String {
    let indent = line.find(": ").filter(|at| *at < HELP_WIDTH / 2).map_or(0, |at| at + 2);
    let mut out = String::new();
    let mut column = 0;
    let mut in_code = false;
    let parts = line.split_inclusive(|character| {
        in_code ^= character == '`';
        character == ' ' && !in_code
    });
    for part in parts {
        let width = part.trim_end().chars().count();
        if column > indent && column + width > HELP_WIDTH {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        }
        out.push_str(part);
        column += part.chars().count();
    }
    out
}
