//! The contents of a search's tables, independent of the output format.

use super::column::{Column, Measured};
use super::formula::Reading;
use super::loss::{LossScale, deciding, deciding_text};
use super::tasks;
use crate::baselines::program::Baseline;
use crate::report::number::{grouped, plain_percent};
use crate::search::searcher::Searcher;
use crate::search::summary::{ControlComparison, Formula, RunSummary, Summary, Winner, WinnerName};
use crate::trial::loss::{Damage, Measure};
use crate::trial::spent::Judged;

/// The kind of allocation in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    Dense,
    Published,
    Control,
    /// The runs of the search, over their seeds.
    Search,
    /// The winner over all runs of the search.
    Best,
}

impl RowKind {
    /// Returns its CSS class.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Published => "published",
            Self::Control => "control",
            Self::Search => "search",
            Self::Best => "winner",
        }
    }
}

/// A row of the final table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) kind: RowKind,
    pub(super) name: String,
    /// Number of operators and constants, or of free levels; a range if it differs between seeds.
    pub(super) size: String,
    /// One value per column; `None` if it was not measured.
    pub(super) values: Vec<Option<Measured>>,
    /// Whether the value is the best in its column.
    pub(super) best: Vec<bool>,
}

/// A table of results.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Results {
    /// The measures with their setting; `None` stands for all settings together.
    pub(super) columns: Vec<Column>,
    /// In the order dense, published, controls, discovered.
    pub(super) rows: Vec<Row>,
    /// The text that all values were measured on.
    pub(super) text: &'static str,
}

impl Results {
    /// Returns the final table: on the report text or, if that was not read, with the losses that chose.
    pub(super) fn of(summary: &Summary) -> Self {
        let reported = !summary.best.report.is_empty();
        let scale = LossScale::of(summary);
        let mut columns = Vec::new();
        if reported {
            for place in places(summary) {
                columns.push(Column::of("KL", place.clone(), 4));
                columns.push(Column::of("perplexity", place, 2));
            }
        } else {
            columns.push(Column::of(scale.name(), None, scale.decimals()));
        }
        let mut rows = rows(summary, reported);
        columns.extend(tasks::columns(summary));
        mark(&mut rows, &columns);
        Self { columns, rows, text: if reported { "report" } else { deciding_text(summary) } }
    }
}

fn rows(summary: &Summary, reported: bool) -> Vec<Row> {
    let row = |kind, name: &str, size: String, winners: &[&Winner]| Row {
        kind,
        name: name.to_owned(),
        size,
        values: values(summary, reported, winners),
        best: Vec::new(),
    };
    let mut rows = Vec::new();
    if !reported && tasks::are_reported(summary) {
        let values = std::iter::once(None).chain(tasks::dense(summary)).collect();
        let (name, size) = ("dense model".to_owned(), String::new());
        rows.push(Row { kind: RowKind::Dense, name, size, values, best: Vec::new() });
    }
    if reported {
        // At further sparsities the main model is pruned, and the dense model does not depend on the sparsity.
        let further = summary.unsearched.iter().filter_map(|_| summary.settings.first());
        let dense = summary.settings.iter().chain(further);
        let values = dense.flat_map(|it| [0.0, it.dense_perplexity].map(|value| Some(Measured::once(value))));
        let values = values.chain(tasks::dense(summary));
        let (name, size) = ("dense model".to_owned(), String::new());
        rows.push(Row { kind: RowKind::Dense, name, size, values: values.collect(), best: Vec::new() });
    }
    let mut published: Vec<Row> = summary
        .published
        .iter()
        .map(|it| row(RowKind::Published, &it.name.to_string(), size(it), &[it]))
        .collect();
    let first = |row: &Row| row.values.first().copied().flatten().map_or(f64::INFINITY, |it| it.mean);
    published.sort_by(|a, b| first(b).total_cmp(&first(a)));
    rows.extend(published);
    for (searcher, runs) in by_searcher(summary) {
        let winners: Vec<&Winner> = runs.iter().map(|run| &run.best).collect();
        let seeds = match winners.len() {
            1 => String::new(),
            count => format!(" ({count} seeds)"),
        };
        let size = sizes(summary, searcher, &winners);
        if !searcher.is_search() {
            rows.push(row(RowKind::Control, &format!("{}{seeds}", searcher.name()), size, &winners));
        } else if winners.len() > 1 {
            rows.push(row(RowKind::Search, &format!("discovered{seeds}"), size, &winners));
        }
    }
    let best = if rows.iter().any(|row| row.kind == RowKind::Search) {
        "discovered, the best"
    } else {
        "discovered"
    };
    rows.push(row(RowKind::Best, best, size(&summary.best), &[&summary.best]));
    rows.sort_by_key(|row| match row.kind {
        RowKind::Dense => 0,
        RowKind::Published => 1,
        RowKind::Control => 2,
        RowKind::Search => 3,
        RowKind::Best => 4,
    });
    rows
}

