//! The table of a comparison: perplexities by sparsity, and the cost of choosing the ratios.

use super::tasks;
use super::words::{label, number};
use crate::compare::summary::{Cell, CellResult, Comparison, Row};
use crate::prune::{Pattern, Propagation};
use crate::report::TableOptions;
use crate::report::grid::{Field, Flexible, Grid, Line};
use crate::report::number::{counted, grouped, plain_percent, significant};

/// Returns the table for a terminal: a caption, a row per allocation, and the reasons for missing values.
pub fn text(comparison: &Comparison, seconds: &[f64], options: &TableOptions) -> String {
    let mut out = format!("{}\n\n", caption(comparison));
    out.push_str(&grid(comparison, Some(seconds)).text(options));
    out.push_str("* lowest perplexity in its column\n");
    out.push_str(COST);
    out.push('\n');
    let of_tasks = tasks::grids(comparison);
    if !of_tasks.is_empty() {
        out.push_str(&format!("\n{}\n", tasks::caption(comparison)));
        for (title, grid) in &of_tasks {
            out.push_str(&format!("\n{title}\n{}", grid.text(options)));
        }
        out.push_str(&format!("{}\n", tasks::MARKS));
    }
    for problem in problems(comparison) {
        out.push_str(&format!("{problem}\n"));
    }
    out
}

/// Returns the table in Markdown, with the lowest perplexities in bold.
pub fn markdown(comparison: &Comparison, seconds: &[f64]) -> String {
    let mut out = format!("{}\n\n{}", caption(comparison), grid(comparison, Some(seconds)).markdown());
    let of_tasks = tasks::grids(comparison);
    if !of_tasks.is_empty() {
        out.push_str(&format!("\n{}\n", tasks::caption(comparison)));
        for (title, grid) in &of_tasks {
            out.push_str(&format!("\n{title}\n\n{}", grid.markdown()));
        }
    }
    for problem in problems(comparison) {
        out.push_str(&format!("\n{problem}\n"));
    }
    out
}

/// Returns the table in LaTeX for the package booktabs: perplexities with the lowest in bold, and a table of
/// tasks per sparsity.
pub fn latex(comparison: &Comparison) -> String {
    let mut out = grid(comparison, None).latex(&caption(comparison));
    for (title, grid) in tasks::grids(comparison) {
        out.push_str(&format!("\n{}", grid.latex(&format!("{title}: {}", tasks::caption(comparison)))));
    }
    out
}

/// The legend of tokens and seconds.
pub(super) const COST: &str = "tokens, seconds: spent on choosing the ratios at all sparsities together, including the calibration's share";

/// Returns a sentence on what was compared.
pub(super) fn caption(comparison: &Comparison) -> String {
    let pattern = match comparison.pattern {
        Pattern::Unstructured => String::new(),
        pattern => format!(" {pattern}"),
    };
    let seen = match comparison.propagation {
        Propagation::Pruned => "later blocks calibrated after pruning earlier ones",
        Propagation::Dense => "masks from dense statistics",
    };
    format!(
        "Perplexity of {}, pruned by {}{pattern}, {seen}, on {} of {} tokens; dense: {:.2}",
        comparison.model,
        comparison.method,
        counted(comparison.windows, "window"),
        comparison.length,
        comparison.dense_perplexity
    )
}

/// Returns the reasons for missing values.
pub(super) fn problems(comparison: &Comparison) -> Vec<String> {
    let mut problems: Vec<String> = Vec::new();
    for row in &comparison.rows {
        for cell in &row.cells {
            let problem = match &cell.result {
                CellResult::Problem(problem) => problem.as_str(),
                CellResult::Measured { tasks, .. }
                    if tasks.is_empty() && !comparison.dense_tasks.is_empty() =>
                {
                    "the model's logits are not finite, so the tasks have no results"
                }
                CellResult::Measured { .. } => continue,
            };
            problems.push(format!("{} at {}: {problem}", label(row), plain_percent(cell.target)));
        }
    }
    problems
}

/// Returns the table; with `seconds`, it includes the cost of each row.
pub(super) fn grid(comparison: &Comparison, seconds: Option<&[f64]>) -> Grid {
    let best: Vec<f64> = (0..comparison.sparsities.len())
        .map(|column| {
            let of = |row: &Row| row.cells.get(column).and_then(Cell::damage).map(|it| it.perplexity);
            comparison.rows.iter().filter_map(of).filter(|it| it.is_finite()).fold(f64::INFINITY, f64::min)
        })
        .collect();
    let sparsities = comparison.sparsities.iter().map(|it| plain_percent(*it));
    let mut head: Vec<String> = std::iter::once("allocation".to_owned()).chain(sparsities).collect();
    if seconds.is_some() {
        head.extend(["tokens", "seconds"].map(str::to_owned));
    }
    let rows = comparison.rows.iter().enumerate().map(|(place, row)| {
        let mut cells = vec![Field::new(label(row))];
        cells.extend(row.cells.iter().zip(&best).map(|(cell, best)| {
            let perplexity = cell.damage().map(|it| it.perplexity);
            Field {
                text: perplexity.map_or_else(|| "–".to_owned(), number), best: perplexity == Some(*best)
            }
        }));
        if let Some(seconds) = seconds {
            cells.push(Field::new(grouped(row.tokens)));
            cells.push(Field::new(seconds.get(place).map_or_else(String::new, |it| significant(*it, 2))));
        }
        Line { class: "published", cells }
    });
    Grid {
        numbers: (0..head.len()).map(|column| column > 0).collect(),
        rows: rows.collect(),
        flexible: Flexible::Name(0),
        head,
    }
}
