//! Every allocation that a search measured, as a table and as CSV; and the progress of an unfinished search.

use crate::report::TableOptions;
use crate::report::grid::{Field, Flexible, Grid, Line};
use crate::report::number::grouped;
use crate::search::measured::MeasuredFormula;
use crate::search::run::searches;
use crate::search::settings::Settings;

/// How many of the best allocations are shown for an unfinished search.
const SHOWN: usize = 10;

/// Returns all measured allocations as a table, the lowest loss first; ends with a newline.
pub fn measured_table(measured: &[MeasuredFormula], options: &TableOptions) -> String {
    let rows = ranked(measured).into_iter().map(|it| {
        let estimated = if it.full { "" } else { "~" };
        let cells = [
            format!("{estimated}{:.4}", it.loss),
            it.size.to_string(),
            format!("{} {}{}", it.searcher.name(), it.seed, alone(it)),
            formula(it),
        ];
        Line { class: "formula", cells: cells.map(Field::new).to_vec() }
    });
    let grid = Grid {
        head: ["loss", "size", "found by, seed", "formula"].map(str::to_owned).to_vec(),
        numbers: vec![true, true, false, false],
        rows: rows.collect(),
        flexible: Flexible::Formula(3),
    };
    grid.text(options)
}

/// Returns all measured allocations as CSV, in the order of measurement.
pub fn measured_csv(measured: &[MeasuredFormula]) -> String {
    // Only controls of searches for several settings measure candidates at one of them.
    let settings = measured.iter().any(|it| it.setting.is_some());
    let head = if settings { ",setting" } else { "" };
    let mut out = format!("search,searcher,seed,loss,full,size,hash,script{head}\n");
    for it in measured {
        let quoted = |text: &Option<String>| {
            format!("\"{}\"", text.as_deref().unwrap_or("").trim_end().replace('"', "\"\""))
        };
        out.push_str(&format!(
            "{},{},{},{},{},{},{},{}{}\n",
            it.search,
            it.searcher,
            it.seed,
            it.loss,
            it.full,
            it.size,
            it.hash.as_deref().unwrap_or(""),
            quoted(&it.script),
            if settings {
                format!(",{}", it.setting.map_or_else(String::new, |it| it.to_string()))
            } else {
                String::new()
            }
        ));
    }
    out
}

/// Returns the progress of an unfinished search and its best allocations so far; ends with a newline. `run`
/// is its folder.
pub fn unfinished(
    settings: &Settings,
    measured: &[MeasuredFormula],
    run: &str,
    options: &TableOptions,
) -> String {
    let all = searches(settings);
    let place = measured.last().map_or_else(
        || "no allocation is measured yet".to_owned(),
        |last| {
            let of_this = measured.iter().filter(|it| it.search == last.search).count();
            let of = match last.searcher.is_search() && settings.enumeration.is_none() {
                true => format!(" of {}", grouped(settings.evaluations as u64)),
                false => String::new(),
            };
            format!(
                "{} {} of {all}, {}, seed {}: {}{of} allocations measured",
                if last.searcher.is_search() { "search" } else { "control" },
                last.search,
                last.searcher.name(),
                last.seed,
                grouped(of_this as u64),
            )
        },
    );
    // Losses at one setting alone cannot be compared with those at all of them.
    let of_all = |it: &&MeasuredFormula| it.full && it.setting.is_none();
    let mut best: Vec<MeasuredFormula> = ranked(measured).into_iter().filter(of_all).cloned().collect();
    best.truncate(SHOWN);
    let table = match best.is_empty() {
        true => String::new(),
        false => format!(
            "\nThe best so far on the fitness text, which does not decide yet:\n\n{}",
            measured_table(&best, options)
        ),
    };
    format!(
        "The search is not finished: {place}.\n{table}\nIf no process is working on it, continue with `allot search --resume {run}`.\n"
    )
}

/// Returns the measured allocations by loss; those without a finite loss come last.
fn ranked(measured: &[MeasuredFormula]) -> Vec<&MeasuredFormula> {
    let mut ranked: Vec<&MeasuredFormula> = measured.iter().collect();
    ranked.sort_by(|a, b| a.loss.total_cmp(&b.loss).then(a.size.cmp(&b.size)));
    ranked
}

/// Returns the setting of an allocation that was measured at one of several, counted from 1.
fn alone(it: &MeasuredFormula) -> String {
    it.setting.map_or_else(String::new, |setting| format!(", setting {}", setting + 1))
}

fn formula(it: &MeasuredFormula) -> String {
    let text =
        it.script.as_deref().map_or("(free ratios)".to_owned(), |text| text.trim_end().replace('\n', "; "));
    text.trim_start_matches("unit block; ").to_owned()
}