/// Returns the results of allocations, column by column, over all of them.
fn values(summary: &Summary, reported: bool, winners: &[&Winner]) -> Vec<Option<Measured>> {
    if !reported {
        let scale = LossScale::of(summary);
        let losses: Vec<f64> = winners.iter().map(|it| scale.shown(super::loss::deciding(it))).collect();
        return std::iter::once(Measured::over(&losses)).chain(tasks::values(summary, winners)).collect();
    }
    let of_winners: Vec<Vec<Option<&Damage>>> = winners.iter().map(|it| damages(summary, it)).collect();
    let place = |index: usize| {
        let damages: Vec<&Damage> = of_winners.iter().filter_map(|it| it[index]).collect();
        let kl: Vec<f64> = damages.iter().map(|it| it.kl).collect();
        let perplexity: Vec<f64> = damages.iter().map(|it| it.perplexity).collect();
        [Measured::over(&kl), Measured::over(&perplexity)]
    };
    let count = summary.settings.len() + summary.unsearched.len();
    (0..count).flat_map(place).chain(tasks::values(summary, winners)).collect()
}

/// Returns the names of the settings, followed by those of the further sparsities; without a name if there is
/// only one.
pub(super) fn places(summary: &Summary) -> Vec<Option<String>> {
    let named = |model: &str, sparsity| format!("{model} at {}", plain_percent(sparsity));
    let main = summary.settings.first().map_or("", |it| it.model.as_str());
    let settings = summary.settings.iter().map(|it| named(&it.model, it.target));
    let further = summary.unsearched.iter().map(|it| format!("{}, not searched", named(main, *it)));
    let all: Vec<String> = settings.chain(further).collect();
    let several = all.len() > 1;
    all.into_iter().map(|name| several.then_some(name)).collect()
}

/// Returns an allocation's damage on the report text at each of the [`places`].
pub(super) fn damages<'a>(summary: &Summary, winner: &'a Winner) -> Vec<Option<&'a Damage>> {
    let settings = (0..summary.settings.len()).map(|place| winner.report.get(place));
    let further = (0..summary.unsearched.len()).map(|place| winner.unsearched.get(place)?.as_ref());
    settings.chain(further).collect()
}

/// Marks the best value of each column among the pruned models: the lowest, or the highest if that is better.
fn mark(rows: &mut [Row], columns: &[Column]) {
    let mean = |row: &Row, column: usize| row.values.get(column).copied().flatten().map(|it| it.mean);
    for (column, of) in columns.iter().enumerate() {
        let pruned = rows.iter().filter(|row| row.kind != RowKind::Dense);
        let means = pruned.filter_map(|row| mean(row, column));
        let least = match of.highest {
            true => means.fold(f64::NEG_INFINITY, f64::max),
            false => means.fold(f64::INFINITY, f64::min),
        };
        for row in rows.iter_mut() {
            let best = row.kind != RowKind::Dense && mean(row, column) == Some(least);
            row.best.push(best);
        }
    }
}

fn size(winner: &Winner) -> String {
    winner.formula.as_ref().map_or_else(String::new, |formula| formula.size.to_string())
}

