//! Diagnostics under the code that they speak of.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::lang::diagnostic::{Diagnostic, Severity};

/// Returns diagnostics as text, each with the lines of `source` that it speaks of, in colour when `styled`.
///
/// `file` is the script's name as the user gave it.
pub fn render(diagnostics: &[Diagnostic], file: &str, source: &str, styled: bool) -> String {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() }.term_width(110);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level
            .primary_title(diagnostic.message.as_str())
            .id(diagnostic.code)
            .element(snippet(diagnostic, file, source));
        for line in &diagnostic.help {
            group = group.element(Level::HELP.message(line.as_str()));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

fn snippet<'a>(
    diagnostic: &'a Diagnostic,
    file: &'a str,
    source: &'a str,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
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
