//! The results of a search for a terminal, and their table in Markdown.

use super::formula;
use super::loss::{LossScale, deciding, deciding_text};
use super::rows::{self, Results, Row};
use crate::report::TableOptions;
use crate::report::grid::{Field, Flexible, Grid, Line};
use crate::report::number::{grouped, plain_percent};
use crate::search::summary::{Formula, Summary};
use crate::trial::loss::Measure;

/// The minimum width for all columns of the budget table.
const FULL: usize = 90;

/// Returns the results of a search: the function, the final table, the front, comparisons with controls, and
/// the budget spent.
///
/// The table shows the damage on the report text, or the deciding losses if there is no report text; for
/// several seeds, as mean ± standard deviation. Formulas and names are cut to the width. Ends with a newline.
pub fn text(summary: &Summary, options: &TableOptions) -> String {
    let mut out = String::new();
    for line in rows::settings(summary) {
        out.push_str(&wrapped(&line, options.width));
    }
    if let Some(formula) = &summary.best.formula {
        out.push_str(&format!("\nBest function found, {}:\n\n", elements(formula)));
        for line in formula.script.lines() {
            out.push_str(&format!("    {line}\n"));
        }
        if let Some(simplified) = rows::simplified(formula) {
            out.push_str(&format!("\n{}", wrapped(&simplified, options.width)));
        }
    }
    let results = Results::of(summary);
    if let Some(overview) = overview(summary, &results) {
        out.push_str(&format!("\n{}", wrapped(&overview_title(&results), options.width)));
        out.push_str(&overview.text(options));
    }
    out.push_str(&format!("\nOn the {} text\n", results.text));
    for grid in tables(&results) {
        out.push_str(&grid.text(options));
    }
    match super::tasks::are_reported(summary) {
        false => out.push_str("* lowest in its column\n"),
        true => {
            out.push_str(&format!("* best in its column\n{}", wrapped(super::tasks::NOTE, options.width)))
        }
    }
    for better in rows::better(summary) {
        out.push_str(&wrapped(&better, options.width));
    }
    out.push_str(&format!("\n{}", front(summary, options)));
    if !summary.leaving_out.is_empty() {
        let title =
            format!("The function found without each of its parts, on the {} text", deciding_text(summary));
        out.push_str(&format!("\n{}", wrapped(&title, options.width)));
        out.push_str(&leaving_out(summary).text(options));
        out.push_str(&wrapped(rows::PARTS, options.width));
    }
    if !summary.comparisons.is_empty() {
        out.push('\n');
        let title = "The search minus its controls, on the report text (below 0, the search is better)";
        out.push_str(&wrapped(title, options.width));
        out.push_str(&comparisons(summary).text(options));
        out.push_str(&wrapped(rows::CHANCE, options.width));
    }
    let teachers = rows::teachers(summary);
    if !teachers.is_empty() {
        out.push_str("\nDistance from the teachers\n");
        teachers.iter().for_each(|line| out.push_str(&wrapped(line, options.width)));
    }
    out.push_str("\nBudget spent\n");
    let spent = spent(summary);
    // The least important columns are dropped first.
    let spent = if options.width < FULL { spent.without(&["seeds", "no\nvalue"]) } else { spent };
    out.push_str(&spent.text(options));
    if let Some(screened) = rows::screened(summary) {
        out.push_str(&wrapped(&screened, options.width));
    }
    out
}

/// Returns the Pareto front of a search: the best formula of each size, one per line, cut to the width.
pub fn front(summary: &Summary, options: &TableOptions) -> String {
    let scale = LossScale::of(summary);
    let lines = summary.front.iter().filter_map(|winner| {
        let formula = winner.formula.as_ref()?;
        let unit = formula::Reading::of(formula).map_or("", |it| it.unit());
        let cells =
            [formula.size.to_string(), scale.text(deciding(winner)), unit.to_owned(), formula::line(formula)];
        Some(Line { class: "front", cells: cells.map(Field::new).to_vec() })
    });
    let grid = Grid {
        head: ["size", scale.name(), "unit", "formula"].map(str::to_owned).to_vec(),
        numbers: vec![true, true, false, false],
        rows: lines.collect(),
        flexible: Flexible::Formula(3),
    };
    format!(
        "Pareto front: the best formula of each size, on the {} text\n{}",
        deciding_text(summary),
        grid.text(options)
    )
}