/// Returns the range of sizes that a searcher found.
fn sizes(summary: &Summary, searcher: Searcher, winners: &[&Winner]) -> String {
    if let Some(levels) = free_levels(summary, searcher) {
        return format!("{levels} levels");
    }
    let found = || winners.iter().filter_map(|it| it.formula.as_ref()).map(|formula| formula.size);
    match (found().min(), found().max()) {
        (Some(least), Some(most)) if least != most => format!("{least}–{most}"),
        (Some(least), _) => least.to_string(),
        _ => String::new(),
    }
}

/// Returns the number of free levels of a control, if it has any.
pub(super) fn free_levels(summary: &Summary, searcher: Searcher) -> Option<usize> {
    let parts = summary.ratios.first()?;
    match searcher {
        Searcher::Baseline(Baseline::EvopressBlock | Baseline::DescentBlock) => Some(parts.blocks.len()),
        Searcher::Baseline(Baseline::EvopressProjection | Baseline::Descent) => Some(parts.projections.len()),
        _ => None,
    }
}

/// Returns the runs of each searcher, the search first.
pub(super) fn by_searcher(summary: &Summary) -> Vec<(Searcher, Vec<&RunSummary>)> {
    let mut searchers: Vec<Searcher> = summary.runs.iter().map(|run| run.searcher).collect();
    searchers.sort_unstable();
    searchers.dedup();
    let runs = |searcher| summary.runs.iter().filter(move |run| run.searcher == searcher).collect();
    searchers.into_iter().map(|searcher| (searcher, runs(searcher))).collect()
}

/// The budget that a searcher spent over all seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpentRow {
    pub(super) searcher: Searcher,
    pub(super) seeds: usize,
    pub(super) proposals: usize,
    pub(super) known_formulas: usize,
    pub(super) known_behaviours: usize,
    pub(super) invalid: usize,
    pub(super) evaluations: usize,
    pub(super) full: usize,
    pub(super) tokens: u64,
}

impl SpentRow {
    /// Returns a number of proposals as a share of all proposals, in percent.
    pub(super) fn share(&self, of: usize) -> String {
        format!("{:.1}%", 100.0 * of as f64 / self.proposals.max(1) as f64)
    }
}

/// Returns the budget that each searcher spent.
pub(super) fn spent(summary: &Summary) -> Vec<SpentRow> {
    let row = |(searcher, runs): (Searcher, Vec<&RunSummary>)| {
        let sum = |of: fn(&RunSummary) -> usize| runs.iter().map(|run| of(run)).sum();
        SpentRow {
            searcher,
            seeds: runs.len(),
            proposals: sum(|run| run.spent.proposals),
            known_formulas: sum(|run| run.spent.known_formulas),
            known_behaviours: sum(|run| run.spent.known_behaviours),
            invalid: sum(|run| run.spent.invalid),
            evaluations: sum(|run| run.spent.evaluations),
            full: sum(|run| run.spent.full_evaluations),
            tokens: runs.iter().map(|run| run.spent.tokens).sum(),
        }
    };
    by_searcher(summary).into_iter().map(row).collect()
}

/// Returns the distance of the winner's ratios from each teacher's, one sentence each, and the number of
/// judged formulas; empty without teachers.
pub(super) fn teachers(summary: &Summary) -> Vec<String> {
    if summary.teachers.is_empty() {
        return Vec::new();
    }
    let several = summary.settings.len() > 1;
    let mut lines: Vec<String> = summary
        .teachers
        .iter()
        .map(|it| {
            let model = summary
                .settings
                .get(it.target)
                .filter(|_| several)
                .map(|setting| format!(" of {}", setting.model));
            let held_out = if it.held_out { ", which was held out" } else { "" };
            format!(
                "Distance from {} at {}{}{held_out}: {:.3}",
                it.teacher,
                plain_percent(it.sparsity),
                model.unwrap_or_default(),
                it.distance
            )
        })
        .collect();
    lines.push(DISTANCE.to_owned());
    if summary.teachers.iter().any(|it| !it.steep) {
        lines.push(BY_SIZE.to_owned());
    }
    let judged = summary.runs.iter().map(|run| &run.spent.judged);
    let (formulas, reductions) = judged.fold((0, 0), |(formulas, reductions), it| {
        (formulas + it.formulas as u64, reductions + it.reductions)
    });
    lines.push(format!(
        "Judged by teachers alone: {} formulas, which needed {} reductions over the weights",
        grouped(formulas),
        grouped(reductions)
    ));
    lines
}

