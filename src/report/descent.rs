//! The table of a descent: the results at each sparsity.

use super::TableOptions;
use super::grid::{Field, Flexible, Grid, Line};
use super::number::{counted, grouped, plain_percent, significant};
use crate::descent::summary::{DescentSummary, Ended, Found};
use crate::trial::loss::Damage;

/// Returns the table for a terminal, with a row per sparsity.
pub fn text(summary: &DescentSummary, options: &TableOptions) -> String {
    format!("{}\n\n{}{EVENNESS}\n", caption(summary), grid(summary).text(options))
}

/// Returns the table in Markdown.
pub fn markdown(summary: &DescentSummary) -> String {
    format!("{}\n\n{}", caption(summary), grid(summary).markdown())
}

const EVENNESS: &str = "\
unevenness: interquartile range of the marginal damages of blocks or projections over their median size, at the start and the end
tokens: through the pruned model; a backward pass counts as two forward passes";

fn caption(summary: &DescentSummary) -> String {
    format!(
        "A ratio for each {} of {}, pruned by {}, by descent ({}, at most {} of {} of {} tokens)",
        summary.settings.unit,
        summary.model,
        summary.method,
        summary.settings.rule,
        counted(summary.settings.steps, "step"),
        counted(summary.settings.windows, "window"),
        summary.length,
    )
}

fn grid(summary: &DescentSummary) -> Grid {
    let reported = summary.found.iter().any(|it| it.report.is_some());
    let selected = summary.found.iter().any(|it| it.descended.selection.is_some());
    let mut head = vec!["sparsity"];
    if selected {
        head.extend(["selection, start", "found"]);
    }
    if reported {
        head.extend(["report, uniform", "found", "perplexity, uniform", "found"]);
    }
    let by_row = summary.found.iter().any(|it| it.descended.dead_rows.is_some());
    if by_row {
        head.push("dead rows");
    }
    head.extend(["step", "ended", "tokens", "unevenness"]);
    let rows = summary.found.iter().map(|found| row(found, selected, reported, by_row));
    Grid {
        numbers: head.iter().map(|title| !matches!(*title, "ended" | "unevenness")).collect(),
        rows: rows.collect(),
        flexible: Flexible::Name(0),
        head: head.into_iter().map(str::to_owned).collect(),
    }
}

fn row(found: &Found, selected: bool, reported: bool, by_row: bool) -> Line {
    let Found { descended, uniform, report } = found;
    let loss = |loss: Option<f64>| loss.map_or_else(|| "–".to_owned(), |it| format!("{it:.4}"));
    let damage = |of: fn(&Damage) -> f64, it: &Option<Damage>| it.as_ref().map(of);
    let mut cells = vec![plain_percent(descended.allocation.target)];
    if selected {
        cells.extend([loss(descended.began), loss(descended.selection)]);
    }
    if reported {
        cells.extend([uniform, report].map(|it| loss(damage(|it| it.kl, it))));
        cells.extend([uniform, report].map(|it| {
            damage(|it| it.perplexity, it).map_or_else(|| "–".to_owned(), |it| format!("{it:.2}"))
        }));
    }
    if by_row {
        cells.push(grouped(descended.dead_rows.unwrap_or(0) as u64));
    }
    let ended = match descended.ended {
        Ended::AllSteps => "all steps",
        Ended::NoGain => "no gain",
        Ended::Noise => "noise",
        Ended::Budget => "budget",
    };
    let [first, last] = descended.unevenness;
    cells.push(format!("{}/{}", descended.step, descended.steps));
    cells.push(ended.to_owned());
    cells.push(grouped(descended.tokens));
    cells.push(format!("{} → {}", significant(first, 2), significant(last, 2)));
    Line { class: "found", cells: cells.into_iter().map(Field::new).collect() }
}