/// Returns the final table and the comparisons with controls as Markdown.
pub fn markdown(summary: &Summary) -> String {
    let results = Results::of(summary);
    let all: Vec<Grid> = overview(summary, &results).into_iter().chain(tables(&results)).collect();
    let mut out: String = all.iter().map(Grid::markdown).collect::<Vec<_>>().join("\n");
    if !summary.comparisons.is_empty() {
        out.push_str(&format!("\n{}", comparisons(summary).markdown()));
    }
    out
}

/// Returns the losses at every sparsity side by side, if there are several sparsities of one model and they
/// were reported.
pub(super) fn overview(summary: &Summary, results: &Results) -> Option<Grid> {
    let sparsities = summary.settings.iter().map(|it| it.target).chain(summary.unsearched.iter().copied());
    let sparsities: Vec<f64> = sparsities.collect();
    let one_model = summary.settings.windows(2).all(|pair| pair[0].model == pair[1].model);
    if summary.best.report.is_empty() || !one_model || sparsities.len() < 2 {
        return None;
    }
    let title = match summary.measure {
        Measure::Kl | Measure::Tasks => "KL",
        Measure::Perplexity => "perplexity",
    };
    let shown = (0..results.columns.len()).filter(|column| results.columns[*column].title == title);
    let searched = |place: usize| if place < summary.settings.len() { "" } else { "†" };
    let mut columns: Vec<(f64, String, usize)> = sparsities
        .iter()
        .zip(shown)
        .enumerate()
        .map(|(place, (it, column))| (*it, format!("{}{}", plain_percent(*it), searched(place)), column))
        .collect();
    columns.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rows = results.rows.iter().map(|row| {
        let values = columns.iter().map(|(_, _, column)| value(results, row, *column));
        Line { class: row.kind.name(), cells: [Field::new(&*row.name)].into_iter().chain(values).collect() }
    });
    Some(Grid {
        head: [title.to_owned()].into_iter().chain(columns.iter().map(|it| it.1.clone())).collect(),
        numbers: [false].into_iter().chain(columns.iter().map(|_| true)).collect(),
        rows: rows.collect(),
        flexible: Flexible::Name(0),
    })
}

/// Returns the title of the [`overview`].
pub(super) fn overview_title(results: &Results) -> String {
    format!("Every sparsity, on the {} text († the search did not look there)", results.text)
}

/// Returns a row's value in a column.
fn value(results: &Results, row: &Row, column: usize) -> Field {
    let value = row.values.get(column).copied().flatten();
    Field {
        text: value.map_or_else(|| "–".to_owned(), |it| it.text(results.columns[column].decimals)),
        best: row.best.get(column) == Some(&true),
    }
}

/// Returns one table per setting.
pub(super) fn tables(results: &Results) -> Vec<Grid> {
    // Divergence and perplexity of a setting are in adjacent columns.
    let mut places: Vec<&Option<String>> = results.columns.iter().map(|column| &column.setting).collect();
    places.dedup();
    let table = |place: &Option<String>| {
        let shown: Vec<usize> =
            (0..results.columns.len()).filter(|column| results.columns[*column].setting == *place).collect();
        let titles = shown.iter().map(|column| results.columns[*column].title.clone());
        let first = place.clone().unwrap_or_else(|| "allocation".to_owned());
        let rows = results.rows.iter().map(|row| {
            let values = shown.iter().map(|&column| value(results, row, column));
            let cells = [Field::new(&*row.name), Field::new(&*row.size)].into_iter().chain(values).collect();
            Line { class: row.kind.name(), cells }
        });
        Grid {
            head: [first, "size".to_owned()].into_iter().chain(titles).collect(),
            numbers: [false, true].into_iter().chain(shown.iter().map(|_| true)).collect(),
            rows: rows.collect(),
            flexible: Flexible::Name(0),
        }
    };
    places.into_iter().map(table).collect()
}