/// Returns how many formulas the surrogate screened; `None` without one.
pub(super) fn screened(summary: &Summary) -> Option<String> {
    let count: u64 = summary.runs.iter().map(|run| run.spent.screened as u64).sum();
    (count > 0).then(|| {
        format!(
            "A surrogate predicted the losses of {} formulas, and chose those that were measured.",
            grouped(count)
        )
    })
}

/// Returns the speed at which teachers judged formulas in this process; `None` if they judged none.
pub fn judged(summary: &Summary) -> Option<String> {
    let mut all = Judged::default();
    summary.runs.iter().for_each(|run| all.add(&run.spent.judged));
    let seconds = all.time.as_secs_f64();
    (!all.is_nothing() && seconds > 0.0).then(|| {
        format!(
            "teachers judged {} formulas in {seconds:.1} seconds, {:.0} a second, with {} new reductions, {:.1} a second",
            grouped(all.formulas as u64),
            all.formulas as f64 / seconds,
            grouped(all.reductions),
            all.reductions as f64 / seconds
        )
    })
}

/// Definition of the distance from a teacher.
const DISTANCE: &str = "The distance is the mean squared deviation of ratios, weighted by each unit's number of weights times how steeply the damage \
                        rises in it, divided by that of uniform sparsity: 0 is the teacher itself, 1 is as far away as uniform sparsity.";

/// Definition of the distance if the steepness is unknown.
const BY_SIZE: &str = "If a descent's journal does not show how steeply the damage rises, units are weighted only by their number of weights.";

/// Interpretation of the comparison with controls.
pub(super) const CHANCE: &str = "The 95% bootstrap interval is over seeds and windows, so it is wide if seeds differ. p is from Wilcoxon's \
                                 two-sided signed-rank test over windows with the seeds' losses averaged, so it treats these seeds as fixed. A \
                                 difference is called significant if both agree.";

/// The p-value below which a difference is significant.
const SIGNIFICANT: f64 = 0.05;

/// Returns a sentence for each setting and further sparsity at which a published allocation does better on the
/// report text than the winner; without a report text, at most one, by the deciding losses.
pub(super) fn better(summary: &Summary) -> Vec<String> {
    if summary.best.name != WinnerName::Discovered {
        return Vec::new();
    }
    // A search by tasks is judged by its documents, so the report text does not matter here.
    let by_tasks = summary.measure == Measure::Tasks;
    if by_tasks || summary.best.report.is_empty() {
        let scale = LossScale::of(summary);
        let what = if by_tasks { "documents" } else { "text" };
        let place = format!("On the {} {what}", deciding_text(summary));
        let shown = (scale.name(), &(|loss| scale.text(loss)) as &dyn Fn(f64) -> String);
        return better_at(summary, &place, &|it| Some(deciding(it)), shown).into_iter().collect();
    }
    let loss = |damage: &Damage| match summary.measure {
        Measure::Kl | Measure::Tasks => damage.kl,
        Measure::Perplexity => damage.perplexity.ln(),
    };
    let (name, figure): (_, fn(f64) -> String) = match summary.measure {
        Measure::Kl | Measure::Tasks => ("KL", |loss| format!("{loss:.4}")),
        Measure::Perplexity => ("perplexity", |loss| format!("{:.2}", loss.exp())),
    };
    let at = |(index, place): (usize, Option<String>)| {
        let place = place.map_or_else(String::new, |place| format!(" of {place},"));
        let loss = |winner: &Winner| damages(summary, winner)[index].map(loss);
        better_at(summary, &format!("On the report text{place}"), &loss, (name, &figure))
    };
    places(summary).into_iter().enumerate().filter_map(at).collect()
}

