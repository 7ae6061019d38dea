//! What a search's tables say, before it is known where they are shown.

use super::column::{Column, Measured};
use super::formula::Reading;
use super::loss::{LossScale, deciding, deciding_text};
use super::tasks;
use crate::baselines::program::Baseline;
use crate::report::number::{grouped, plain_percent};
use crate::search::searcher::Searcher;
use crate::search::summary::{ControlComparison, Formula, RunSummary, Summary, Winner, WinnerName};
use crate::trial::loss::Measure;
use crate::trial::spent::Judged;

/// What kind of allocation a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    Dense,
    Published,
    Control,
    /// The searches, over their seeds.
    Search,
    /// The winner of all searches.
    Best,
}

impl RowKind {
    /// Returns the name that style sheets know it by.
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
    /// Operators and constants, or free levels; more than one over seeds.
    pub(super) size: String,
    /// One for each column, `None` where nothing was measured.
    pub(super) values: Vec<Option<Measured>>,
    /// Whether it is the least of its column.
    pub(super) best: Vec<bool>,
}

/// A table of what allocations do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Results {
    /// What was measured, and at which setting: `None` for all of them together.
    pub(super) columns: Vec<Column>,
    /// Dense, published, controls, discovered.
    pub(super) rows: Vec<Row>,
    /// The text on which all of it was measured.
    pub(super) text: &'static str,
}

impl Results {
    /// Returns the final table: on the report text, or where that was not read, by the losses that chose.
    pub(super) fn of(summary: &Summary) -> Self {
        let reported = !summary.best.report.is_empty();
        let several = summary.settings.len() > 1;
        let scale = LossScale::of(summary);
        let mut columns = Vec::new();
        if reported {
            for setting in &summary.settings {
                let place =
                    several.then(|| format!("{} at {}", setting.model, plain_percent(setting.target)));
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
        let dense = summary.settings.iter();
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

/// Returns what allocations do, column by column, over all of them.
fn values(summary: &Summary, reported: bool, winners: &[&Winner]) -> Vec<Option<Measured>> {
    if !reported {
        let scale = LossScale::of(summary);
        let losses: Vec<f64> = winners.iter().map(|it| scale.shown(super::loss::deciding(it))).collect();
        return std::iter::once(Measured::over(&losses)).chain(tasks::values(summary, winners)).collect();
    }
    let setting = |index: usize| {
        let damages: Vec<_> = winners.iter().filter_map(|it| it.report.get(index)).collect();
        let kl: Vec<f64> = damages.iter().map(|it| it.kl).collect();
        let perplexity: Vec<f64> = damages.iter().map(|it| it.perplexity).collect();
        [Measured::over(&kl), Measured::over(&perplexity)]
    };
    (0..summary.settings.len()).flat_map(setting).chain(tasks::values(summary, winners)).collect()
}

/// Marks the least of each column among what is pruned, or the highest where that is the best.
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

/// Returns the sizes of what a searcher found, from the least to the greatest.
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

/// Returns how many free levels a control has, where it has any.
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

/// What a searcher spent over all seeds.
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
    /// Returns a number of proposals as a share of all, in percent.
    pub(super) fn share(&self, of: usize) -> String {
        format!("{:.1}%", 100.0 * of as f64 / self.proposals.max(1) as f64)
    }
}

/// Returns what each searcher spent.
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

/// Returns how far the winner's ratios are from each teacher's, a sentence each, and what was judged by them; nothing without teachers.
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
            let held_out = if it.held_out { ", from which nothing was learned" } else { "" };
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
        "Judged by teachers alone: {} formulas, for which {} reductions over the weights were computed",
        grouped(formulas),
        grouped(reductions)
    ));
    lines
}

/// Returns how fast formulas were judged by teachers in this process; `None` where none were.
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