/// Returns the table of the search against its controls.
pub(super) fn comparisons(summary: &Summary) -> Grid {
    let several = summary.settings.len() > 1;
    let one_model = summary.settings.windows(2).all(|pair| pair[0].model == pair[1].model);
    let place = |setting: usize| match summary.settings.get(setting) {
        Some(it) if one_model => plain_percent(it.target),
        Some(it) => format!("{} at {}", it.model, plain_percent(it.target)),
        None => String::new(),
    };
    let rows = summary.comparisons.iter().map(|comparison| {
        let [difference, interval, p, chance] = rows::compared(comparison);
        let place = several.then(|| place(comparison.setting));
        let first = [comparison.control.name().to_owned()].into_iter().chain(place);
        let cells = first.chain([difference, interval, p, chance]);
        Line { class: "control", cells: cells.map(Field::new).collect() }
    });
    let head = ["control"].into_iter().chain(several.then_some("setting"));
    let head = head.chain(["difference", "95% interval", "p", "significant"]).map(str::to_owned);
    let numbers = [false].into_iter().chain(several.then_some(false)).chain([true, true, true, false]);
    Grid {
        head: head.collect(),
        numbers: numbers.collect(),
        rows: rows.collect(),
        flexible: Flexible::Name(0),
    }
}

/// Returns the table of the winner without each of its parts.
pub(super) fn leaving_out(summary: &Summary) -> Grid {
    let scale = LossScale::of(summary);
    let whole = deciding(&summary.best);
    let line = |part: &str, loss: f64| {
        let difference = rows::signed(scale.shown(loss) - scale.shown(whole), scale.decimals());
        let cells = [part.to_owned(), scale.text(loss), difference];
        Line { class: "part", cells: cells.map(Field::new).to_vec() }
    };
    Grid {
        head: ["left out", scale.name(), "difference"].map(str::to_owned).to_vec(),
        numbers: vec![false, true, true],
        rows: summary.leaving_out.iter().map(|it| line(&it.part, it.loss)).collect(),
        flexible: Flexible::Formula(0),
    }
}

/// Returns the table of each searcher's spent budget and its shares of known proposals.
pub(super) fn spent(summary: &Summary) -> Grid {
    let rows = rows::spent(summary).into_iter().map(|row| {
        let cells = [
            row.searcher.name().to_owned(),
            row.seeds.to_string(),
            grouped(row.proposals as u64),
            row.share(row.known_formulas),
            row.share(row.known_behaviours),
            row.share(row.invalid),
            grouped(row.evaluations as u64),
            grouped(row.full as u64),
            grouped(row.tokens),
        ];
        Line {
            class: if row.searcher.is_search() { "search" } else { "control" },
            cells: cells.map(Field::new).to_vec(),
        }
    });
    let head = [
        "searcher",
        "seeds",
        "proposed",
        "known\nformula",
        "known\nbehaviour",
        "no\nvalue",
        "measured",
        "in full",
        "tokens",
    ];
    Grid {
        head: head.map(str::to_owned).to_vec(),
        numbers: (0..head.len()).map(|column| column > 0).collect(),
        rows: rows.collect(),
        flexible: Flexible::Name(0),
    }
}

/// Returns the size of a formula in words.
pub(super) fn elements(formula: &Formula) -> String {
    match formula.size {
        1 => "1 operator or constant".to_owned(),
        size => format!("{size} operators and constants"),
    }
}

/// Returns text wrapped between words to a width, with a newline at its end.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let long = word.chars().count();
        if length > 0 && length + 1 + long > width {
            out.push('\n');
            length = 0;
        }
        if length > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += long;
    }
    out.push('\n');
    out
}
