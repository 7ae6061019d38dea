//! Text in SVG.

use std::fmt::Write;

pub(super) use crate::lang::mathml::escaped;

/// Writes a line of text anchored at a point: `start`, `middle` or `end`.
pub(super) fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, content: &str) {
    let content = escaped(content);
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>"
    );
}