/// What a distance from a teacher is.
const DISTANCE: &str = "The distance is the mean squared deviation of ratios, each unit by its number of weights times how steeply the damage \
                        rises there, over that of uniform sparsity: 0 is the teacher itself, 1 as far as uniform sparsity.";

/// What it is where the steepness is not known.
const BY_SIZE: &str = "Where a descent's journal does not show how steeply the damage rises, units count by their number of weights alone.";

/// What the comparison with controls says and does not say.
pub(super) const CHANCE: &str = "The 95% bootstrap interval is over seeds and windows, so it is wide where seeds differ. p is of Wilcoxon's \
                                 signed-rank test, two-sided, over windows with the seeds' losses averaged: it takes these seeds for given. A \
                                 difference is called more than chance where both say so.";

/// The p-value below which a difference is more than chance.
const SIGNIFICANT: f64 = 0.05;

/// Returns which published allocation does better on the main text than what was found, in a sentence; `None` where none does.
pub(super) fn better(summary: &Summary) -> Option<String> {
    if summary.best.name != WinnerName::Discovered {
        return None;
    }
    // A search by tasks is judged by its documents: what the report text says is another matter.
    let by_tasks = summary.measure == Measure::Tasks;
    let reported = !by_tasks && !summary.best.report.is_empty();
    let scale = LossScale::of(summary);
    let loss = |winner: &Winner| match winner.report.first() {
        Some(damage) if reported => match summary.measure {
            Measure::Kl | Measure::Tasks => damage.kl,
            Measure::Perplexity => damage.perplexity.ln(),
        },
        _ => deciding(winner),
    };
    let found = loss(&summary.best);
    let lower: Vec<&Winner> = summary.published.iter().filter(|it| loss(it) < found).collect();
    let best = lower.iter().min_by(|a, b| loss(a).total_cmp(&loss(b)))?;
    let text = if reported { "report" } else { deciding_text(summary) };
    let what = if by_tasks { "documents" } else { "text" };
    let uniform = match lower.iter().any(|it| it.name.to_string() == "uniform") {
        true => " Uniform sparsity does better, too.",
        false => "",
    };
    let figures = match (reported, summary.measure) {
        (true, Measure::Perplexity) => [loss(best).exp(), found.exp()].map(|it| format!("{it:.2}")),
        (true, Measure::Kl | Measure::Tasks) => [loss(best), found].map(|it| format!("{it:.4}")),
        (false, _) => [loss(best), found].map(|it| scale.text(it)),
    };
    let [published, found] = figures;
    let place = match summary.settings.first() {
        Some(first) if reported && summary.settings.len() > 1 => {
            format!(" of {} at {}", first.model, plain_percent(first.target))
        }
        _ => String::new(),
    };
    Some(format!(
        "On the {text} {what}{place} the published `{}` does better than what was found: {} {published} against {found}.{uniform}",
        best.name,
        match (reported, summary.measure) {
            (true, Measure::Kl | Measure::Tasks) => "KL",
            (true, Measure::Perplexity) => "perplexity",
            (false, _) => scale.name(),
        }
    ))
}

/// Returns a number with its sign; what is not finite has none.
pub(super) fn signed(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return "–".to_owned();
    }
    format!("{number:+.decimals$}").replace('-', "−")
}

/// What is to be known of the table that leaves parts out.
pub(super) const PARTS: &str = "Measured when all was decided, on the text that chose the function; above 0, the function is worse without the \
                                part. Small differences are chance: the text was looked at before.";

/// Returns a sentence about a formula that was simplified.
pub(super) fn simplified(formula: &Formula) -> Option<String> {
    let found = Reading::of(&Formula { script: formula.found.clone()?, ..formula.clone() })?;
    let size = found.size();
    Some(format!(
        "Found as a formula of {size} operators and constants, and made simpler where that changes no weight: {}",
        found.line()
    ))
}

/// Returns a comparison's difference, interval and p-value as text, and whether the difference is more than chance.
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

/// Returns the lines that say what was searched, with what, and by whom.
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
