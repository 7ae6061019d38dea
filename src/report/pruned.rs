//! The results of pruning, as text for people.

use std::path::Path;

use super::number::{grouped, percent};
use crate::prune::Report;

/// Returns a summary of the pruning: a line per block, the warnings, and the totals.
pub fn text(report: &Report, folder: &Path) -> String {
    let mut out = String::new();
    let blocks = report.linears.iter().map(|linear| linear.block + 1).max().unwrap_or(0);
    for block in 0..blocks {
        let linears = || report.linears.iter().filter(|linear| linear.block == block);
        let weights: u64 = linears().map(|linear| (linear.rows * linear.columns) as u64).sum();
        let pruned: u64 = linears().map(|linear| linear.pruned).sum();
        out.push_str(&format!(
            "block {block:<4} {:>16} of {:>16} weights pruned, {}\n",
            grouped(pruned),
            grouped(weights),
            percent(pruned as f64 / weights.max(1) as f64, 2)
        ));
    }
    for note in &report.notes {
        out.push_str(&format!("note: {note}\n"));
    }
    out.push_str(&format!(
        "{}, {}: target {}, achieved {}, {} of {} weights pruned\nwritten to {}\n",
        report.method,
        report.pattern,
        percent(report.target, 2),
        percent(report.achieved, 2),
        grouped(report.pruned),
        grouped(report.parameters),
        folder.display()
    ));
    out
}
