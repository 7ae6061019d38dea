//! The text of rows and numbers of a comparison.

use crate::compare::summary::Row;
use crate::report::number::{grouped, significant};

/// Returns a row's name, with its unit if several were tried.
pub(super) fn label(row: &Row) -> String {
    if row.unit_asked { format!("{}, per {}", row.name, row.unit) } else { row.name.clone() }
}

/// Returns a perplexity, with two decimals below ten thousand as in papers.
pub(super) fn number(perplexity: f64) -> String {
    match perplexity {
        it if !it.is_finite() => "∞".to_owned(),
        it if it < 10_000.0 => format!("{it:.2}"),
        it if it < 1e9 => grouped(it.round() as u64),
        it => significant(it, 3),
    }
}