/// Returns a sentence about the published allocation that does best at a place, if it does better than the
/// winner.
fn better_at(
    summary: &Summary,
    place: &str,
    loss: &dyn Fn(&Winner) -> Option<f64>,
    (name, figure): (&str, &dyn Fn(f64) -> String),
) -> Option<String> {
    let found = loss(&summary.best)?;
    let known = summary.published.iter().filter_map(|it| Some((it, loss(it)?)));
    let lower: Vec<(&Winner, f64)> = known.filter(|(_, loss)| *loss < found).collect();
    let (best, least) = lower.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let uniform = match lower.iter().any(|(it, _)| it.name.to_string() == "uniform") {
        true => " Uniform sparsity does better, too.",
        false => "",
    };
    Some(format!(
        "{place} the published `{}` does better than the function found: {name} {} against {}.{uniform}",
        best.name,
        figure(*least),
        figure(found),
    ))
}

/// Returns a number with its sign; a number that is not finite has none.
pub(super) fn signed(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return "–".to_owned();
    }
    format!("{number:+.decimals$}").replace('-', "−")
}

/// Note on the table that leaves parts out.
pub(super) const PARTS: &str = "Measured after all decisions, on the text that chose the function; above 0, the function is worse without the \
                                part. Small differences may be chance, because the same text chose the function.";

/// Returns a sentence about a simplified formula.
pub(super) fn simplified(formula: &Formula) -> Option<String> {
    let found = Reading::of(&Formula { script: formula.found.clone()?, ..formula.clone() })?;
    let size = found.size();
    Some(format!(
        "Found as a formula of {size} operators and constants, then simplified without changing any pruned weight: {}",
        found.line()
    ))
}

/// Returns a comparison's difference, interval and p-value as text, and whether the difference is
/// significant.
pub(super) fn compared(comparison: &ControlComparison) -> [String; 4] {
    let (low, high) = comparison.interval;
    let p = comparison.p_value;
    let p = match p {
        _ if p.is_nan() => "–".to_owned(),
        _ if p >= 0.0001 => format!("{p:.4}"),
        _ => format!("{p:.0e}"),
    };
    let signed = |number: f64| signed(number, 4);
    let chance = low.max(-high) > 0.0 && comparison.p_value < SIGNIFICANT;
    let chance = if chance { "yes" } else { "no" }.to_owned();
    [signed(comparison.difference), format!("{} to {}", signed(low), signed(high)), p, chance]
}

/// Returns the lines that describe the settings of the search.
pub(super) fn settings(summary: &Summary) -> Vec<String> {
    let places: Vec<String> = summary
        .settings
        .iter()
        .map(|setting| format!("{} at {} sparsity", setting.model, plain_percent(setting.target)))
        .collect();
    let searches = || summary.runs.iter().filter(|run| run.searcher.is_search());
    let seeds: Vec<String> = searches().map(|run| run.seed.to_string()).collect();
    let evaluations = searches().map(|run| run.spent.evaluations).max().unwrap_or(0);
    let evaluations = grouped(evaluations as u64);
    let method = summary.method.split_whitespace().collect::<Vec<_>>().join(" ");
    let seeds = match seeds.len() {
        1 => format!("seed {}", seeds[0]),
        _ => format!("seeds {}", seeds.join(", ")),
    };
    let measure = match summary.measure {
        Measure::Kl => "KL to the dense model",
        Measure::Perplexity => "perplexity",
        Measure::Tasks => "documents of tasks",
    };
    let spent = match searches().any(|run| run.searcher == Searcher::Enumeration) {
        true => format!("every formula of a small space, {evaluations} evaluations"),
        false => format!("{evaluations} evaluations for each search, {seeds}"),
    };
    vec![
        places.join(", "),
        format!("weights chosen by {method}, fitness by {measure}"),
        format!("{spent}, allot {}", summary.version),
    ]
}
